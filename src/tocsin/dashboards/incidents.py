"""Incidents: what is wrong, who acts; and over time how many were opened and how long they took."""

from __future__ import annotations

from typing import Final

from tocsin.dashboards.model import Dashboard, Panel, Query, Section, Unit


def _mean(metric: str) -> str:
    """The mean of a histogram over a day, where anything was observed."""
    total = f"sum(increase({metric}_sum[1d]))"
    return f"{total} / (sum(increase({metric}_count[1d])) > 0)"


_OPENED: Final = Panel(
    name="opened",
    title="Incidents opened in a day",
    unit=Unit.NUMBER,
    queries=(Query("round(sum(increase(tocsin_incidents_opened_total[1d])))", "opened"),),
    minimum=0,
)

_TAKEN: Final = Panel(
    name="taken",
    title="Time taken, mean of a day",
    unit=Unit.SECONDS,
    queries=(
        Query(_mean("tocsin_incident_time_to_acknowledge_seconds"), "until acknowledged"),
        Query(_mean("tocsin_incident_time_to_resolve_seconds"), "until resolved"),
    ),
    minimum=0,
    empty="No incident was acknowledged or resolved in this time range.",
)

DASHBOARD: Final = Dashboard(
    name="incidents",
    title="Incidents",
    path="/incidents",
    question="What is wrong, since when, who acts, and what happened?",
    sections=(Section("history", "Over time", (_OPENED, _TAKEN)),),
)
