from __future__ import annotations

import pytest

from tocsin.alerts import Alert, AlertStore, Database
from tocsin.model import Labels

LABELS = Labels({"alertname": "A"})


def alert(starts=None, ends=None):
    return Alert(LABELS, {}, starts, ends)


def test_times_that_are_left_open_are_filled_in():
    store = AlertStore(Database(), resolve_timeout_ms=300)
    (known,) = store.put([alert()], 1000)
    assert (known.starts_at_ms, known.ends_at_ms, known.end_is_assumed) == (1000, 1300, True)
    (known,) = AlertStore(Database(), 300).put([alert(ends=900)], 1000)
    assert (known.starts_at_ms, known.ends_at_ms, known.end_is_assumed) == (900, 900, False)


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [
        # The earlier start counts, and of two ends in the future the later one.
        ((100, 5000), (200, 6000), (100, 6000)),
        ((100, 6000), (200, 5000), (100, 6000)),
        # An end that was only assumed gives way to one that was said.
        ((100, None), (200, 1150), (100, 1150)),
        # An end in the past is final.
        ((100, 5000), (100, 1050), (100, 1050)),
        # Another time of firing is another alert.
        ((100, 500), (1000, 5000), (1000, 5000)),
    ],
)
def test_reports_about_one_alert_are_merged(first, second, merged):
    store = AlertStore(Database(), resolve_timeout_ms=300)
    store.put([alert(*first)], 1000)
    (known,) = store.put([alert(*second)], 1100)
    assert (known.starts_at_ms, known.ends_at_ms) == merged
    assert len(store.all()) == 1


def test_an_end_is_told_only_when_it_has_come():
    (known,) = AlertStore(Database(), 300).put([alert(100, 2000)], 1000)
    assert known.reported(1999).ends_at_ms is None
    assert known.reported(2000).ends_at_ms == 2000


def test_resolved_alerts_are_collected():
    store = AlertStore(Database(), 300)
    store.put([alert(100, 2000)], 1000)
    store.collect(1999)
    assert store.all()
    store.collect(2000)
    assert not store.all()
