from __future__ import annotations

import random

import pytest

from tests.support.quality import EVERYTHING, made, plain, written
from tocsin.model import STALE_NAN, Labels, SampleBatch
from tocsin.storage.quality import EnrichmentRule, QualityRules, SamplingRule
from tocsin.storage.quality.series import IDLE_MS, SeriesTable


class Member:
    """Holds what the table says of rows against what it should be."""

    def __init__(self) -> None:
        self.names: dict[int, Labels] = {}

    def admit(self, row: int, labels: Labels) -> None:
        assert row not in self.names
        self.names[row] = labels

    def forget(self, rows) -> None:
        for row in rows.tolist():
            del self.names[row]


def series(number: int) -> Labels:
    return Labels({"__name__": "m", "n": str(number)})


def folded(labels: Labels) -> Labels:
    """Every third series keeps its name, the others share some."""
    number = int(labels["n"])
    return labels if number % 3 == 0 else labels.set(n=f"shared{number % 5}")


@pytest.mark.parametrize("seed", range(6))
def test_rows_always_belong_to_the_names_they_stand_for(seed):
    rng = random.Random(seed)
    member = Member()
    rename = {"now": folded}

    def name_of(labels: Labels) -> Labels:
        return rename["now"](labels)

    table = SeriesTable(name_of, member, max_series=40)
    now_ms = 0
    for _ in range(400):
        now_ms += rng.choice([1, 1000, IDLE_MS // 3, 2 * IDLE_MS])
        if rng.random() < 0.05:
            rename["now"] = rng.choice([folded, lambda labels: labels, lambda labels: labels.set(x="y")])
            table.rename_all()
        batch = [series(number) for number in rng.sample(range(80), rng.randint(1, 60))]
        layout = table.layout(batch, now_ms)
        wanted = [rename["now"](labels) for labels in batch]
        assert list(layout.names) == wanted
        assert [member.names[row] for row in layout.rows.tolist()] == wanted
        changed = [labels != name for labels, name in zip(batch, wanted, strict=True)]
        assert (layout.changed is None) == (not any(changed))
        assert layout.changed is None or layout.changed.tolist() == changed
        assert layout.is_distinct == (len(set(wanted)) == len(wanted))
        assert len(table) == len(member.names) <= 40 + 60, "the limit and one batch"
        table.take_abandoned()


def test_idle_series_are_forgotten():
    member = Member()
    table = SeriesTable(lambda labels: labels, member, max_series=100)
    table.layout([series(1), series(2)], 0)
    table.layout([series(2)], IDLE_MS)
    table.layout([series(3)], IDLE_MS + 60_001)
    assert sorted(member.names.values()) == [series(2), series(3)]


def test_the_longest_idle_make_room():
    member = Member()
    table = SeriesTable(lambda labels: labels, member, max_series=10)
    for number in range(10):
        table.layout([series(number)], number)
    table.layout([series(0)], 20)
    table.layout([series(10), series(0)], 30)
    assert series(1) not in member.names.values()
    assert {series(0), series(2), series(10)} <= set(member.names.values())
    assert len(table) == 10


async def test_a_forgotten_series_starts_anew():
    storage, inner, clock = made(QualityRules(sampling=[SamplingRule("s", EVERYTHING, 10**9)]))
    labels = series(1)
    for hours, at in ((0, 1), (0, 2), (2, 3)):
        await clock.advance(hours * 3600)
        await storage.append(SampleBatch.at(at, {labels: 1.0}))
    assert [batch.timestamps_ms.tolist() for batch in inner.batches] == [[1], [3]]


async def test_a_series_that_gets_another_name_ends_under_the_old_one():
    names = {"team": "a"}
    storage, inner, _ = made(QualityRules(enrichment=[EnrichmentRule("e", labels=names)]))
    one, two = series(1), series(2)
    await storage.append(SampleBatch.at(1, {one: 1.0, two: 1.0}))
    names["team"] = "b"
    storage.pipeline.series.rename_all()
    await storage.append(SampleBatch.at(2, {one: 2.0}))
    await storage.append(SampleBatch.at(3, {one: 3.0, two: STALE_NAN}))
    assert [plain(written(batch)) for batch in inner.batches] == [
        [('m{n="1",team="a"}', 1, "1.0"), ('m{n="2",team="a"}', 1, "1.0")],
        [('m{n="1",team="b"}', 2, "2.0"), ('m{n="1",team="a"}', 2, "stale")],
        [
            ('m{n="1",team="b"}', 3, "3.0"),
            ('m{n="2",team="b"}', 3, "stale"),
            ('m{n="2",team="a"}', 3, "stale"),
        ],
    ]


async def test_a_name_that_another_series_still_has_does_not_end():
    rule = EnrichmentRule("e", labels={"n": "same"}, overwrite=True)
    storage, inner, _ = made(QualityRules(enrichment=[rule]))
    await storage.append(SampleBatch.at(1, {series(1): 1.0, series(2): 2.0}))
    storage.pipeline.series.rename_all()
    await storage.append(SampleBatch.at(2, {series(1): 1.0}))
    assert [plain(written(batch)) for batch in inner.batches] == [
        [('m{n="same"}', 1, "1.0"), ('m{n="same"}', 1, "2.0")],
        [('m{n="same"}', 2, "1.0")],
    ]
