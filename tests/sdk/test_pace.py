from __future__ import annotations

import pytest

from tocsin.sdk.pace import Pace

S = 1_000_000_000


def paced(*marks):
    pace = Pace()
    for count, time_s in marks:
        pace.update(count, int(time_s * S))
    return pace


def test_there_is_no_pace_before_two_steps():
    assert paced().per_second(0) is None
    assert paced((1, 0)).per_second(9 * S) is None
    assert paced((1, 1), (9, 1)).per_second(S) is None


def test_a_steady_training_has_its_pace_between_two_looks():
    pace = paced(*((20 * tenth // 10, tenth / 10) for tenth in range(100)))
    for delay_s in (0, 0.02, 0.049):
        assert pace.per_second(int((9.9 + delay_s) * S)) == pytest.approx(20, rel=0.01)


def test_one_step_in_half_a_minute_is_a_pace_too():
    pace = paced((1, 0), (2, 30), (3, 60))
    assert pace.per_second(60 * S) == pytest.approx(1 / 30)
    assert pace.per_second(89 * S) == pytest.approx(1 / 30)


def test_a_training_that_hangs_slows_towards_zero():
    pace = paced((1, 0), (11, 1))
    speeds = [pace.per_second(second * S) for second in (1, 5, 60, 3600)]
    assert speeds == sorted(speeds, reverse=True)
    assert speeds[-1] < 0.01


def test_the_pace_is_that_of_the_last_seconds():
    pace = paced((1, 0), (2, 10), (3, 20), (103, 21), (603, 26))
    assert pace.per_second(26 * S) == pytest.approx(100)
