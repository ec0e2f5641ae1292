from __future__ import annotations

import math

import pytest

from tocsin.sdk.columns import Column, Columns
from tocsin.sdk.health.sampling import Budget, outstanding
from tocsin.sdk.health.settings import HealthSettings
from tocsin.sdk.health.verdicts import HOLD_NS
from tocsin.sdk.health.watcher import Watcher

S = 1_000_000_000
START_NS = 1_700_000_000 * S


def steps(losses, every_ns=S, first=0, **others):
    return [(START_NS + n * every_ns, n, {"loss": loss, **others}) for n, loss in enumerate(losses, first)]


def wavering(count):
    return [2 + 0.01 * (n % 7) for n in range(count)]


def bad(watcher):
    return {check for check, (is_bad, _) in watcher.checks().items() if is_bad}


def test_a_spike_is_one_verdict_and_settles():
    watcher, losses = Watcher(HealthSettings()), wavering(200)
    losses[150] = losses[151] = 9.0
    watcher.take(Columns(steps(losses[:160])))
    (verdict,) = watcher.verdicts()
    assert (verdict.check, verdict.step, verdict.is_bad, verdict.value_name) == ("spike", 150, True, "loss")
    assert (verdict.finding.value, verdict.time_ns) == (9.0, START_NS + 150 * S)
    assert watcher.checks()["spike"] == (True, 1)
    watcher.tick(START_NS + 151 * S + HOLD_NS)
    assert [(each.check, each.is_bad) for each in watcher.verdicts()] == [("spike", False)]
    assert watcher.checks()["spike"] == (False, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400])
def test_a_fast_training_hides_no_spike_and_no_nan(value):
    watcher, losses = Watcher(HealthSettings(off=frozenset({"plateau"}))), wavering(60_000)
    losses[33_333], losses[44_444] = 50.0, value
    taken = steps(losses, every_ns=10_000)
    for start in range(0, len(taken), 512):
        watcher.take(Columns(taken[start : start + 512]))
    assert [(each.check, each.step) for each in watcher.verdicts()] == [
        ("spike", 33_333),
        ("not_finite", 44_444),
    ]


def test_a_stall_is_seen_without_a_step_and_ends_with_one():
    watcher = Watcher(HealthSettings())
    watcher.take(Columns(steps(wavering(20))))
    watcher.tick(START_NS + 40 * S)
    assert not bad(watcher)
    watcher.tick(START_NS + 50 * S)
    assert bad(watcher) == {"stall"}
    watcher.take(Columns(steps([2.0], first=60)))
    watcher.tick(START_NS + 60 * S + HOLD_NS)
    assert not bad(watcher)


def test_a_pause_is_no_stall():
    watcher = Watcher(HealthSettings())
    watcher.take(Columns(steps(wavering(20))))
    watcher.pause()
    watcher.tick(START_NS + 900 * S)
    watcher.resume(START_NS + 901 * S)
    watcher.tick(START_NS + 902 * S)
    assert not bad(watcher)
    watcher.tick(START_NS + 960 * S)
    assert bad(watcher) == {"stall"}


def test_checks_can_be_left_out():
    watcher = Watcher(HealthSettings(off=frozenset({"not_finite", "stall"})))
    watcher.take(Columns(steps([math.nan])))
    assert not {"not_finite", "stall"} & set(watcher.checks())
    assert not watcher.verdicts()


def test_evaluations_are_flat_only_when_all_values_are():
    watcher = Watcher(HealthSettings(plateau_patience_steps=10))
    for n in range(60):
        watcher.take_evaluation(START_NS + n, n, {"val_loss": 1.0, "val_accuracy": n / 60})
    assert not bad(watcher)
    for n in range(60, 200):
        watcher.take_evaluation(START_NS + n, n, {"val_loss": 1.0, "val_accuracy": 1.0})
    assert bad(watcher) == {"validation_plateau"}


def test_what_is_looked_at_is_bounded_by_time():
    budget = Budget()
    assert budget.stride(50, START_NS, START_NS) == 1
    assert budget.stride(100, START_NS, START_NS) == 2
    assert budget.stride(100, START_NS, START_NS) == 101
    assert budget.stride(100, START_NS, START_NS + S) == 1
    assert budget.stride(200, START_NS, START_NS + 2 * S) == 2


def test_values_that_stand_out_are_found_among_many():
    values = [1.0, math.nan, 2.0, 9.0, -math.inf, math.inf]
    taken = [(0, 0, {"loss": value}) for value in values] + [(0, 0, {"lr": 5.0})]
    assert outstanding(Columns(taken)["loss"], 5.0) == {1, 3, 5}
    assert outstanding(Columns(taken[:1])["loss"], 5.0) == set()
    assert outstanding(Column([10**400], [0]), math.inf) == {0}
    assert len(outstanding(Columns(steps(range(500)))["loss"], 5.0)) == 2


def test_events_in_the_same_second_are_counted_and_told_once():
    watcher, losses = Watcher(HealthSettings()), wavering(200)
    losses[150] = losses[160] = losses[165] = 9.0
    watcher.take(Columns(steps(losses, every_ns=S // 20)))
    assert len(watcher.verdicts()) == 1
    assert watcher.checks()["spike"] == (True, 3)
