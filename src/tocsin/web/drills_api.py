"""``/api/tocsin/drills``: ask for a drill, follow it, and look up those that were."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin.alerts.drills import Drill, DrillRequest, Outcome, Stage
from tocsin.alerts.drills.drill import DEFAULT_SEVERITY, DEFAULT_TIMEOUT_MS
from tocsin.errors import UsageError
from tocsin.model import format_duration_ms
from tocsin.web.parameters import Parameters
from tocsin.web.responses import success
from tocsin.web.services import Services

_PATH: Final = "/api/tocsin/drills"
_DEFAULT_LIMIT: Final = 100
_MAX_TIMEOUT_MS: Final = 3_600_000
_MAX_WAIT_MS: Final = 86_400_000


class DrillsApi:
    """Drills as JSON; times are in seconds since 1970, and null where they have not come."""

    def __init__(self, services: Services) -> None:
        self._desk = services.drills

    def routes(self) -> Sequence[BaseRoute]:
        """The routes that this class answers."""
        return (
            Route(_PATH, self.drills, methods=["GET"]),
            Route(_PATH, self.start, methods=["POST"]),
            Route(f"{_PATH}/{{id}}", self.drill, methods=["GET"]),
        )

    async def start(self, request: Request) -> Response:
        """Begin a drill: ``receiver`` and ``label`` may stand several times."""
        parameters = await Parameters.of(request)
        wanted = DrillRequest(
            receivers=tuple(dict.fromkeys(parameters.texts("receiver"))),
            severity=parameters.optional("severity") or DEFAULT_SEVERITY,
            labels=dict(map(_label, parameters.texts("label"))),
            timeout_ms=_duration_ms(parameters, "timeout", _MAX_TIMEOUT_MS) or DEFAULT_TIMEOUT_MS,
            wait_acknowledge_ms=_duration_ms(parameters, "wait_acknowledge", _MAX_WAIT_MS) or 0,
        )
        return success(drill_data(self._desk.start(wanted)))

    async def drill(self, request: Request) -> Response:
        """How a drill stands."""
        drill_id = request.path_params["id"]
        drill = self._desk.get(drill_id)
        if drill is None:
            raise HTTPException(404, f'there is no drill "{drill_id[:80]}"')
        return success(drill_data(drill))

    async def drills(self, request: Request) -> Response:
        """The drills of the last 90 days, the newest first; ``limit`` narrows them."""
        limit = (await Parameters.of(request)).count("limit") or _DEFAULT_LIMIT
        return success([drill_data(each) for each in self._desk.newest(limit)])


def drill_data(drill: Drill) -> dict[str, Any]:
    """A drill by the names of its fields."""
    request = drill.request
    return {
        "id": drill.id,
        "by": request.by,
        "receivers": list(request.receivers),
        "severity": request.severity,
        "labels": dict(request.labels),
        "timeout": request.timeout_ms / 1000,
        "waitAcknowledge": request.wait_acknowledge_ms / 1000,
        "started": drill.started_ms / 1000,
        "result": drill.result,
        "reasons": list(drill.all_reasons),
        "decided": _seconds(drill.decided_ms),
        "ended": _seconds(drill.ended_ms),
        "stages": list(_stages(drill.stages)),
        "channels": [_channel(each) for each in drill.outcomes],
    }


def _stages(stages: Iterable[Stage]) -> Iterable[dict[str, Any]]:
    for each in stages:
        yield {
            "at": each.at_ms / 1000,
            "stage": each.kind,
            "receiver": each.receiver,
            "integration": each.integration,
            "who": each.who,
            "text": each.text,
        }


def _channel(outcome: Outcome) -> dict[str, Any]:
    return {
        "receiver": outcome.receiver,
        "integration": outcome.integration,
        "accepted": _seconds(outcome.accepted_ms),
        "endTold": _seconds(outcome.resolved_ms),
        "failure": outcome.failure or None,
    }


def _label(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name or not value:
        raise UsageError(f'not a label: "{text[:80]}" (allowed are forms such as team=ml)')
    return name, value


def _duration_ms(parameters: Parameters, name: str, longest_ms: int) -> int | None:
    duration_ms = parameters.duration_ms(name)
    if duration_ms is not None and not 0 < duration_ms <= longest_ms:
        raise UsageError(
            f'invalid parameter "{name}": it must be longer than 0s and at most '
            f"{format_duration_ms(longest_ms)}"
        )
    return duration_ms


def _seconds(time_ms: int | None) -> float | None:
    return None if time_ms is None else time_ms / 1000
