"""Endpoints that report on tocsin itself: health, rules, alerts, targets, its own metrics."""

from __future__ import annotations

import platform
import socket
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from tocsin import __version__
from tocsin.config.selectors import parse_selector
from tocsin.errors import TocsinError, UsageError
from tocsin.model import Labels, format_duration_ms
from tocsin.model.timestamps import format_timestamp_ms
from tocsin.rules import describe_alerts, describe_groups
from tocsin.rules.api import Page
from tocsin.web.parameters import Parameters
from tocsin.web.responses import success
from tocsin.web.services import Services

# The level of Prometheus' API that clients may count on; they read it from buildinfo.
PROMETHEUS_API_VERSION: Final = "3.0.0"

_DEFAULT_TSDB_LIMIT: Final = 10


class StatusApi:
    """Health, readiness and ``/metrics``; under ``/api/v1/`` rules, alerts, targets and build information."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> Sequence[BaseRoute]:
        """The routes that this class answers."""
        return (
            Route("/-/healthy", self.healthy),
            Route("/-/ready", self.ready),
            Route("/-/reload", self.reload, methods=["POST", "PUT"]),
            Route("/metrics", self.metrics),
            Route("/api/v1/rules", self.rules),
            Route("/api/v1/alerts", self.alerts),
            Route("/api/v1/alertmanagers", self.alertmanagers),
            Route("/api/v1/targets", self.targets),
            Route("/api/v1/status/buildinfo", self.build_info),
            Route("/api/v1/status/runtimeinfo", self.runtime_info),
            Route("/api/v1/status/flags", self.flags),
            Route("/api/v1/status/config", self.config),
            Route("/api/v1/status/tsdb", self.tsdb),
        )

    async def healthy(self, _request: Request) -> Response:
        """Say that the process answers."""
        return PlainTextResponse("tocsin is healthy.\n")

    async def ready(self, _request: Request) -> Response:
        """Say that start-up is over: before that, nothing listens."""
        return PlainTextResponse("tocsin is ready.\n")

    async def reload(self, _request: Request) -> Response:
        """Read the configuration again, as SIGHUP does; a wrong one changes nothing."""
        try:
            waiting = await self._services.reloading.reload()
        except TocsinError as error:
            return PlainTextResponse(f"failed to reload config: {error}\n", 500)
        return PlainTextResponse(f"needs a restart: {', '.join(waiting)}\n" if waiting else "")

    async def metrics(self, _request: Request) -> Response:
        """What was measured last on this machine and in this process, as text."""
        return Response(self._services.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def rules(self, request: Request) -> Response:
        """Rules and their state: all, or those of a type, names, groups, files or labels; page by page."""
        parameters = await Parameters.of(request)
        try:
            return success(
                describe_groups(
                    self._services.rules.groups,
                    kind=_rule_kind(parameters.optional("type")),
                    rule_names=parameters.texts("rule_name"),
                    group_names=parameters.texts("rule_group"),
                    files=parameters.texts("file"),
                    selectors=[parse_selector(text) for text in parameters.texts("match")],
                    with_alerts=parameters.optional("exclude_alerts") != "true",
                    page=_page(parameters),
                )
            )
        except ValueError as error:
            raise UsageError(str(error)) from error

    async def alerts(self, _request: Request) -> Response:
        """All alerts that are pending or firing."""
        return success(describe_alerts(self._services.rules.groups))

    async def alertmanagers(self, _request: Request) -> Response:
        """Alertmanagers elsewhere that get our alerts, and those that relabelling has dropped."""
        forwarder = self._services.forwarder()
        return success(
            {
                "activeAlertmanagers": [{"url": url} for url in forwarder.active],
                "droppedAlertmanagers": [{"url": address} for address in forwarder.dropped],
            }
        )

    async def targets(self, _request: Request) -> Response:
        """All scrape targets and their state."""
        return success(self._services.scraping.targets())

    async def build_info(self, _request: Request) -> Response:
        """Versions; ``version`` is the Prometheus version whose API this is."""
        return success(
            {
                "version": PROMETHEUS_API_VERSION,
                "application": "tocsin",
                "applicationVersion": __version__,
                "pythonVersion": platform.python_version(),
            }
        )

    async def runtime_info(self, _request: Request) -> Response:
        """How the process is doing."""
        storage = self._services.settings.storage
        return success(
            {
                "startTime": format_timestamp_ms(self._services.started_ms),
                "CWD": str(Path.cwd()),
                "hostname": socket.gethostname(),
                "serverTime": format_timestamp_ms(self._services.clock.now_ms()),
                "reloadConfigSuccess": self._services.reloading.has_succeeded,
                "lastConfigTime": format_timestamp_ms(self._services.reloading.succeeded_ms),
                "storageRetention": format_duration_ms(storage.retention),
            }
        )

    async def flags(self, _request: Request) -> Response:
        """The limits of queries, by the names of Prometheus' flags."""
        query = self._services.settings.query
        return success(
            {
                "query.lookback-delta": format_duration_ms(query.lookback_delta),
                "query.max-concurrency": str(query.max_concurrency),
                "query.max-samples": str(query.max_samples),
                "query.timeout": format_duration_ms(query.timeout),
                "storage.tsdb.retention.time": format_duration_ms(self._services.settings.storage.retention),
            }
        )

    async def config(self, _request: Request) -> Response:
        """The configuration in force, defaults included and secrets hidden."""
        settings = self._services.reloading.settings.model_dump(mode="json", by_alias=True, exclude_none=True)
        return success({"yaml": yaml.safe_dump(settings, sort_keys=False)})

    async def tsdb(self, request: Request) -> Response:
        """How many series there are, in all and by metric and label."""
        parameters = await Parameters.of(request)
        limit = parameters.count("limit") or _DEFAULT_TSDB_LIMIT
        now_ms = self._services.clock.now_ms()
        start_ms = now_ms - self._services.settings.storage.hot
        storage = self._services.storage
        return await self._services.queries.run(
            request,
            lambda _cancelled: success(series_statistics(storage.series((), start_ms, now_ms), limit)),
        )


def series_statistics(series: Sequence[Labels], limit: int) -> dict[str, Any]:
    """Counts of series, the largest first, at most ``limit`` of each kind."""
    metrics = Counter(labels.metric_name for labels in series)
    pairs = Counter(pair for labels in series for pair in labels.pairs)
    names = Counter(name for name, _ in pairs)
    return {
        "headStats": {"numSeries": len(series), "numLabelPairs": len(pairs)},
        "seriesCountByMetricName": _ranking(metrics, limit),
        "labelValueCountByLabelName": _ranking(names, limit),
        "seriesCountByLabelValuePair": _ranking(
            Counter({f"{name}={value}": count for (name, value), count in pairs.items()}), limit
        ),
    }


def _ranking(counts: Counter[str], limit: int) -> list[dict[str, Any]]:
    return [{"name": name, "value": count} for name, count in counts.most_common(limit)]


def _page(parameters: Parameters) -> Page | None:
    limit, token = parameters.count("group_limit"), parameters.optional("group_next_token")
    if limit is None:
        if token is not None:
            raise UsageError("group_limit needs to be present along with group_next_token")
        return None
    if limit == 0:
        raise UsageError('invalid parameter "group_limit": it must be greater than 0')
    return Page(limit, token or "")


def _rule_kind(kind: str | None) -> str | None:
    if kind not in {None, "alert", "record"}:
        raise UsageError(f'invalid parameter "type": not supported value "{kind}" (allowed: alert, record)')
    return kind
