"""The wrapper: what senders and readers see, and in which order the parts come."""

from __future__ import annotations

import logging
import math

import pytest

from tests.support.quality import EVERYTHING, Recorder, made, plain, stored, written
from tocsin.errors import SeriesLimitError, StorageError
from tocsin.model import STALE_NAN, Labels, Matcher, MetricMetadata, MetricType, SampleBatch
from tocsin.storage.forward import ForwardingStorage, inner_of
from tocsin.storage.quality import (
    EnrichmentRule,
    NumberType,
    OutlierRule,
    QualityMetrics,
    QualityRules,
    SamplingRule,
    ValidationRule,
    behind_quality,
)
from tocsin.storage.quality.passage import Outcome, Reason

LOSS = Labels({"__name__": "loss", "run": "a"})
HOUR_S = 3600


def metric(name: str):
    return (Matcher.metric(name),)


def counts(storage) -> dict[str, int]:
    return {
        f"{outcome} {reason}": count for (outcome, reason), count in storage.report.counts.items() if count
    }


async def test_reading_goes_straight_through():
    storage, inner, _ = made(QualityRules())
    storage.describe({"loss": MetricMetadata(MetricType.GAUGE, "Loss.", "")})
    assert storage.metadata() is inner.described
    assert "loss" in inner.described
    assert storage.memory_start_ms == inner.memory_start_ms
    assert storage.select(EVERYTHING, 1, 2) == ["select", EVERYTHING, 1, 2]
    assert storage.series(EVERYTHING, 1, 2) == ["series", EVERYTHING, 1, 2]
    await storage.close()
    assert inner.is_closed


def test_what_stands_behind():
    storage, inner, _ = made(QualityRules())
    assert behind_quality(storage) is inner
    assert behind_quality(inner) is inner
    forwarding = ForwardingStorage(Recorder(), [])
    storage.inner = forwarding
    assert inner_of(behind_quality(storage)) is forwarding.inner


async def test_what_no_rule_is_for_is_the_same_batch():
    storage, inner, _ = made(QualityRules(validation=[ValidationRule("v", metric("other"), low=0)]))
    batch = SampleBatch.from_samples([(LOSS, 1, -1.0), (LOSS, 2, math.nan)])
    await storage.append(batch)
    assert inner.batches == [batch]
    assert inner.batches[0] is batch


async def test_nothing_is_written_when_nothing_is_left():
    storage, inner, _ = made(QualityRules(validation=[ValidationRule("v", EVERYTHING, low=0)]))
    await storage.append(SampleBatch.from_samples([]))
    await storage.append(SampleBatch.at(1, {LOSS: -1.0}))
    assert inner.batches == []
    assert counts(storage) == {"dropped validation_range": 1}


async def test_series_without_samples_do_not_reach_the_store():
    storage, inner, _ = made(QualityRules(validation=[ValidationRule("v", EVERYTHING, low=0)]))
    other = LOSS.set(run="b")
    await storage.append(SampleBatch.at(1, {LOSS: -1.0, other: 1.0}))
    assert list(inner.batches[0].series) == [other]
    assert inner.batches[0].series_index.tolist() == [0]


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ({"low": 0.0, "high": 1.0}, "nan stale 0.0 1.0"),
        ({"low": 0.0}, "nan stale 0.0 1.0 1.5 inf"),
        ({"high": 1.0}, "nan stale -1.0 0.0 1.0 -inf"),
        ({"type": NumberType.FINITE}, "stale -1.0 0.0 1.0 1.5"),
        ({"type": NumberType.INTEGER}, "stale -1.0 0.0 1.0"),
        ({"type": NumberType.FINITE, "low": 0.0}, "stale 0.0 1.0 1.5"),
    ],
)
async def test_what_is_valid(rule, kept):
    values = [math.nan, STALE_NAN, -1.0, 0.0, 1.0, 1.5, math.inf, -math.inf]
    samples = [(LOSS, time_ms, value) for time_ms, value in enumerate(values)]
    (found,) = await stored(QualityRules(validation=[ValidationRule("v", EVERYTHING, **rule)]), [samples])
    assert " ".join(value for _, _, value in found) == kept


async def test_keep_only_counts():
    rule = ValidationRule("v", EVERYTHING, high=1.0, type=NumberType.INTEGER, drops=False)
    storage, inner, _ = made(QualityRules(validation=[rule]))
    batch = SampleBatch.from_samples([(LOSS, 1, 2.5), (LOSS, 2, 2.0), (LOSS, 3, 0.0)])
    await storage.append(batch)
    assert inner.batches[0] is batch
    assert counts(storage) == {"flagged validation_type": 1, "flagged validation_range": 2}


@pytest.mark.parametrize(
    ("values", "dropped"),
    [
        ([100, 99, 101], [99]),
        ([100, 10, 11], []),
        ([100, 11, 101], [11]),
        ([100, 0, 1], []),
        ([100, -1, 101], [-1]),
        ([100, 50, 51, 52, 53, 54, 55, 56], [50, 51, 52, 53, 54]),
        ([100, 99, 101, 99, 102, 99, 103, 99, 104, 99, 105, 99, 106], [99] * 6),
        ([100, STALE_NAN, 50, 51], []),
        ([100, math.nan, 50, 101], [50]),
    ],
)
async def test_a_counter_may_not_fall(values, dropped):
    rules = QualityRules(validation=[ValidationRule("v", EVERYTHING, monotonic=True)])
    samples = [(LOSS, time_ms, float(value)) for time_ms, value in enumerate(values)]
    one_by_one = [
        sample for found in await stored(rules, [[sample] for sample in samples]) for sample in found
    ]
    (at_once,) = await stored(rules, [samples])
    assert one_by_one == at_once
    kept = {time_ms for _, time_ms, _ in at_once}
    assert [value for time_ms, value in enumerate(values) if time_ms not in kept] == dropped


async def test_a_mark_lasts_until_the_next_good_sample():
    rule = OutlierRule("o", EVERYTHING, window=10, min_samples=5)
    values = [1.0, 2.0, 3.0, 2.0, 1.0, 50.0, 60.0, 2.0, 1.0, 70.0, STALE_NAN, 2.0]
    found = await stored(
        QualityRules(outliers=[rule]), [[(LOSS, at, value)] for at, value in enumerate(values)]
    )
    marks = [sample for samples in found for sample in samples if ":outlier" in sample[0]]
    name = 'loss:outlier{run="a"}'
    assert marks == [
        (name, 5, "1.0"),
        (name, 6, "1.0"),
        (name, 7, "stale"),
        (name, 9, "1.0"),
        (name, 10, "stale"),
    ]
    assert sum(len(samples) for samples in found) == len(values) + len(marks), "all samples are kept"


async def test_a_series_of_marks_is_not_judged_itself():
    rule = OutlierRule("o", EVERYTHING, window=5, min_samples=3, min_deviation=0.1)
    marks = Labels({"__name__": "loss:outlier"})
    found = await stored(QualityRules(outliers=[rule]), [[(marks, at, at**3)] for at in range(9)])
    assert {name for samples in found for name, _, _ in samples} == {"loss:outlier"}


async def test_a_constant_series_is_judged_by_min_deviation_only():
    steps = [[(LOSS, at, 1.0 if at < 8 else 2.0)] for at in range(9)]
    for min_deviation, count in ((0.0, 0), (0.1, 1), (0.3, 0)):
        rule = OutlierRule("o", EVERYTHING, 5, 10, 5, min_deviation, drops=True)
        found = await stored(QualityRules(outliers=[rule]), steps)
        assert len(steps) - sum(map(len, found)) == count


async def test_series_beyond_the_limit_are_not_judged():
    rule = OutlierRule("o", EVERYTHING, window=5, min_samples=3, min_deviation=0.1, drops=True, max_series=1)
    storage, inner, _ = made(QualityRules(outliers=[rule]))
    other = LOSS.set(run="b")
    for at in range(5):
        await storage.append(SampleBatch.at(at, {LOSS: 100.0 * (at == 4), other: 100.0 * (at == 4)}))
    assert counts(storage) == {"unjudged outlier_max_series": 5, "dropped outlier": 1}
    assert plain(written(inner.batches[-1])) == [('loss{run="b"}', 4, "100.0")]


async def test_the_first_rule_for_a_series_samples_it():
    rules = QualityRules(
        sampling=[SamplingRule("a", metric("loss"), 10), SamplingRule("b", EVERYTHING, None, 0.0)]
    )
    other = Labels({"__name__": "other"})
    found = await stored(rules, [[(LOSS, at, 1.0), (other, at, 1.0)] for at in range(0, 30, 5)])
    assert [sample for samples in found for sample in samples] == [
        ('loss{run="a"}', at, "1.0") for at in (0, 10, 20)
    ]


async def test_a_histogram_is_sampled_as_a_whole():
    rules = QualityRules(sampling=[SamplingRule("s", EVERYTHING, None, 0.5)])
    samples = [
        (Labels({"__name__": f"took_seconds{ending}", "n": str(n), "le": le}), 1, 1.0)
        for n in range(200)
        for ending, le in (("_bucket", "1"), ("_bucket", "+Inf"), ("_sum", ""), ("_count", ""))
    ]
    (found,) = await stored(rules, [samples])
    by_n: dict[str, int] = {}
    for name, _, _ in found:
        n = name.partition('n="')[2].partition('"')[0]
        by_n[n] = by_n.get(n, 0) + 1
    assert set(by_n.values()) == {4}
    assert 70 < len(by_n) < 130


async def test_the_order_of_the_parts():
    """Enrichment gives the label that validation goes by; what validation drops is no outlier; and so on."""
    team = (Matcher("team", Matcher.metric("x").type, "vision"),)
    rules = QualityRules(
        enrichment=[EnrichmentRule("e", labels={"team": "vision"})],
        validation=[ValidationRule("v", team, high=1000.0)],
        outliers=[OutlierRule("o", team, window=10, min_samples=5)],
        sampling=[SamplingRule("s", team, 10)],
    )
    storage, inner, _ = made(rules)
    values = [1.0, 2.0, 3.0, 2.0, 1.0, 5000.0, 50.0, 2.0]
    for at, value in enumerate(values):
        await storage.append(SampleBatch.at(at, {LOSS: value}))
    assert [sample for batch in inner.batches for sample in plain(written(batch))] == [
        ('loss{run="a",team="vision"}', 0, "1.0"),
        ('loss:outlier{run="a",team="vision"}', 6, "1.0"),
        ('loss:outlier{run="a",team="vision"}', 7, "stale"),
    ]
    assert counts(storage) == {
        "changed enrichment": 8,
        "dropped validation_range": 1,
        "flagged outlier": 1,
        "dropped sampling_interval": 6,
    }


async def test_the_state_of_alerts_is_left_alone():
    rules = QualityRules(
        enrichment=[EnrichmentRule("e", labels={"team": "vision"})],
        validation=[ValidationRule("v", EVERYTHING, high=0.0)],
        sampling=[SamplingRule("s", EVERYTHING, None, 0.0)],
    )
    storage, inner, _ = made(rules)
    batch = SampleBatch.at(1, {Labels({"__name__": name}): 1.0 for name in ("ALERTS", "ALERTS_FOR_STATE")})
    await storage.append(batch)
    assert inner.batches == [batch]


@pytest.mark.parametrize("part", ["validation", "outliers", "sampling"])
@pytest.mark.parametrize("size", [1, 4])
async def test_a_batch_that_was_not_stored_can_be_sent_again(part, size):
    rules = {
        "validation": QualityRules(validation=[ValidationRule("v", EVERYTHING, monotonic=True)]),
        "outliers": QualityRules(outliers=[OutlierRule("o", EVERYTHING, 3, 5, 3, drops=True)]),
        "sampling": QualityRules(sampling=[SamplingRule("s", EVERYTHING, 3)]),
    }[part]
    values = [5.0, 6.0, 7.0, 6.5, 8.0, 7.5, 80.0, 9.0, 9.5, 8.0, 9.0, 7.0, 100.0, 9.0, 8.0, 70.0]
    samples = [(LOSS, at, value) for at, value in enumerate(values)]
    batches = [samples[start : start + size] for start in range(0, len(samples), size)]
    undisturbed = await stored(rules, batches)
    storage, inner, _ = made(rules)
    for batch, left in zip(batches, undisturbed, strict=True):
        # Of a batch of which nothing is left the store hears nothing.
        for _ in range(2 if left else 0):
            inner.failure = StorageError("no")
            with pytest.raises(StorageError):
                await storage.append(SampleBatch.from_samples(batch))
        inner.failure = None
        await storage.append(SampleBatch.from_samples(batch))
    found = [sample for batch in inner.batches for sample in plain(written(batch))]
    assert found == [sample for batch in undisturbed for sample in batch]
    assert sum(counts(storage).values()) == len(values) - len(found), "each is counted once"


async def test_what_a_full_store_takes_is_counted():
    storage, inner, _ = made(QualityRules(validation=[ValidationRule("v", metric("loss"), low=0)]))
    inner.failure = SeriesLimitError("full")
    with pytest.raises(SeriesLimitError):
        await storage.append(SampleBatch.at(1, {LOSS: -1.0, Labels({"__name__": "b"}): 1.0}))
    assert counts(storage) == {"dropped validation_range": 1}


async def test_a_rule_says_once_an_hour_what_it_does(caplog):
    caplog.set_level(logging.INFO, logger="tocsin.storage.quality")
    rules = QualityRules(
        validation=[ValidationRule("quality.validation[0]", EVERYTHING, low=0)],
        sampling=[SamplingRule("quality.sampling[0]", EVERYTHING, 10)],
    )
    storage, _, clock = made(rules)
    for at in (1000, 1001):
        await storage.append(SampleBatch.at(at, {LOSS: -1.0, LOSS.set(run="b"): 2.0}))
    await clock.advance(HOUR_S - 1)
    await storage.append(SampleBatch.at(1002, {LOSS: -3.0}))
    await clock.advance(1)
    await storage.append(SampleBatch.at(1003, {LOSS: -4.0}))
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "WARNING",
            'quality.validation[0]: samples dropped: 1 (validation_range), such as loss{run="a"} -1 at 1.000',
        ),
        (
            "INFO",
            'quality.sampling[0]: samples dropped: 1 (sampling_interval), such as loss{run="b"} 2 at 1.001',
        ),
        (
            "WARNING",
            'quality.validation[0]: samples dropped: 3 (validation_range), such as loss{run="a"} -4 at 1.003',
        ),
    ]


def test_metrics_are_there_from_the_start():
    rules = QualityRules(
        enrichment=[EnrichmentRule("e", labels={"a": "b"})],
        validation=[ValidationRule("v", EVERYTHING, low=0, type=NumberType.FINITE, monotonic=True)],
        outliers=[OutlierRule("o", EVERYTHING)],
        sampling=[SamplingRule("s", EVERYTHING, 10, 0.5)],
    )
    storage, _, _ = made(rules)
    storage.report.counts[Outcome.DROPPED, Reason.VALIDATION_TYPE] = 3
    samples = {
        (sample.name.removeprefix("tocsin_quality_"), sample.labels.get("reason")): sample.value
        for family in QualityMetrics(storage).collect()
        for sample in family.samples
    }
    assert samples == {
        ("dropped_samples_total", "validation_type"): 3,
        ("dropped_samples_total", "validation_range"): 0,
        ("dropped_samples_total", "validation_monotonic"): 0,
        ("dropped_samples_total", "sampling_ratio"): 0,
        ("dropped_samples_total", "sampling_interval"): 0,
        ("changed_samples_total", "enrichment"): 0,
        ("flagged_samples_total", "outlier"): 0,
        ("unjudged_samples_total", "outlier_max_series"): 0,
        ("series", None): 0,
    }
