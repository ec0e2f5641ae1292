from __future__ import annotations

import pytest

from tests.rules.helpers import evaluation, series
from tocsin.model import Labels
from tocsin.rules import RecordingRule, RuleError

VECTOR = [(series('m{job="a"}'), 1.0), (series('m{job="b"}'), 2.0)]


def test_the_result_is_renamed_and_labelled():
    rule = RecordingRule("n", "m", Labels({"team": "ml"}))
    assert rule.evaluate(evaluation(VECTOR)) == {
        series('n{job="a",team="ml"}'): 1.0,
        series('n{job="b",team="ml"}'): 2.0,
    }


def test_a_label_without_value_is_removed_and_may_make_series_alike():
    rule = RecordingRule("n", "m", Labels({"job": "same"}))
    with pytest.raises(RuleError, match="same labelset"):
        rule.evaluate(evaluation(VECTOR))


def test_more_series_than_the_limit_are_an_error():
    rule = RecordingRule("n", "m")
    assert len(rule.evaluate(evaluation(VECTOR, limit=2))) == 2
    with pytest.raises(RuleError, match="exceeded limit of 1 with 2 series"):
        rule.evaluate(evaluation(VECTOR, limit=1))


def test_data_are_looked_at_with_the_offset():
    asked = []
    moved = evaluation([], at_s=100, offset_s=30)
    moved = type(moved)(
        type(moved.context)(lambda query, at_ms: asked.append((query, at_ms)) or [], moved.at_ms), 30_000
    )
    RecordingRule("n", "m").evaluate(moved)
    assert asked == [("m", moved.at_ms - 30_000)]
