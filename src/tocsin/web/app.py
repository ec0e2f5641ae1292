"""The web application: every route, behind one gate."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from tocsin.errors import TocsinError
from tocsin.web import pages
from tocsin.web.acknowledge_page import AcknowledgePage
from tocsin.web.alert_states_api import AlertStatesApi
from tocsin.web.alerts_v2_api import AlertsV2Api
from tocsin.web.drills_api import DrillsApi
from tocsin.web.federate_api import FederateApi
from tocsin.web.gate import Gate
from tocsin.web.incidents_api import IncidentsApi
from tocsin.web.ingest_api import IngestApi
from tocsin.web.language_api import LanguageApi
from tocsin.web.otlp_api import OtlpApi
from tocsin.web.push_api import PushApi
from tocsin.web.query_api import QueryApi
from tocsin.web.responses import on_http_error, on_tocsin_error, on_unexpected_error
from tocsin.web.series_api import SeriesApi
from tocsin.web.services import Services
from tocsin.web.status_api import StatusApi
from tocsin.web.storage_api import StorageApi

APIS: Final = (
    QueryApi,
    LanguageApi,
    SeriesApi,
    FederateApi,
    IngestApi,
    PushApi,
    OtlpApi,
    StatusApi,
    StorageApi,
    AlertsV2Api,
    AlertStatesApi,
    IncidentsApi,
    DrillsApi,
    AcknowledgePage,
)


def create_app(services: Services, *, listens_on_loopback: bool, external_url: str = "") -> ASGIApp:
    """The application over some services; it answers to the name in ``external_url`` in any case."""
    routes = [route for api in APIS for route in api(services).routes()]
    app = Starlette(
        routes=[*routes, *pages.routes()],
        exception_handlers={
            TocsinError: on_tocsin_error,
            HTTPException: on_http_error,
            Exception: on_unexpected_error,
        },
    )
    external_name = urlsplit(external_url).hostname or ""
    return Gate(app, listens_on_loopback=listens_on_loopback, external_name=external_name)
