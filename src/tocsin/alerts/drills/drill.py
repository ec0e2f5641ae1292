"""One drill: what was asked for, how far it came, and what came of it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

import orjson

from tocsin.alerts.marks import ACKNOWLEDGE, DRILL, DRILL_SERIES, RECEIVER, WANTED
from tocsin.model import METRIC_NAME, Labels
from tocsin.model.alert import ALERT_NAME

RESERVED: Final = frozenset({METRIC_NAME, ALERT_NAME, DRILL, RECEIVER, ACKNOWLEDGE, "severity"})
"""Labels that a drill has by itself, so nobody may add them."""

DEFAULT_TIMEOUT_MS: Final = 60_000
DEFAULT_SEVERITY: Final = "info"

_ID_BYTES: Final = 4


class Result(StrEnum):
    """What came of a drill."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    MUTED = "muted"
    INTERRUPTED = "interrupted"


class StageKind(StrEnum):
    """How far a drill came."""

    WRITTEN = "series written"
    FIRED = "rule fired"
    ROUTED = "routed to"
    MUTED = "muted"
    ACCEPTED = "accepted by"
    REFUSED = "refused by"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "end told by"


@dataclass(frozen=True, slots=True)
class DrillRequest:
    """What is asked for; without ``receivers`` the alert takes the route that its labels lead to.

    ``timeout_ms`` is how long it may take until every channel has accepted, ``wait_acknowledge_ms`` how much
    longer somebody may take to acknowledge; 0 waits for nobody. ``by`` is ``command`` or ``schedule``.
    """

    receivers: tuple[str, ...] = ()
    severity: str = DEFAULT_SEVERITY
    labels: Mapping[str, str] = field(default_factory=dict)
    timeout_ms: int = DEFAULT_TIMEOUT_MS
    wait_acknowledge_ms: int = 0
    by: str = "command"

    @property
    def targets(self) -> tuple[str, ...]:
        """The receivers; an empty name stands for the route that its labels lead to."""
        return self.receivers or ("",)

    def is_like(self, other: DrillRequest) -> bool:
        """Whether another asks for the same, however long that may take."""
        one, two = ((each.receivers, each.severity, each.labels, each.by) for each in (self, other))
        return one == two

    def series(self, drill_id: str) -> list[Labels]:
        """The series that the drill writes, one for each receiver."""
        own = {METRIC_NAME: DRILL_SERIES, DRILL: drill_id, "severity": self.severity}
        if self.wait_acknowledge_ms:
            own[ACKNOWLEDGE] = WANTED
        return [Labels({**self.labels, **own, RECEIVER: name}) for name in self.targets]


@dataclass(frozen=True, slots=True)
class Stage:
    """Something that happened; ``who`` is a person, ``text`` what else there is to say."""

    kind: StageKind
    at_ms: int
    receiver: str = ""
    integration: str = ""
    who: str = ""
    text: str = ""


@dataclass(slots=True)
class Outcome:
    """What one channel did; ``channel`` is its name among those of the receiver, such as ``webhook/0``."""

    receiver: str
    channel: str
    integration: str
    tells_end: bool = True
    accepted_ms: int | None = None
    resolved_ms: int | None = None
    failure: str = ""
    is_refused: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is to be expected."""
        return self.is_refused or self.accepted_ms is not None


@dataclass(slots=True)
class Drill:
    """A drill; ``result`` is None until it is known, and ``ended_ms`` until its end was told as well."""

    id: str
    request: DrillRequest
    started_ms: int
    stages: list[Stage] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    muted: list[str] = field(default_factory=list)
    result: Result | None = None
    decided_ms: int | None = None
    ended_ms: int | None = None

    @classmethod
    def of(cls, request: DrillRequest, now_ms: int) -> Drill:
        """A new one, which begins now."""
        return cls(secrets.token_hex(_ID_BYTES), request, now_ms)

    @property
    def all_reasons(self) -> Sequence[str]:
        """Why it did not succeed, sentence by sentence."""
        return [*self.reasons, *self.muted]

    def decide(self, result: Result, now_ms: int) -> None:
        """Note what came of it."""
        self.result, self.decided_ms = result, now_ms


def to_json(drill: Drill) -> bytes:
    """A drill as it is stored."""
    return orjson.dumps(asdict(drill))


def from_json(content: bytes) -> Drill:
    """The reverse."""
    fields: dict[str, Any] = orjson.loads(content)
    request = fields["request"]
    result = fields["result"]
    return Drill(
        **{
            **fields,
            "request": DrillRequest(**{**request, "receivers": tuple(request["receivers"])}),
            "stages": [Stage(**{**each, "kind": StageKind(each["kind"])}) for each in fields["stages"]],
            "outcomes": [Outcome(**each) for each in fields["outcomes"]],
            "result": None if result is None else Result(result),
        }
    )
