from __future__ import annotations

import math

import pytest

from tocsin.sdk.guard import Guard
from tocsin.sdk.lines import number_text, row_lines, state_lines
from tocsin.sdk.names import Names
from tocsin.sdk.readings import Reading


def test_a_row_becomes_a_line_for_its_step_and_for_each_value():
    guard = Guard("test")
    lines = row_lines([(1700, 7, {"loss": 0.1, "lr": 1e-05, "": 3.0})], Names(guard), '{run="a"}', guard)
    assert lines == [
        'training_step{run="a"} 7 1700\n',
        'training_loss{run="a"} 0.1 1700\n',
        'training_learning_rate{run="a"} 1e-05 1700\n',
    ]


def test_a_number_beyond_floats_is_left_out_and_told_once(caplog):
    guard = Guard("test")
    lines = row_lines([(1, 1, {"big": 10**400, "loss": 1})] * 2, Names(guard), "{}", guard)
    assert lines == ["training_step{} 1 1\n", "training_loss{} 1.0 1\n"] * 2
    assert len(caplog.records) == 1


def test_state_becomes_lines():
    state = [Reading("training_status", 1.0), Reading("training_health", 0.0, (("check", "spike"),))]
    assert state_lines(state, {"run": "a"}, 5) == [
        'training_status{run="a"} 1.0 5\n',
        'training_health{check="spike",run="a"} 0.0 5\n',
    ]


@pytest.mark.parametrize("value", [0.1, -1e300, 5e-324, 3, math.inf, -math.inf])
def test_numbers_are_written_exactly(value):
    assert float(number_text(value)) == value


def test_numbers_that_are_none_have_the_names_of_the_text_format():
    assert [number_text(value) for value in (math.nan, math.inf, -math.inf)] == ["NaN", "+Inf", "-Inf"]
