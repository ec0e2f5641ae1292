"""Alertmanager's HTTP API, version 2: what Prometheus sends alerts to, and amtool and Grafana speak.

Source: github.com/prometheus/alertmanager, api/v2/openapi.yaml.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cmp_to_key
from typing import Any, Final, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin import __version__
from tocsin.alerts import Silence, SilenceState, compare_labels
from tocsin.alerts.desk import AlertView, GroupView
from tocsin.config.matchers import parse_matchers
from tocsin.errors import ParseError, UsageError
from tocsin.model import Matcher, MatchType
from tocsin.model.regex import checked_regex
from tocsin.model.timestamps import format_with_milliseconds
from tocsin.web.alert_messages import read_alerts, read_silence, silence_as_json
from tocsin.web.message_error import WRONG_TYPE, MessageError, invalid
from tocsin.web.parameters import Parameters
from tocsin.web.responses import json_response
from tocsin.web.services import Services
from tocsin.web.shown_config import shown_alertmanager_config

Answer: TypeAlias = Callable[[Request], Awaitable[Response]]

ALERTMANAGER_API_VERSION: Final = "0.28.0"
"""The level of the API that clients may count on; they read it from the status."""

_STATES: Final = ("active", "silenced", "inhibited", "unprocessed")
_TRUE: Final = frozenset({"true", "1", "t", "y", "yes", "on", "ok", "checked", "selected", "enabled"})
_FALSE: Final = frozenset({"false", "0", "f", "n", "no", "off"})


class AlertsV2Api:
    """``/api/v2/``: alerts, groups, silences, receivers and status."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._desk = services.desk
        self._clock = services.clock

    def routes(self) -> Sequence[BaseRoute]:
        """The routes that this class answers."""
        return (
            Route("/api/v2/status", _plain(self.status)),
            Route("/api/v2/receivers", _plain(self.receivers)),
            Route("/api/v2/alerts", _plain(self.alerts), methods=["GET"]),
            Route("/api/v2/alerts", _plain(self.post_alerts), methods=["POST"]),
            Route("/api/v2/alerts/groups", _plain(self.groups)),
            Route("/api/v2/silences", _plain(self.silences), methods=["GET"]),
            Route("/api/v2/silences", _plain(self.post_silence), methods=["POST"]),
            Route("/api/v2/silence/{id}", _plain(self.silence), methods=["GET"]),
            Route("/api/v2/silence/{id}", _plain(self.delete_silence), methods=["DELETE"]),
        )

    async def status(self, _request: Request) -> Response:
        """The version, the configuration with secrets hidden, and that there is no cluster."""
        empty = dict.fromkeys(("branch", "buildDate", "buildUser", "goVersion", "revision"), "")
        return json_response(
            {
                "cluster": {"status": "disabled", "peers": []},
                "config": {"original": shown_alertmanager_config(self._services.alertmanager())},
                "uptime": format_with_milliseconds(self._services.started_ms),
                "versionInfo": {**empty, "version": ALERTMANAGER_API_VERSION, "tocsin": __version__},
            }
        )

    async def receivers(self, _request: Request) -> Response:
        """The names of all receivers."""
        return json_response([{"name": each.name} for each in self._services.alertmanager().receivers])

    async def alerts(self, request: Request) -> Response:
        """Alerts that are not over, by state, matchers and receiver."""
        wanted = _Wanted.of(await Parameters.of(request))
        views = sorted(filter(wanted.takes, self._desk.alerts()), key=_fingerprint)
        return json_response([_alert(view) for view in views])

    async def groups(self, request: Request) -> Response:
        """The same alerts, as they are told together."""
        wanted = _Wanted.of(await Parameters.of(request))
        answer = []
        for group in sorted(self._desk.groups(), key=cmp_to_key(_compare_groups)):
            alerts = [wanted.narrowed(view) for view in group.alerts if wanted.takes(view)]
            if alerts and wanted.takes_receivers([group.receiver]):
                answer.append(_group(group, sorted(alerts, key=_fingerprint)))
        return json_response(answer)

    async def post_alerts(self, request: Request) -> Response:
        """Take a report about alerts; those that are right are taken though others are wrong."""
        alerts, faults = read_alerts(await request.body(), self._clock.now_ms())
        self._desk.put(alerts)
        if faults:
            raise _together(faults)
        return Response(status_code=200)

    async def silences(self, request: Request) -> Response:
        """Silences that have all the matchers asked for, active ones first, then pending, then expired."""
        matchers = _filter(await Parameters.of(request))
        now_ms = self._clock.now_ms()
        found = [each for each in self._desk.state.silences.all() if set(matchers) <= set(each.matchers)]
        found.sort(key=lambda each: _place(each, now_ms))
        return json_response([silence_as_json(each, now_ms) for each in found])

    async def post_silence(self, request: Request) -> Response:
        """Make a silence, or change one; answers its id."""
        now_ms = self._clock.now_ms()
        wanted, silences = read_silence(await request.body(), now_ms), self._desk.state.silences
        if wanted.id and silences.get(wanted.id) is None:
            return _not_found()
        return json_response({"silenceID": silences.set(wanted, now_ms).id})

    async def silence(self, request: Request) -> Response:
        """One silence."""
        found = self._desk.state.silences.get(_silence_id(request))
        return json_response(silence_as_json(found, self._clock.now_ms())) if found else _not_found()

    async def delete_silence(self, request: Request) -> Response:
        """End a silence; one that has ended already stays as it is."""
        now_ms, silences = self._clock.now_ms(), self._desk.state.silences
        found = silences.get(_silence_id(request))
        if found is None:
            return _not_found()
        if found.state(now_ms) is not SilenceState.EXPIRED:
            silences.expire(found.id, now_ms)
        return Response(status_code=200)


def _plain(answer: Answer) -> Answer:
    """Errors as this API has them: a JSON string, or an object where the message itself is wrong."""

    async def guarded(request: Request) -> Response:
        try:
            return await answer(request)
        except MessageError as error:
            return json_response({"code": error.code, "message": str(error)}, error.status)
        except (ParseError, UsageError) as error:
            return json_response(str(error), 400)

    return guarded


def _not_found() -> Response:
    return json_response("silence not found", 404)


def _silence_id(request: Request) -> str:
    text = str(request.path_params["id"])
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise invalid(f'silenceID in path must be of type uuid: "{text[:80]}"', code=WRONG_TYPE) from error


def _together(faults: Sequence[ParseError]) -> ParseError:
    """One error for several, of the kind of the first."""
    first, sentences = faults[0], "; ".join(map(str, faults))
    if isinstance(first, MessageError):
        return MessageError(sentences, status=first.status, code=first.code)
    return ParseError(sentences)


def _place(silence: Silence, now_ms: int) -> tuple[int, int]:
    """By state; then those first that will end or begin next, or ended last."""
    match silence.state(now_ms):
        case SilenceState.ACTIVE:
            return 0, silence.ends_at_ms
        case SilenceState.PENDING:
            return 1, silence.starts_at_ms
        case SilenceState.EXPIRED:
            return 2, -silence.ends_at_ms


def _compare_groups(one: GroupView, other: GroupView) -> int:
    by_labels = compare_labels(one.labels, other.labels)
    return by_labels or (one.receiver > other.receiver) - (one.receiver < other.receiver)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a request asks for."""

    states: frozenset[str]
    matchers: tuple[Matcher, ...]
    receiver: Matcher | None

    @classmethod
    def of(cls, parameters: Parameters) -> _Wanted:
        states = frozenset(state for state in _STATES if _flag(parameters, state))
        receiver = parameters.optional("receiver")
        matcher = None
        if receiver is not None:
            try:
                matcher = Matcher("receiver", MatchType.REGEX, checked_regex(receiver))
            except ValueError as error:
                raise UsageError(f'invalid parameter "receiver": {error}') from error
        return cls(states, _filter(parameters), matcher)

    def takes(self, view: AlertView) -> bool:
        status = view.status
        if not self.takes_receivers(view.receivers) or not _satisfies(view.known.alert.labels, self.matchers):
            return False
        if status.silenced_by and "silenced" not in self.states:
            return False
        if status.inhibited_by and "inhibited" not in self.states:
            return False
        return status.is_suppressed or "active" in self.states

    def takes_receivers(self, names: Iterable[str]) -> bool:
        return self.receiver is None or any(map(self.receiver.matches, names))

    def narrowed(self, view: AlertView) -> AlertView:
        """The same with no receivers but those asked for."""
        return replace(view, receivers=[name for name in view.receivers if self.takes_receivers([name])])


def _flag(parameters: Parameters, name: str) -> bool:
    text = (parameters.optional(name) or "true").lower()
    if text not in _TRUE | _FALSE:
        raise UsageError(f'invalid parameter "{name}": "{text[:80]}" (allowed: true, false)')
    return text in _TRUE


def _filter(parameters: Parameters) -> tuple[Matcher, ...]:
    try:
        return tuple(map(_only_matcher, parameters.texts("filter")))
    except ValueError as error:
        raise UsageError(f'invalid parameter "filter": {error}') from error


def _only_matcher(text: str) -> Matcher:
    matchers = parse_matchers(text)
    if len(matchers) != 1:
        raise ValueError(f'"{text[:80]}" is not one matcher (give "filter" once for each)')
    return matchers[0]


def _satisfies(labels: Mapping[str, str], matchers: Iterable[Matcher]) -> bool:
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)


def _fingerprint(view: AlertView) -> str:
    return view.known.alert.fingerprint


def _alert(view: AlertView) -> dict[str, Any]:
    known, status = view.known, view.status
    alert = known.alert
    return {
        "annotations": dict(alert.annotations),
        "endsAt": format_with_milliseconds(known.ends_at_ms),
        "fingerprint": alert.fingerprint,
        "receivers": [{"name": name} for name in view.receivers],
        "startsAt": format_with_milliseconds(known.starts_at_ms),
        "status": {
            "inhibitedBy": list(status.inhibited_by),
            "mutedBy": [],
            "silencedBy": list(status.silenced_by),
            "state": status.state,
        },
        "updatedAt": format_with_milliseconds(known.updated_at_ms),
        **({"generatorURL": alert.generator_url} if alert.generator_url else {}),
        "labels": dict(alert.labels),
    }


def _group(group: GroupView, alerts: Sequence[AlertView]) -> dict[str, Any]:
    muted = {"mutedBy": list(group.muted_by)}
    shown = [_alert(view) for view in alerts]
    return {
        "alerts": [{**each, "status": {**each["status"], **muted}} for each in shown],
        "labels": group.labels,
        "receiver": {"name": group.receiver},
    }
