"""What each detector finds, and where."""

from __future__ import annotations

import doctest
import importlib
import math
import pkgutil
import random

import pytest

from tests.sdk.health.members import starts
from tocsin.sdk import health
from tocsin.sdk.health import (
    Divergence,
    GradientExplosion,
    GradientVanishing,
    LearningRateFloor,
    NotFinite,
    Plateau,
    Spike,
    Stall,
    ThroughputDrop,
)


def observed(detector, values):
    return [detector.observe(step, value) for step, value in enumerate(values, 1)]


def noisy(level, count, seed=5, deviation=0.03):
    noise = random.Random(seed)
    return [level * noise.gauss(1, deviation) for _ in range(count)]


@pytest.mark.parametrize("name", [each.name for each in pkgutil.iter_modules(health.__path__)])
def test_the_examples_are_true(name):
    assert doctest.testmod(importlib.import_module(f"tocsin.sdk.health.{name}")).failed == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_not_finite(value):
    assert starts(observed(NotFinite(), [1.0, value, value, 1.0, value])) == [2, 5]


def test_a_spike_is_found_at_its_step_and_the_next_one_too():
    values = noisy(3.0, 400)
    values[199] = values[220] = 5.0
    assert starts(observed(Spike(), values)) == [200, 221]


def test_heavy_tails_make_one_or_two_spikes_in_a_thousand_steps():
    noise = random.Random(1)
    values = [noise.lognormvariate(0, 1) for _ in range(20_000)]
    assert len(starts(observed(Spike(), values))) < 40


def test_a_loss_that_stays_high_has_diverged_and_a_spike_has_not():
    values = noisy(3.0, 300) + noisy(6.0, 30) + noisy(3.0, 100) + noisy(6.0, 100)
    assert starts(observed(Divergence(), values)) == [300 + 30 + 100 + 50]


def test_a_gradient_explodes_and_vanishes():
    values = noisy(1.0, 200)
    values[150] = 30.0
    assert starts(observed(GradientExplosion(), values)) == [151]
    assert starts(observed(GradientVanishing(), noisy(1.0, 200) + [1e-9] * 100)) == [250]


def test_a_learning_rate_at_its_floor_is_found_unless_the_end_is_near():
    rates = [0.0] * 200 + [1e-3] * 100 + [1e-9] * 200
    assert starts(observed(LearningRateFloor(), rates)) == [400]
    assert not any(observed(LearningRateFloor(total_steps=310), rates))


def test_a_plateau_is_found_and_a_slow_but_sure_descent_is_not():
    flat = [4 - step / 1000 for step in range(2000)] + noisy(2.0, 4000)
    (first, *_) = starts(observed(Plateau(), flat))
    assert 2800 < first < 4000
    slow = [value - step / 5000 for step, value in enumerate(noisy(4.0, 6000))]
    assert not any(observed(Plateau(), slow))
    assert any(observed(Plateau(is_score=True), slow))


def test_slow_steps_are_found_until_they_are_usual():
    found = observed(ThroughputDrop(), noisy(0.1, 500) + noisy(0.3, 3000))
    assert starts(found) == [511]
    assert found[-1] is None


def test_pauses_for_validation_are_no_drop():
    assert not any(observed(ThroughputDrop(), ([0.1] * 50 + [20.0]) * 40))


def test_an_overdue_step_is_a_stall():
    stall = Stall()
    assert stall.overdue(1e9) is None
    observed(stall, [10.0] * 20)
    assert stall.overdue(99) is None
    assert stall.overdue(101) is not None
    observed(stall, [300.0])
    assert stall.overdue(599) is None
    assert stall.overdue(601) is not None
