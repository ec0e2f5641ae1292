"""Alerts: what fires, why, who is told; and over time how many fired and how many messages left."""

from __future__ import annotations

from typing import Final

from tocsin.dashboards.model import Dashboard, Headline, Panel, Query, Section, Unit


def _in_an_hour(metric: str) -> str:
    """How much a counter rose, to whole numbers: PromQL goes beyond what was measured at both ends."""
    return f"round(sum by (integration) (increase({metric}[1h])))"


_FIRING: Final = Panel(
    name="firing",
    title="Alerts firing",
    unit=Unit.NUMBER,
    queries=(Query('count by (alertname) (ALERTS{alertstate="firing",severity!="none"})', "{{alertname}}"),),
    headline=Headline.SUM,
    stacked=True,
    minimum=0,
    empty="Nothing fired in this time range.",
)

_MESSAGES: Final = Panel(
    name="messages",
    title="Messages in an hour",
    unit=Unit.NUMBER,
    queries=(Query(_in_an_hour("tocsin_notifications_total"), "{{integration}}"),),
    headline=Headline.SUM,
    minimum=0,
    empty="No receiver was told anything in this time range.",
)

_FAILED: Final = Panel(
    name="failed",
    title="Messages that failed, in an hour",
    unit=Unit.NUMBER,
    queries=(
        Query(
            "round(sum by (integration) (increase(tocsin_notifications_failed_total[1h])))", "{{integration}}"
        ),
    ),
    headline=Headline.SUM,
    minimum=0,
    empty="No message failed in this time range.",
)

DASHBOARD: Final = Dashboard(
    name="alerts",
    title="Alerts",
    path="/alerts",
    question="What fires, why, who is told, and what is kept quiet?",
    sections=(Section("history", "Over time", (_FIRING, _MESSAGES, _FAILED)),),
)
