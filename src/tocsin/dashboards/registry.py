"""The list of dashboards, in the order in which they are offered."""

from __future__ import annotations

from typing import Final

from tocsin.dashboards import alerts, incidents, overview, storage, training
from tocsin.dashboards.model import Dashboard

DASHBOARDS: Final[tuple[Dashboard, ...]] = (
    overview.DASHBOARD,
    training.DASHBOARD,
    storage.DASHBOARD,
    alerts.DASHBOARD,
    incidents.DASHBOARD,
)


def find_dashboard(name: str) -> Dashboard | None:
    """The dashboard of this name, or None."""
    return next((dashboard for dashboard in DASHBOARDS if dashboard.name == name), None)
