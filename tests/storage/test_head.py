from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.stores import DictStore, samples_of
from tocsin.model import STALE_NAN, Labels, Matcher, MatchType, SampleBatch
from tocsin.storage.head import Head

EVERYTHING = (-(2**60), 2**60)


def series(number: int) -> Labels:
    return Labels({"__name__": f"m{number % 3}", "instance": str(number), "odd": "yes" if number % 2 else ""})


sample_values = st.one_of(
    st.floats(width=32), st.just(STALE_NAN), st.sampled_from([float("inf"), -0.0, float("nan")])
)
samples = st.tuples(st.integers(0, 40), st.integers(0, 30), sample_values)
batches = st.lists(
    st.one_of(
        # A scrape: many series at one time.
        st.tuples(st.integers(0, 30), st.integers(1, 40)).map(
            lambda scrape: [(number, scrape[0], float(number)) for number in range(scrape[1])]
        ),
        st.lists(samples, max_size=30),
    ),
    max_size=12,
)
matcher_lists = st.lists(
    st.sampled_from(
        [
            Matcher.metric("m0"),
            Matcher.metric("absent"),
            Matcher("odd", MatchType.EQUAL, ""),
            Matcher("odd", MatchType.NOT_EQUAL, ""),
            Matcher("instance", MatchType.REGEX, "1.*|2"),
            Matcher("instance", MatchType.NOT_REGEX, ".*3"),
            Matcher("nowhere", MatchType.REGEX, ".*"),
        ]
    ),
    max_size=3,
)


@given(batches=batches, matchers=matcher_lists, start=st.integers(-5, 35), length=st.integers(0, 40))
def test_head_agrees_with_a_dictionary(batches, matchers, start, length):
    head, oracle = Head(), DictStore()
    for rows in batches:
        batch = SampleBatch.from_samples([(series(n), t, v) for n, t, v in rows])
        head.append_batch(batch)
        oracle.append_batch(batch)
        # Asking in between fills the caches that later batches must keep right.
        assert samples_of(head.select(matchers, *EVERYTHING)) == oracle.select(matchers, *EVERYTHING)
    end = start + length
    assert samples_of(head.select(matchers, start, end)) == oracle.select(matchers, start, end)
    assert head.series(matchers, start, end) == sorted(oracle.select(matchers, start, end))


@given(batches=batches, cut=st.integers(-5, 35))
def test_trimming_forgets_exactly_what_is_older(batches, cut):
    head, oracle = Head(), DictStore()
    for number, rows in enumerate(batches):
        batch = SampleBatch.from_samples([(series(n), t, v) for n, t, v in rows])
        if number == len(batches) // 2:
            head.trim(cut)
        head.append_batch(batch)
        oracle.append_batch(batch)
    head.trim(cut)
    assert samples_of(head.select([], *EVERYTHING)) == oracle.select([], cut, EVERYTHING[1])


def test_series_scraped_together_are_one_block_read_without_a_copy():
    head = Head()
    labels = [series(number) for number in range(100)]
    for time_ms in range(0, 10_000, 1000):
        head.append_batch(SampleBatch.at(time_ms, dict.fromkeys(labels, 1.0)))
    (block,) = head.select([], 0, 10_000)
    assert block.is_shared
    assert block.values.shape == (100, 10)
    assert block.values.base is not None


def test_thousands_of_small_targets_make_few_blocks():
    head = Head()
    for target in range(2000):
        head.append_batch(SampleBatch.at(target, {Labels({"__name__": "up", "instance": str(target)}): 1.0}))
    blocks = head.select([Matcher.metric("up")], 0, 10_000)
    assert sum(len(block.labels) for block in blocks) == 2000
    assert len(blocks) <= 40


def test_what_a_reader_holds_does_not_change_when_more_arrives():
    head = Head()
    labels = [series(number) for number in range(50)]
    for time_ms in range(100):
        head.append_batch(SampleBatch.at(time_ms, dict.fromkeys(labels, float(time_ms))))
    (block,) = head.select([], 0, 99)
    seen = block.values.copy()
    for time_ms in range(100, 400):
        head.append_batch(SampleBatch.at(time_ms, dict.fromkeys(labels, -1.0)))
    head.append_batch(SampleBatch.at(-7, dict.fromkeys(labels, -1.0)))
    head.trim(300)
    np.testing.assert_array_equal(block.values, seen)


@pytest.mark.parametrize("operator", list(MatchType))
def test_an_unknown_label_counts_as_empty(operator):
    head = Head()
    head.append_batch(SampleBatch.at(1, {series(0): 1.0}))
    found = head.series([Matcher("nowhere", operator, "x")], 0, 10)
    assert bool(found) == (operator in {MatchType.NOT_EQUAL, MatchType.NOT_REGEX})
