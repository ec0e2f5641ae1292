"""A store that remembers what reached it, and the rules of quality applied sample by sample."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable

from tests.support.clock import ManualClock
from tocsin.errors import StorageError
from tocsin.model import STALE_NAN, Labels, Matcher, MatchType, SampleBatch, is_stale
from tocsin.storage.quality import OutlierRule, QualityRules, QualityStorage, SamplingRule, ValidationRule
from tocsin.storage.quality.outliers import companion
from tocsin.storage.quality.sampling import share

Sample = tuple[Labels, int, float]

EVERYTHING = (Matcher("__name__", MatchType.REGEX, ".+"),)


class Recorder:
    """The inner store: takes batches until it is told to fail."""

    memory_start_ms = 17

    def __init__(self) -> None:
        self.batches: list[SampleBatch] = []
        self.described: dict = {}
        self.failure: StorageError | None = None
        self.is_closed = False

    async def append(self, batch: SampleBatch) -> None:
        if self.failure is not None:
            raise self.failure
        self.batches.append(batch)

    def describe(self, metadata) -> None:
        self.described.update(metadata)

    def select(self, *arguments):
        return ["select", *arguments]

    def series(self, *arguments):
        return ["series", *arguments]

    def metadata(self):
        return self.described

    async def close(self) -> None:
        self.is_closed = True


def made(rules: QualityRules, *, max_series: int = 10_000) -> tuple[QualityStorage, Recorder, ManualClock]:
    inner, clock = Recorder(), ManualClock()
    return QualityStorage(inner, rules, clock, max_series), inner, clock


def written(batch: SampleBatch) -> list[Sample]:
    rows = zip(batch.series_index.tolist(), batch.timestamps_ms.tolist(), batch.values.tolist(), strict=True)
    return [(batch.series[index], time_ms, value) for index, time_ms, value in rows]


def plain(samples: Iterable[Sample]) -> list[tuple[str, int, str]]:
    """Comparable, although NaN is not equal to itself."""
    return [(str(labels), at, "stale" if is_stale(value) else repr(value)) for labels, at, value in samples]


async def stored(rules: QualityRules, batches: Iterable[list[Sample]]) -> list[list[tuple[str, int, str]]]:
    """What reaches the store of each batch."""
    storage, inner, _ = made(rules)
    found = []
    for samples in batches:
        before = len(inner.batches)
        await storage.append(SampleBatch.from_samples(samples))
        found.append([sample for batch in inner.batches[before:] for sample in plain(written(batch))])
    return found


Judge = Callable[[Labels, int, float], tuple[bool, list[Sample]]]
Begin = Callable[[list[Sample]], None]


def expected(judging: tuple[Judge, Begin], batches: Iterable[list[Sample]]):
    """The same by a judge that sees one sample after the other, each series in order of time."""
    judge, begin = judging
    found = []
    for samples in batches:
        begin(samples)
        order = sorted(range(len(samples)), key=lambda index: samples[index][1])
        verdicts = {index: judge(*samples[index]) for index in order}
        extras = [extra for index in range(len(samples)) for extra in verdicts[index][1]]
        kept = [sample for index, sample in enumerate(samples) if verdicts[index][0]]
        found.append((plain(kept), sorted(plain(extras))))
    return found


def monotonic_judge(rule: ValidationRule) -> tuple[Judge, Begin]:
    last: dict[Labels, tuple[int, float, int]] = {}

    def judge(labels: Labels, time_ms: int, value: float):
        at_ms, before, refused = last.get(labels, (-(2**62), math.nan, 0))
        if time_ms <= at_ms or (math.isnan(value) and not is_stale(value)):
            return True, []
        is_reset = 0 <= value <= rule.reset_below * before
        if value < before and not is_reset and refused < 5:
            last[labels] = at_ms, before, refused + 1
            return False, []
        last[labels] = time_ms, value, 0
        return True, []

    return judge, lambda samples: None


class SlowOutliers:
    """Keeps every value of each series, and takes median and MAD of lists."""

    def __init__(self, rule: OutlierRule) -> None:
        self.rule = rule
        self.slots: dict[Labels, int] = {}
        self.pushed: dict[Labels, list[float]] = defaultdict(list)
        self.newest: dict[Labels, int] = {}
        self.figures: dict[Labels, tuple[float, float]] = {}
        self.marked: set[Labels] = set()

    def begin(self, samples: list[Sample]) -> None:
        for labels, _, _ in samples:
            self.slots.setdefault(labels, len(self.slots))

    def judge(self, labels: Labels, time_ms: int, value: float):
        if not (math.isfinite(value) or is_stale(value)) or time_ms <= self.newest.get(labels, -(2**62)):
            return True, []
        self.newest[labels] = time_ms
        is_far = math.isfinite(value) and self.push(labels, value)
        if self.rule.drops:
            return not is_far, []
        if is_far:
            self.marked.add(labels)
            return True, [(companion(labels), time_ms, 1.0)]
        if labels in self.marked:
            self.marked.discard(labels)
            return True, [(companion(labels), time_ms, STALE_NAN)]
        return True, []

    def push(self, labels: Labels, value: float) -> bool:
        rule = self.rule
        center, limit = self.figures.get(labels, (0.0, math.inf))
        self.pushed[labels].append(value)
        count, every = len(self.pushed[labels]), max(1, rule.window // 10)
        is_turn = count > rule.min_samples and (count + self.slots[labels]) % every == 0
        if count == rule.min_samples or is_turn:
            self.figures[labels] = self.figures_of(self.pushed[labels][-rule.window :])
        return abs(value - center) > limit

    def figures_of(self, window: list[float]) -> tuple[float, float]:
        center = median(window)
        deviation = median([abs(value - center) for value in window])
        spread = max(1.4826 * deviation, self.rule.min_deviation)
        return center, self.rule.threshold * spread if spread > 0 else math.inf


def median(values: list[float]) -> float:
    lower, upper = statistics.median_low(values), statistics.median_high(values)
    return lower if lower == upper else (lower + upper) / 2


def outlier_judge(rule: OutlierRule) -> tuple[Judge, Begin]:
    slow = SlowOutliers(rule)
    return slow.judge, slow.begin


def sampling_judge(rule: SamplingRule) -> tuple[Judge, Begin]:
    kept: dict[Labels, int] = {}
    late: dict[tuple[Labels, int], int] = {}
    every = rule.keep_every_ms

    def judge(labels: Labels, time_ms: int, value: float):
        if share(labels) >= rule.ratio:
            return False, []
        if every is None:
            return True, []
        newest = kept.get(labels, -(2**62))
        if is_stale(value):
            if time_ms >= newest:
                kept.pop(labels, None)
            return True, []
        bucket = time_ms // every
        if bucket == newest // every:
            return time_ms == newest, []
        if time_ms > newest:
            kept[labels] = time_ms
            return True, []
        return late.setdefault((labels, bucket), time_ms) == time_ms, []

    return judge, lambda samples: late.clear()
