"""``/api/tocsin/incidents``: what is wrong, what happened, and what people say and do about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin.alerts.incidents import Entry, Incident, IncidentBook, IncidentStatus
from tocsin.alerts.noise import DAY_MS, rule_noise
from tocsin.errors import ParseError, UsageError
from tocsin.model import parse_duration_ms
from tocsin.web.parameters import Parameters
from tocsin.web.responses import success
from tocsin.web.services import Services

_DEFAULT_LIMIT = 200
_NOISE_DAYS = 7


class IncidentsApi:
    """Incidents as JSON; times are in seconds since 1970, and null where they have not come."""

    def __init__(self, services: Services) -> None:
        self._book = services.incidents
        self._clock = services.clock

    def routes(self) -> Sequence[BaseRoute]:
        """The routes that this class answers."""
        one = "/api/tocsin/incidents/{id:int}"
        return (
            Route("/api/tocsin/incidents", self.incidents),
            Route("/api/tocsin/incidents/summary", self.summary),
            Route("/api/tocsin/incidents/noise", self.noise),
            Route(one, self.incident, methods=["GET"]),
            Route(f"{one}/acknowledge", self.acknowledge, methods=["POST"]),
            Route(f"{one}/notes", self.note, methods=["POST"]),
            Route(f"{one}/escalate", self.escalate, methods=["POST"]),
            Route(f"{one}/merge", self.merge, methods=["POST"]),
        )

    async def incidents(self, request: Request) -> Response:
        """Incidents, the newest first; ``status`` (several times) and ``limit`` narrow them."""
        parameters = await Parameters.of(request)
        allowed = [status.value for status in IncidentStatus]
        wanted = parameters.texts("status") or allowed
        for status in wanted:
            if status not in allowed:
                raise UsageError(
                    f'invalid parameter "status": "{status[:80]}" (allowed: {", ".join(allowed)})'
                )
        found = [each for each in self._book.all() if each.status in wanted]
        found.sort(key=lambda each: (each.opened_ms, each.id), reverse=True)
        limit = parameters.count("limit") or _DEFAULT_LIMIT
        return success([incident_data(each) for each in found[:limit]])

    async def incident(self, request: Request) -> Response:
        """One incident with its timeline."""
        incident = self._incident(request)
        timeline = [_entry(each) for each in self._book.timeline.of(incident.id)]
        return success({**incident_data(incident), "timeline": timeline, **self._escalation(incident)})

    def _escalation(self, incident: Incident) -> dict[str, Any]:
        """How it escalates, and from when its levels are counted; null while nobody has begun it."""
        policy = self._book.policy(incident)
        levels = policy.levels if policy else ()
        return {
            "mode": policy and policy.mode,
            "escalatesFrom": _seconds(incident.escalates_from_ms),
            "levels": [{"after": level.after / 1000, "to": list(level.to)} for level in levels],
        }

    async def acknowledge(self, request: Request) -> Response:
        """``{"by": …, "for": "4h"}``: somebody acts."""
        incident, body = self._incident(request), await _body(request)
        lasts = body.get("for")
        try:
            until_ms = self._clock.now_ms() + parse_duration_ms(lasts) if lasts else None
        except (ValueError, TypeError) as error:
            raise ParseError(f'"for" is no duration: {error}') from error
        changed = self._book.acknowledge(incident.id, _text(body, "by"), self._clock.now_ms(), until_ms)
        return success(incident_data(changed))

    async def note(self, request: Request) -> Response:
        """``{"by": …, "text": …}``: somebody has something to say."""
        incident, body = self._incident(request), await _body(request)
        self._book.note(incident.id, _text(body, "by"), _text(body, "text"), self._clock.now_ms())
        return success(incident_data(incident))

    async def escalate(self, request: Request) -> Response:
        """``{"by": …}``: have the levels begin."""
        incident, body = self._incident(request), await _body(request)
        changed = self._book.escalate(incident.id, _text(body, "by"), self._clock.now_ms())
        return success(incident_data(changed))

    async def merge(self, request: Request) -> Response:
        """``{"into": 7, "by": …}``: make one of two."""
        incident, body = self._incident(request), await _body(request)
        into = body.get("into")
        if not isinstance(into, int):
            raise ParseError('"into" must be the number of an incident')
        merged = self._book.merge(incident.id, into, _text(body, "by"), self._clock.now_ms())
        return success(incident_data(merged))

    async def summary(self, request: Request) -> Response:
        """How many incidents a month had, and how long it took to acknowledge and resolve them."""
        parameters = await Parameters.of(request)
        month = parameters.optional("month") or f"{self._now():%Y-%m}"
        try:
            datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
        except ValueError as error:
            raise UsageError(
                f'invalid parameter "month": "{month[:80]}" (it must be such as 2026-11)'
            ) from error
        found = [
            each
            for each in self._book.all()
            if f"{_moment(each.opened_ms):%Y-%m}" == month and not each.is_drill
        ]
        return success({"month": month, **month_data(found)})

    async def noise(self, request: Request) -> Response:
        """Who was told how often, and which rules nobody acted on, in the last ``days`` (7) with today."""
        parameters = await Parameters.of(request)
        days = parameters.count("days") or _NOISE_DAYS
        first_day = self._clock.now_ms() // DAY_MS - days + 1
        return success({"days": days, **noise_data(self._book, first_day, days)})

    def _now(self) -> datetime:
        return _moment(self._clock.now_ms())

    def _incident(self, request: Request) -> Incident:
        try:
            return self._book.get(request.path_params["id"])
        except ParseError as error:
            raise HTTPException(404, str(error)) from error


def incident_data(incident: Incident) -> dict[str, Any]:
    """An incident by the names of its fields."""
    acknowledgement = incident.acknowledgement
    return {
        "id": incident.id,
        "title": incident.title,
        "severity": incident.severity,
        "isDrill": incident.is_drill,
        "status": incident.status,
        "opened": incident.opened_ms / 1000,
        "resolved": _seconds(incident.resolved_ms),
        "firstAcknowledged": _seconds(incident.first_acknowledged_ms),
        "acknowledgement": acknowledgement
        and {
            "by": acknowledgement.by,
            "at": acknowledgement.at_ms / 1000,
            "until": _seconds(acknowledgement.until_ms),
        },
        "reopened": incident.reopened,
        "escalation": incident.escalation or None,
        "level": incident.level,
        "firing": len(incident.firing),
        "alerts": [
            {
                "labels": dict(alert.labels),
                "annotations": dict(alert.annotations),
                "starts": alert.starts_at_ms / 1000,
                "ends": _seconds(alert.ends_at_ms),
            }
            for alert in incident.alerts.values()
        ],
    }


def month_data(incidents: Sequence[Incident]) -> dict[str, Any]:
    """Counts by severity, and medians of the times in seconds."""
    by_severity: dict[str, int] = {}
    for incident in incidents:
        by_severity[incident.severity] = by_severity.get(incident.severity, 0) + 1
    return {
        "incidents": len(incidents),
        "bySeverity": by_severity,
        "resolved": sum(each.resolved_ms is not None for each in incidents),
        "reopened": sum(each.reopened for each in incidents),
        "medianTimeToAcknowledge": _median_s(
            [each.first_acknowledged_ms - each.opened_ms for each in incidents if each.first_acknowledged_ms]
        ),
        "medianTimeToResolve": _median_s(
            [each.resolved_ms - each.opened_ms for each in incidents if each.resolved_ms]
        ),
    }


def noise_data(book: IncidentBook, first_day: int, days: int) -> dict[str, Any]:
    """Messages by receiver and day, and rules, those that nobody acted on first."""
    counts = book.counts.since(first_day)
    incidents = [each for each in book.all() if each.opened_ms >= first_day * DAY_MS]
    acted_on = book.timeline.acted_on()
    rules = rule_noise(
        counts,
        [{labels.get("alertname", "") for labels in each.alerts} for each in incidents],
        [each.id in acted_on for each in incidents],
    )
    receivers: dict[tuple[str, str], list[int]] = {}
    for each in counts:
        by_day = receivers.setdefault((each.receiver, each.integration), [0] * days)
        by_day[each.day - first_day] += each.count
    return {
        "from": first_day * DAY_MS / 1000,
        "receivers": [
            {"receiver": receiver, "integration": integration, "notificationsByDay": by_day}
            for (receiver, integration), by_day in sorted(receivers.items())
        ],
        "rules": [
            {
                "rule": each.rule,
                "notifications": each.notifications,
                "incidents": each.incidents,
                "actedOn": each.acted_on,
            }
            for each in rules
        ],
    }


def _median_s(times_ms: Sequence[int]) -> float | None:
    return sorted(times_ms)[len(times_ms) // 2] / 1000 if times_ms else None


def _entry(entry: Entry) -> dict[str, Any]:
    return {"at": entry.at_ms / 1000, "kind": entry.kind, "who": entry.who, "text": entry.text}


def _seconds(time_ms: int | None) -> float | None:
    return None if time_ms is None else time_ms / 1000


def _moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)


async def _body(request: Request) -> dict[str, Any]:
    try:
        content = orjson.loads(await request.body() or b"{}")
    except orjson.JSONDecodeError as error:
        raise ParseError(f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ParseError("the body must be a JSON object")
    return content


def _text(body: dict[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ParseError(f'"{key}" must be a text that is not empty')
    return value.strip()
