from __future__ import annotations

import pytest

from tocsin.alerts import Database
from tocsin.alerts.log import LogKey, NotificationLog, Told

KEY = LogKey("receiver", "webhook/0", "{}:{}")
A, B = 1, 2**64 - 1


def told(at_ms, firing=(), resolved=()):
    return Told(at_ms, frozenset(firing), frozenset(resolved))


@pytest.mark.parametrize(
    ("last", "now", "send_resolved", "expected"),
    [
        (None, told(0, [A]), True, True),
        (None, told(0, [], [A]), True, False),
        (told(0, [A]), told(10, [A]), True, False),
        (told(0, [A]), told(101, [A]), True, True),
        (told(0, [A]), told(100, [A]), True, False),
        (told(0, [A]), told(10, [A, B]), True, True),
        (told(0, [A, B]), told(10, [A], [B]), True, True),
        (told(0, [A, B]), told(10, [A], [B]), False, False),
        (told(0, [A], [B]), told(10, [A], [B]), True, False),
        (told(0, [A]), told(10, [], [A]), False, True),
        (told(0, [], [A]), told(10, [], [A]), True, False),
    ],
)
def test_who_needs_to_be_told(last, now, send_resolved, expected):
    log = NotificationLog(Database())
    if last is not None:
        log.record(KEY, last)
    assert log.needs_update(KEY, now, 100, send_resolved=send_resolved) is expected


def test_old_entries_are_forgotten():
    log = NotificationLog(Database())
    log.record(KEY, told(0, [A]))
    log.collect(5 * 24 * 3_600_000 - 1)
    assert not log.needs_update(KEY, told(1, [A]), 10**9, send_resolved=True)
    log.collect(5 * 24 * 3_600_000)
    assert log.needs_update(KEY, told(1, [A]), 10**9, send_resolved=True)


def test_what_was_told_is_known_after_a_restart(tmp_path):
    database = Database(tmp_path / "file")
    NotificationLog(database).record(KEY, told(7, [A, B], [3]))
    database.close()
    log = NotificationLog(Database(tmp_path / "file"))
    assert log.last_ms == 7
    assert not log.needs_update(KEY, told(8, [A], [3]), 10**9, send_resolved=True)
