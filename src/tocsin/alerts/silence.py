"""Silences: alerts that nobody is to hear of for a while."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import orjson

from tocsin.alerts.database import Database
from tocsin.errors import ParseError
from tocsin.model import Labels, Matcher, MatchType

_RETENTION_MS: Final = 120 * 3_600_000
"""How long an expired silence is still shown."""

_MAX_CACHED: Final = 100_000

_POSITIVE: Final = frozenset({MatchType.EQUAL, MatchType.REGEX})

_TABLE: Final = "CREATE TABLE IF NOT EXISTS silences (id TEXT PRIMARY KEY, content BLOB) WITHOUT ROWID"


class SilenceState(StrEnum):
    """Where a silence stands."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Silence:
    """Alerts that satisfy all matchers are not told from ``starts_at_ms`` until ``ends_at_ms``.

    With ``until_cleared`` it ends by itself once no alert that it mutes fires any more.
    """

    matchers: tuple[Matcher, ...]
    starts_at_ms: int
    ends_at_ms: int
    created_by: str
    comment: str
    id: str = ""
    updated_at_ms: int = 0
    until_cleared: bool = False

    def state(self, at_ms: int) -> SilenceState:
        """Say where it stands at a time."""
        if at_ms < self.starts_at_ms:
            return SilenceState.PENDING
        return SilenceState.EXPIRED if at_ms >= self.ends_at_ms else SilenceState.ACTIVE

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert satisfies all matchers."""
        return all(matcher.matches(labels.get(matcher.name, "")) for matcher in self.matchers)


class Silences:
    """All silences, over restarts as well; ended ones are kept for five days."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create([_TABLE])
        rows = database.read("SELECT content FROM silences")
        self._silences = {silence.id: silence for silence in (_from_json(content) for (content,) in rows)}
        self._matching: dict[Labels, tuple[Silence, ...]] = {}

    def all(self) -> list[Silence]:
        """Every silence, expired ones included."""
        return list(self._silences.values())

    def get(self, silence_id: str) -> Silence | None:
        """One silence, or None when there is none of that id."""
        return self._silences.get(silence_id)

    def set(self, silence: Silence, now_ms: int) -> Silence:
        """Make a silence, or change the one that has its id; returns it as it is kept.

        What began cannot change what it is about: then the old one ends and a new one begins. Raises
        ParseError when it cannot be: no matcher says anything, or it ends before it starts or in the past.
        """
        _check(silence, now_ms)
        old = self._silences.get(silence.id)
        if silence.id and old is None:
            raise ParseError(f'there is no silence "{silence.id}" that could be changed')
        if old is not None and _can_become(old, silence, now_ms):
            return self._keep(replace(silence, updated_at_ms=now_ms))
        if old is not None and old.state(now_ms) is not SilenceState.EXPIRED:
            self.expire(old.id, now_ms)
        starts_at_ms = max(silence.starts_at_ms, now_ms)
        return self._keep(
            replace(silence, id=str(uuid.uuid4()), starts_at_ms=starts_at_ms, updated_at_ms=now_ms)
        )

    def expire(self, silence_id: str, now_ms: int) -> None:
        """End a silence; raises ParseError when there is none, or it has ended."""
        silence = self._silences.get(silence_id)
        if silence is None:
            raise ParseError(f'there is no silence "{silence_id}"')
        match silence.state(now_ms):
            case SilenceState.EXPIRED:
                raise ParseError(f'the silence "{silence_id}" has expired already')
            case SilenceState.ACTIVE:
                ended = replace(silence, ends_at_ms=now_ms, updated_at_ms=now_ms)
            case SilenceState.PENDING:
                ended = replace(silence, starts_at_ms=now_ms, ends_at_ms=now_ms, updated_at_ms=now_ms)
        self._keep(ended)

    def muting(self, labels: Labels, now_ms: int) -> list[str]:
        """The ids of the silences that mute an alert now."""
        found = self._matching.get(labels)
        if found is None:
            if len(self._matching) >= _MAX_CACHED:
                self._matching.clear()
            found = tuple(silence for silence in self._silences.values() if silence.matches(labels))
            self._matching[labels] = found
        return sorted(silence.id for silence in found if silence.state(now_ms) is SilenceState.ACTIVE)

    def clear(self, firing: Iterable[Labels], now_ms: int) -> list[Silence]:
        """End the silences that were to last until nothing of theirs fires; returns those that ended."""
        waiting = [
            silence
            for silence in self._silences.values()
            if silence.until_cleared and silence.state(now_ms) is SilenceState.ACTIVE
        ]
        if not waiting:
            return []
        alerts = list(firing)
        cleared = [silence for silence in waiting if not any(map(silence.matches, alerts))]
        for silence in cleared:
            self.expire(silence.id, now_ms)
        return cleared

    def collect(self, now_ms: int) -> None:
        """Forget what ended long ago."""
        old = [silence.id for silence in self.all() if silence.ends_at_ms < now_ms - _RETENTION_MS]
        if old:
            for silence_id in old:
                del self._silences[silence_id]
            self._matching.clear()
            self._database.write("DELETE FROM silences WHERE id = ?", [(each,) for each in old])

    def _keep(self, silence: Silence) -> Silence:
        self._silences[silence.id] = silence
        self._matching.clear()
        row = silence.id, orjson.dumps(_as_json(silence))
        self._database.write("INSERT OR REPLACE INTO silences VALUES (?, ?)", [row])
        return silence


def _check(silence: Silence, now_ms: int) -> None:
    if not silence.matchers:
        raise ParseError("a silence needs at least one matcher")
    # Only of those that say what a value is: with team!="ml" alone one keeps quiet all other teams.
    if all(matcher.matches_empty and matcher.type in _POSITIVE for matcher in silence.matchers):
        raise ParseError("at least one matcher of a silence must not match the empty string")
    if silence.starts_at_ms >= silence.ends_at_ms:
        raise ParseError("the start of a silence must be before its end")
    if silence.ends_at_ms < now_ms:
        raise ParseError("the end of a silence must not be in the past")


def _can_become(old: Silence, new: Silence, now_ms: int) -> bool:
    """Alertmanager's ``canUpdate``: the matchers stay, and what has begun keeps its start."""
    if old.matchers != new.matchers:
        return False
    match old.state(now_ms):
        case SilenceState.ACTIVE:
            return new.starts_at_ms == old.starts_at_ms
        case SilenceState.PENDING:
            return new.starts_at_ms >= now_ms
        case SilenceState.EXPIRED:
            return False


def _as_json(silence: Silence) -> dict[str, Any]:
    content = {name: getattr(silence, name) for name in Silence.__slots__}
    return {**content, "matchers": [(each.name, each.type, each.value) for each in silence.matchers]}


def _from_json(content: bytes) -> Silence:
    fields = orjson.loads(content)
    matchers = tuple(Matcher(name, MatchType(kind), value) for name, kind, value in fields["matchers"])
    return Silence(**{**fields, "matchers": matchers})
