"""Who is told next when nobody acts: ``escalations``, ``on_call``, ``incidents`` and ``maintenance``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tocsin.config.alertmanager.matchers import Matchers
from tocsin.config.alertmanager.time_interval import TimeIntervalPartConfig, zone_of
from tocsin.config.alertmanager.values import Text
from tocsin.config.model import ConfigModel, DurationMs, PositiveDurationMs
from tocsin.model import Matcher, MatchType


class ShiftOverrideConfig(ConfigModel):
    """Somebody else is on call from one local time to another."""

    receiver: Text
    from_: datetime = Field(alias="from")
    to: datetime

    @model_validator(mode="after")
    def _is_forwards(self) -> ShiftOverrideConfig:
        if self.from_.tzinfo is not None or self.to.tzinfo is not None:
            raise ValueError("times are local, in the form 2026-12-24T09:00, without a zone")
        if self.from_ >= self.to:
            raise ValueError("from must be before to")
        return self


class OnCallConfig(ConfigModel):
    """A rotation: receivers take turns, each for ``shift``, beginning at the local time ``start``.

    A shift of whole days changes hands at the same time of day all year round.

    >>> from datetime import UTC
    >>> rota = OnCallConfig(name="ml", receivers=["anna", "ben"], start="2026-01-05T09:00", shift="1w")
    >>> rota.receiver(datetime(2026, 1, 13, tzinfo=UTC))
    'ben'
    """

    name: Text
    receivers: Annotated[tuple[Text, ...], Field(min_length=1)]
    start: datetime
    shift: PositiveDurationMs = 7 * 86_400_000
    location: str = "UTC"
    overrides: tuple[ShiftOverrideConfig, ...] = ()

    @model_validator(mode="after")
    def _is_known(self) -> OnCallConfig:
        if self.start.tzinfo is not None:
            raise ValueError("start is a local time, in the form 2026-01-05T09:00, without a zone")
        zone_of(self.location)
        return self

    def receiver(self, at: datetime) -> str:
        """Who is on call at a time; before the start it is the first."""
        local = at.astimezone(zone_of(self.location)).replace(tzinfo=None)
        for override in reversed(self.overrides):
            if override.from_ <= local < override.to:
                return override.receiver
        turns = (local - self.start).total_seconds() * 1000 // self.shift
        return self.receivers[int(max(0, turns)) % len(self.receivers)]

    @property
    def everybody(self) -> list[str]:
        """All who may be on call at some time."""
        return [*self.receivers, *(override.receiver for override in self.overrides)]


class EscalationLevelConfig(ConfigModel):
    """``to`` are told when an incident is not acknowledged ``after`` it opened: receivers and rotations."""

    after: DurationMs
    to: Annotated[tuple[Text, ...], Field(min_length=1)]


class EscalationConfig(ConfigModel):
    """The levels of those incidents that have an alert which satisfies all matchers.

    With ``repeat`` the levels begin again that long after the last one. An incident that is acknowledged
    and not resolved begins anew after ``acknowledged_for``. A ``manual`` escalation waits for a person.
    """

    name: Text
    matchers: Matchers = ()
    mode: Literal["automatic", "manual"] = "automatic"
    levels: Annotated[tuple[EscalationLevelConfig, ...], Field(min_length=1)]
    repeat: PositiveDurationMs | None = None
    acknowledged_for: PositiveDurationMs | None = 4 * 3_600_000

    @model_validator(mode="after")
    def _ascends(self) -> EscalationConfig:
        times = [level.after for level in self.levels]
        if times != sorted(set(times)):
            raise ValueError("each level must come after the one before it")
        return self


class FlappingConfig(ConfigModel):
    """An alert that begins or ends ``changes`` times ``within`` a time flaps.

    With ``hold`` its ends are not told until it has been quiet for half that time.
    """

    changes: Annotated[int, Field(ge=3)] = 6
    within: PositiveDurationMs = 3_600_000
    hold: bool = False


class IncidentsConfig(ConfigModel):
    """How long incidents are kept, when one opens again, and alerts that open none."""

    retention: PositiveDurationMs = 90 * 86_400_000
    reopen_within: DurationMs = 15 * 60_000
    ignore: Matchers = (Matcher("severity", MatchType.EQUAL, "none"),)
    flapping: FlappingConfig = FlappingConfig()


class MaintenanceConfig(ConfigModel):
    """Alerts that satisfy all matchers are not told at certain times, and open no incident."""

    name: Text
    matchers: Matchers
    time_intervals: Annotated[tuple[TimeIntervalPartConfig, ...], Field(min_length=1)]

    def contains(self, at: datetime) -> bool:
        """Whether a time, which knows its zone, lies in any of the intervals."""
        return any(interval.contains(at) for interval in self.time_intervals)


def check_escalations(
    escalations: Sequence[EscalationConfig], rotations: Sequence[OnCallConfig], receivers: Iterable[str]
) -> None:
    """Raise ValueError when a name is unknown or stands twice."""
    known = set(receivers)
    for rotation in rotations:
        _check_names(rotation.everybody, known, f'the rotation "{rotation.name}"')
    names = [rotation.name for rotation in rotations]
    for name in names:
        if name in known or names.count(name) > 1:
            raise ValueError(f'the rotation "{name}" has the name of another rotation or a receiver')
    for escalation in escalations:
        for level in escalation.levels:
            _check_names(level.to, known | set(names), f'the escalation "{escalation.name}"')


def _check_names(names: Iterable[str], known: set[str], where: str) -> None:
    for name in names:
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise ValueError(f'{where} names "{name}", which is not defined (defined: {listed})')
