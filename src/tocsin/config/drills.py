"""Proof that alerting works, all the time: ``drills`` at set times, and a ``heartbeat``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from tocsin.config.alertmanager.http import HttpConfig, SecretUrl
from tocsin.config.alertmanager.time_interval import Location, MinuteOfDay, Weekdays, zone_of
from tocsin.config.alertmanager.values import SecretFile, Text
from tocsin.config.model import ConfigModel, LabelName, PositiveDurationMs

_MINUTE_MS: Final = 60_000
_DAYS: Final = 8
"""Within this many days every set of weekdays has its turn."""


def _not_too_often(value: int) -> int:
    if value < _MINUTE_MS:
        raise ValueError("a drill each minute is the most that is allowed")
    return value


class DrillConfig(ConfigModel):
    """A drill that runs by itself: ``every`` so long, or ``at`` a time of day, on some weekdays.

    It goes to a ``receiver``, or without one by the route of its severity and labels. When it fails,
    ``failed_to`` hears of it as well as whoever has a route for the alert DrillFailed.

    >>> drill = DrillConfig(receiver="pager", at="09:00", weekdays=["monday"], location="Europe/Berlin")
    >>> datetime.fromtimestamp(drill.next_ms(1_767_500_000_000) / 1000, UTC).isoformat()
    '2026-01-05T08:00:00+00:00'
    """

    receiver: Text | None = None
    every: Annotated[PositiveDurationMs, AfterValidator(_not_too_often)] | None = None
    at: MinuteOfDay | None = None
    weekdays: Weekdays = ()
    location: Location = "UTC"
    severity: Text = "info"
    labels: dict[LabelName, str] = Field(default_factory=dict)
    timeout: PositiveDurationMs = _MINUTE_MS
    wait_acknowledge: PositiveDurationMs | None = None
    failed_to: Text | None = None

    @model_validator(mode="after")
    def _has_one_time(self) -> DrillConfig:
        if (self.every is None) == (self.at is None):
            raise ValueError("one of every and at is needed, and not both")
        if self.at is None and (self.weekdays or "location" in self.model_fields_set):
            raise ValueError("weekdays and location have no meaning without at")
        if self.failed_to is not None and self.receiver is None:
            raise ValueError("failed_to has no meaning without receiver")
        if self.failed_to is not None and self.failed_to == self.receiver:
            raise ValueError("failed_to must be another receiver than the one that the drill is sent to")
        return self

    def next_ms(self, after_ms: int) -> int:
        """The first time after another at which the drill is due."""
        if self.every is not None:
            return after_ms + self.every
        moments = (self._on_day(after_ms, days) for days in range(_DAYS + 1))
        return min(moment for moment in moments if moment is not None and moment > after_ms)

    def _on_day(self, from_ms: int, days: int) -> int | None:
        """When it is due some days after another time, if it is on that weekday."""
        zone = zone_of(self.location)
        local = datetime.fromtimestamp(from_ms / 1000, UTC).astimezone(zone)
        midnight = datetime(local.year, local.month, local.day) + timedelta(days=days)  # noqa: DTZ001
        if self.weekdays and not any(each.contains(midnight.isoweekday() % 7) for each in self.weekdays):
            return None
        moment = midnight + timedelta(minutes=self.at or 0)
        aware = moment.replace(tzinfo=zone) if zone is not None else moment.astimezone()
        return round(aware.timestamp() * 1000)


class HeartbeatConfig(ConfigModel):
    """While alerting works a URL is asked for, or a receiver is told, each ``interval``."""

    url: SecretUrl | None = None
    url_file: SecretFile = None
    receiver: Text | None = None
    method: Literal["GET", "HEAD", "POST"] = "GET"
    interval: PositiveDurationMs = _MINUTE_MS
    timeout: PositiveDurationMs = 10_000
    http_config: HttpConfig = HttpConfig()

    @model_validator(mode="after")
    def _has_one_target(self) -> HeartbeatConfig:
        if sum(each is not None for each in (self.url, self.url_file, self.receiver)) != 1:
            raise ValueError("exactly one of url, url_file and receiver is needed")
        return self


def check_drills(
    drills: Sequence[DrillConfig], heartbeat: HeartbeatConfig | None, receivers: Iterable[str]
) -> None:
    """Raise ValueError when a receiver is named that there is none of."""
    known = set(receivers)
    for index, drill in enumerate(drills):
        for key, name in (("receiver", drill.receiver), ("failed_to", drill.failed_to)):
            _check_name(name, known, f"drills[{index}].{key}")
    if heartbeat is not None:
        _check_name(heartbeat.receiver, known, "heartbeat.receiver")


def _check_name(name: str | None, known: set[str], where: str) -> None:
    if name is not None and name not in known:
        listed = ", ".join(sorted(known)) or "none"
        raise ValueError(f'{where} names "{name}", which is not defined (defined: {listed})')
