"""Dashboards as data: what is shown, in PromQL; drawn by the pages and rendered for other systems."""

from tocsin.dashboards.model import (
    Dashboard,
    Headline,
    Panel,
    Query,
    Section,
    Severity,
    Threshold,
    Unit,
    Variable,
)
from tocsin.dashboards.registry import DASHBOARDS, find_dashboard

__all__ = [
    "DASHBOARDS",
    "Dashboard",
    "Headline",
    "Panel",
    "Query",
    "Section",
    "Severity",
    "Threshold",
    "Unit",
    "Variable",
    "find_dashboard",
]
