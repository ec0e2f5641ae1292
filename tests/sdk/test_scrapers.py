from __future__ import annotations

import pytest

from tocsin.sdk.scrapers import WAIT_LIMIT_S, Scrapers


@pytest.mark.parametrize(
    ("times_s", "now_s", "awaited_s"),
    [
        ([], 100, 0),
        ([90], 100, 0),
        ([85, 95], 96, 10),
        ([85, 95], 105.5, 0.5),
        ([85, 95], 107, -1),
        ([0, 80, 90], 91, 10),
        ([35, 95], 100, 0),
        ([65, 95], 109.9, 0),
        ([65, 95], 110, WAIT_LIMIT_S + 1),
    ],
    ids=["nobody", "once", "twice", "late", "gone", "the newest two", "a minute", "too far", "near enough"],
)
def test_when_a_scraper_is_to_be_expected(times_s, now_s, awaited_s):
    scrapers = Scrapers(lambda: now_s)
    for time_s in times_s:
        scrapers.note("Prometheus/3.0", time_s)
    assert scrapers.awaited_s(ended_s=now_s) == pytest.approx(awaited_s)


def test_scrapers_are_told_apart_and_all_are_awaited():
    scrapers = Scrapers(lambda: 100)
    for who, first_s, second_s in (("tocsin/1", 98, 99), ("Prometheus/3", 89, 99)):
        scrapers.note(who, first_s)
        scrapers.note(who, second_s)
    assert scrapers.awaited_s(ended_s=99.5) == 10
    scrapers.note("Prometheus/3", 99.6)
    assert scrapers.awaited_s(ended_s=99.5) == 1
    scrapers.forget("tocsin/")
    assert scrapers.awaited_s(ended_s=99.5) == 0


def test_what_was_read_before_the_end_does_not_show_it():
    scrapers = Scrapers(lambda: 100)
    scrapers.note("Prometheus/3", 95)
    scrapers.note("Prometheus/3", 99)
    assert scrapers.awaited_s(ended_s=99.001) == 4
    assert scrapers.awaited_s(ended_s=99) == 0


def test_many_names_take_bounded_memory():
    scrapers = Scrapers(lambda: 100)
    for number in range(1000):
        scrapers.note(f"agent/{number}", 90)
        scrapers.note(f"agent/{number}", 99)
    assert len(scrapers._times_s) == 16
    assert scrapers.awaited_s(ended_s=99.5) == 9
