"""The folder in which the members of one ``/metrics`` leave their files."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from tocsin.sdk.members.identity import Identity
from tocsin.sdk.members.member import Member, reading_of
from tocsin.sdk.readings import Reading

MOST_TOTALS: Final = 10_000
"""Series of processes that have ended; beyond that the oldest are forgotten."""

_LOCK: Final = "lock"
_HOLDER: Final = "holder"
_ENDED: Final = "ended"
_MOST_COUNTED: Final = 1000
"""Names of files that were added up lately, which may still be there."""

_LOOK_EVERY_S: Final = 0.005

_Key = tuple[str, tuple[tuple[str, str], ...]]


class Known(NamedTuple):
    """Members that are alive, those that are not and are not yet added up, and the sums of all others."""

    alive: list[Member]
    ended: list[Member]
    totals: list[Reading]


class MemberFolder:
    """Files of members that are alive, and one file with the sums of those that have ended.

    So there are never more files than processes that are alive, and three; the last to leave removes them
    all. :meth:`join`, :meth:`leave`, :meth:`remove_if_left` and :meth:`tidy` need :meth:`locked` around
    them, the others do not. Raises OSError when the folder cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def locked(self, patience_s: float) -> Iterator[None]:
        """Keep all others out; raises TimeoutError when somebody else does so for longer than that."""
        lock = self._lock(time.monotonic() + patience_s)
        try:
            yield
        finally:
            # Said in so many words, because a child that was forked meanwhile has the file open as well.
            fcntl.flock(lock, fcntl.LOCK_UN)
            os.close(lock)

    def join(self, labels: Mapping[str, str], readings: Iterable[Reading], number: int) -> Member:
        """Become a member; sums of earlier processes go with the last of them."""
        alive = self.tidy()
        if not alive:
            self._clear()
        workers = {member.worker for member in alive if member.labels == labels}
        worker = next(each for each in range(len(workers) + 1) if each not in workers)
        member = Member(Identity.current(), number, dict(labels), worker, tuple(readings))
        self.write(member)
        return member

    def leave(self, member: Member) -> None:
        """Add up what a member ends with, and remove its file."""
        self._add_up([member])
        self.remove_if_left()

    def remove_if_left(self) -> None:
        """Remove the folder when nobody in it is alive."""
        if not self.tidy():
            shutil.rmtree(self._path, ignore_errors=True)

    def tidy(self) -> list[Member]:
        """Add up what members end with that are not alive, and remove their files; returns the others."""
        known = self.known()
        self._add_up(known.ended)
        return known.alive

    def write(self, member: Member) -> None:
        """Leave what a member knows now."""
        self._write(member.name, member.encode())

    def known(self) -> Known:
        """All that there is to know."""
        alive: list[Member] = []
        ended: list[Member] = []
        for path in self._path.glob("[0-9]*-[0-9]*-[0-9]*.json"):
            # Whether it is alive is asked first, so that of one that is not the last word is read.
            members = alive if _identity(path).is_alive else ended
            if (member := _read(path)) is not None:
                members.append(member)
        # In this order: who is added up meanwhile stands in the second file, and is left out here.
        totals, counted = self._ended()
        return Known(
            [member for member in alive if member.name not in counted],
            [member for member in ended if member.name not in counted],
            [Reading(name, value, labels) for (name, labels), value in totals.items()],
        )

    def hold(self) -> None:
        """Say that this process serves the port from now on."""
        self._write(_HOLDER, json.dumps(Identity.current()))

    def has_holder(self) -> bool:
        """Whether a process that is alive serves the port."""
        holder = self._holder()
        return holder is not None and holder.is_alive

    def release(self) -> None:
        """Say that this process serves the port no longer."""
        if self._holder() == Identity.current():
            (self._path / _HOLDER).unlink(missing_ok=True)

    def _lock(self, deadline_s: float) -> int:
        while True:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                lock = os.open(self._path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                continue  # the last of the others has removed the folder just now
            try:
                _acquire(lock, deadline_s)
            except OSError:
                os.close(lock)
                raise
            if os.fstat(lock).st_nlink:
                return lock
            os.close(lock)

    def _holder(self) -> Identity | None:
        try:
            return Identity(*map(int, json.loads((self._path / _HOLDER).read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError):
            return None

    def _add_up(self, members: list[Member]) -> None:
        if not members:
            return
        totals, counted = self._ended()
        for member in members:
            for name, value, labels in member.counters():
                # Taken out and put in again, so that the oldest stand in front.
                totals[name, labels] = totals.pop((name, labels), 0.0) + value
        entries = [[name, value, labels] for (name, labels), value in totals.items()][-MOST_TOTALS:]
        names = [member.name for member in members]
        # Whoever is killed from here on has added them up, and nobody does so again.
        self._write(_ENDED, json.dumps({"totals": entries, "counted": [*counted, *names][-_MOST_COUNTED:]}))
        for member in members:
            for name in (member.name, _draft(member.name, member.identity.pid)):
                (self._path / name).unlink(missing_ok=True)

    def _ended(self) -> tuple[dict[_Key, float], list[str]]:
        try:
            content = json.loads((self._path / _ENDED).read_text(encoding="utf-8"))
            readings = [reading_of(each) for each in content["totals"]]
            return {(name, labels): value for name, value, labels in readings}, content["counted"]
        except (OSError, ValueError, TypeError, KeyError):
            return {}, []

    def _clear(self) -> None:
        """Remove what processes that were killed may have left, but for the lock and who holds the port."""
        for path in self._path.iterdir():
            if path.name not in {_LOCK, _HOLDER}:
                path.unlink(missing_ok=True)

    def _write(self, name: str, text: str) -> None:
        draft = self._path / _draft(name, os.getpid())
        try:
            draft.write_text(text, encoding="utf-8")
            draft.replace(self._path / name)
        except OSError:
            draft.unlink(missing_ok=True)
            raise


def sweep(root: Path) -> None:
    """Remove the folders below ``root`` in which nobody is alive, because all were killed."""
    for path in root.iterdir():
        folder = MemberFolder(path)
        if not folder.has_holder() and not folder.known().alive:
            with suppress(TimeoutError), folder.locked(0):
                folder.remove_if_left()


def summed(readings: Iterable[Reading]) -> list[Reading]:
    """One reading for each series, with the sum of all that have its name and labels.

    >>> summed([Reading("a_total", 1.0), Reading("a_total", 2.0)])
    [Reading(name='a_total', value=3.0, labels=())]
    """
    sums: dict[_Key, float] = {}
    for name, value, labels in readings:
        sums[name, labels] = sums.get((name, labels), 0.0) + value
    return [Reading(name, value, labels) for (name, labels), value in sums.items()]


def _draft(name: str, pid: int) -> str:
    return f".{name}.{pid}"


def _identity(path: Path) -> Identity:
    pid, started, _ = path.stem.split("-")
    return Identity(int(pid), int(started))


def _read(path: Path) -> Member | None:
    try:
        return Member.decode(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _acquire(lock: int, deadline_s: float) -> None:
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline_s:
                raise TimeoutError("another process is at work there") from None
            time.sleep(_LOOK_EVERY_S)
        else:
            return
