from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.sdk.columns import Columns
from tocsin.sdk.guard import Guard
from tocsin.sdk.progress import Progress
from tocsin.sdk.rates import Rates

S = 1_000_000_000


def facts(progress, at_s):
    return {
        reading.name.removeprefix("training_"): reading.value for reading in progress.readings(int(at_s * S))
    }


def steady(progress, count, *, each_s=1.0, first=1, **values):
    for n in range(count):
        progress.take(Columns([(int((n + 1) * each_s * S), first + n, values)]))
    return progress


def test_before_the_first_step_only_what_was_said_is_known():
    assert facts(Progress(total_steps=10), 1) == {"total_steps": 10}
    assert facts(Progress(), 1) == {}


def test_the_end_is_foretold_from_the_number_of_the_step_and_the_pace():
    progress = steady(Progress(total_steps=1000), 100, each_s=0.5, first=401)
    assert facts(progress, 50)["eta_seconds"] == pytest.approx(500 * 0.5)


def test_a_run_beyond_its_steps_is_done_now():
    assert facts(steady(Progress(total_steps=5), 9), 9)["eta_seconds"] == 0


def test_validations_and_checkpoints_count_for_the_end_but_not_for_the_pace():
    progress = Progress(total_steps=2000)
    for n in range(1000):
        pause_s = 10 * (n // 100)
        progress.take(Columns([((n + pause_s) * S, n + 1, {})]))
    now_s = 999 + 90
    assert facts(progress, now_s)["steps_per_second"] == pytest.approx(1)
    assert facts(progress, now_s)["eta_seconds"] == pytest.approx(1000 * (now_s / 999))


def test_samples_and_tokens_are_summed_over_all_steps_and_have_a_pace():
    progress = steady(Progress(), 20, each_s=0.5, samples=32, tokens=4096)
    known = facts(progress, 10)
    assert (known["samples_total"], known["tokens_total"]) == (640, 81_920)
    assert known["samples_per_second"] == pytest.approx(64)
    assert known["tokens_per_second"] == pytest.approx(8192)


def test_the_pace_of_tokens_falls_with_that_of_the_steps():
    progress = steady(Progress(), 20, tokens=1000)
    known = facts(progress, 120)
    assert known["tokens_per_second"] == pytest.approx(1000 * known["steps_per_second"])
    assert known["steps_per_second"] < 0.1


@given(
    st.lists(
        st.lists(st.dictionaries(st.sampled_from(["tokens", "loss"]), st.integers(0, 1000)), min_size=1),
        max_size=10,
    )
)
def test_steps_that_have_no_tokens_count_as_none(batches):
    progress, expected = Progress(), 0
    for batch in batches:
        progress.take(Columns([(n * S, n, values) for n, values in enumerate(batch)]))
        expected += sum(values.get("tokens", 0) for values in batch)
    assert facts(progress, 1).get("tokens_total", 0) == expected


@pytest.mark.parametrize("tokens", [float("nan"), float("inf"), -5])
def test_what_no_step_can_have_counts_as_nothing(tokens):
    assert facts(steady(Progress(), 3, tokens=tokens), 3)["tokens_total"] == 0


def test_the_work_of_a_step_gives_utilisation():
    progress = steady(Progress(Rates(flops_per_step=3e12, peak_flops=1e13)), 10, each_s=0.5)
    assert facts(progress, 5)["flops_per_second"] == pytest.approx(6e12)
    assert facts(progress, 5)["flops_utilization_ratio"] == pytest.approx(0.6)


def test_a_price_gives_the_cost_so_far_and_of_a_step():
    progress = steady(Progress(Rates(price_per_hour=36)), 10, each_s=0.5)
    assert facts(progress, 5)["cost_total"] == pytest.approx(0.05)
    assert facts(progress, 5)["cost_per_step"] == pytest.approx(0.005)


@pytest.mark.parametrize("value", ["dear", 0, -1, float("nan"), float("inf"), [1]])
def test_a_price_that_is_none_is_told_and_left_out(value, caplog):
    assert Rates.of(Guard("test"), price_per_hour=value) == Rates()
    assert "price_per_hour is left out" in caplog.text


def test_memory_stays_flat():
    progress = steady(Progress(total_steps=10**9), 50_000, each_s=0.7, tokens=9)
    assert len(progress._long_pace._marks) < 200
    assert len(progress._pace._marks) < 200
