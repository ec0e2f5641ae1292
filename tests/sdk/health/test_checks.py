"""What holds for every detector."""

from __future__ import annotations

import math
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sdk.health.members import DETECTORS
from tocsin.sdk.health import Detector, Plateau

every = pytest.mark.parametrize("kind", DETECTORS, ids=lambda kind: kind.check)
VALUES = st.lists(st.floats() | st.sampled_from([0.0, 1.0, 1e308, -1e308, 5e-324]), max_size=300)


def healthy(count, seed):
    """A loss that falls, with noise of a few percent."""
    noise = random.Random(seed)
    return [(1 + 4 * math.exp(-step / 2000)) * noise.gauss(1, 0.03) for step in range(count)]


def test_none_is_forgotten_here():
    assert set(DETECTORS) == set(Detector.__subclasses__())


@every
@given(values=VALUES)
def test_whatever_comes_it_does_not_raise_and_says_the_same_again(kind, values):
    first, second = kind(), kind()
    found = [first.observe(step, value) for step, value in enumerate(values)]
    assert repr(found) == repr([second.observe(step, value) for step, value in enumerate(values)])


@every
def test_values_that_are_no_numbers_change_nothing(kind):
    plain, disturbed = kind(), kind()
    for step, value in enumerate(healthy(500, seed=1)):
        for wrong in (math.nan, math.inf, -math.inf):
            disturbed.observe(step, wrong)
        assert plain.observe(step, value) == disturbed.observe(step, value)


@every
def test_a_constant_is_no_fault_unless_it_is_to_fall(kind):
    for constant in (0.0, 1.0, -3.0, 1e300):
        detector = kind()
        found = [detector.observe(step, constant) for step in range(3000)]
        assert kind is Plateau or not any(found)


@every
@pytest.mark.parametrize("seed", range(10))
def test_healthy_noise_is_no_fault(kind, seed):
    detector = kind()
    found = [detector.observe(step, value) for step, value in enumerate(healthy(5000, seed))]
    assert not any(found)


@every
def test_memory_is_bounded(kind):
    detector = kind()
    for step, value in enumerate(healthy(2000, seed=1)):
        detector.observe(step, value)
    tracemalloc.start()
    for step, value in enumerate(healthy(1000, seed=2) * 20, 2000):
        detector.observe(step, value)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 300_000


@every
def test_at_or_below_its_ceiling_nothing_begins(kind):
    detector, noise, was_found = kind(), random.Random(3), False
    for step in range(2000):
        value = noise.lognormvariate(0, 1.5)
        is_below = value <= detector.ceiling < math.inf
        is_found = detector.observe(step, value) is not None
        assert not (is_below and is_found and not was_found)
        was_found = is_found
