"""Prediction quality beside a slow and obvious oracle, and beside scikit-learn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from tests.sdk.inference.helpers import HandClock, value, values
from tocsin.sdk.guard import Guard
from tocsin.sdk.inference import quality as quality_module
from tocsin.sdk.inference.confusion import Confusion, accuracy, by_class, macro
from tocsin.sdk.inference.quality import QualityKeeper, QualitySettings

pairs = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1, max_size=60)


def oracle(said, settings, now_s):
    """Go through everything that was said, again and again."""
    labelled = []
    for at_s, is_label, key, truth in said:
        if not is_label:
            continue
        guesses = [
            (when_s, name)
            for when_s, was_label, other, name in said
            if other == key and not was_label and when_s < at_s
        ]
        labels_between = [
            when_s
            for when_s, was_label, other, _ in said
            if other == key and was_label and guesses and guesses[-1][0] < when_s < at_s
        ]
        if guesses and not labels_between and at_s - guesses[-1][0] <= settings.wait_s:
            labelled.append((at_s, guesses[-1][1], truth))
    slice_s = settings.window_s / 60
    first = int(now_s // slice_s) - 60
    return Counter((guess, truth) for at_s, guess, truth in labelled if int(at_s // slice_s) > first)


@given(pairs)
def test_measures_are_those_of_scikit_learn(said):
    guesses, truths = [guess for guess, _ in said], [truth for _, truth in said]
    confusion = Confusion(said)
    names = sorted({*guesses, *truths})
    assert accuracy(confusion) == pytest.approx(accuracy_score(truths, guesses))
    precision, recall, f1, _ = precision_recall_fscore_support(
        truths, guesses, labels=names, average=None, zero_division=0
    )
    for position, (name, quality) in enumerate(by_class(confusion).items()):
        assert name == names[position]
        assert (quality.precision or 0) == pytest.approx(precision[position])
        assert (quality.recall or 0) == pytest.approx(recall[position])
        assert quality.f1 == pytest.approx(f1[position])
        assert (quality.precision is None) == (name not in guesses)
        assert (quality.recall is None) == (name not in truths)
    means = precision_recall_fscore_support(truths, guesses, labels=names, average="macro", zero_division=0)
    assert list(dict(macro(by_class(confusion))).values()) == pytest.approx(means[:3])


def test_of_nothing_there_is_no_quality():
    assert accuracy(Confusion()) is None
    assert by_class(Confusion()) == {}
    assert list(macro({})) == []


words = st.lists(
    st.tuples(st.booleans(), st.sampled_from("1234"), st.sampled_from("abc"), st.floats(0.01, 400)),
    max_size=40,
)


@settings(max_examples=60)
@given(words, st.lists(st.integers(1, 40), max_size=4))
def test_matching_is_what_the_oracle_says(spoken, drain_at):
    clock = HandClock(0.0)
    bounds = QualitySettings(window_s=1200, wait_s=600)
    keeper = QualityKeeper(bounds, Guard("test"), clock)
    said = []
    for number, (is_label, key, name, pause_s) in enumerate(spoken):
        clock.passes(pause_s)
        word = (clock.now_s, is_label, key, name)
        keeper.say(word)
        said.append(word)
        if number in drain_at:
            keeper.drain()
    keeper.drain()
    assert keeper.window() == oracle(said, bounds, clock.now_s)


def test_a_monitor_tells_the_quality_of_two_classes(monitor, clock):
    for key, (guess, truth) in enumerate(
        [("spam", "spam")] * 6 + [("spam", "ham")] * 2 + [("ham", "ham")] * 2
    ):
        monitor.predicted(key, guess)
        clock.passes(1)
        monitor.labelled(key, truth)
    assert value(monitor, "inference_quality_accuracy") == 0.8
    assert values(monitor, "inference_quality_precision") == {"ham": 1.0, "spam": 0.75}
    assert values(monitor, "inference_quality_recall") == {"ham": 0.5, "spam": 1.0}
    assert values(monitor, "inference_quality_f1") == pytest.approx({"ham": 2 / 3, "spam": 6 / 7})
    assert value(monitor, "inference_quality_macro_recall") == 0.75
    assert value(monitor, "inference_quality_pairs") == 10
    assert values(monitor, "inference_quality_outcomes_total") == {"matched": 10}
    assert value(monitor, "inference_quality_label_delay_seconds_sum") == 10


def test_the_positive_class_alone(make_monitor, clock):
    monitor = make_monitor("m", quality=QualitySettings(positive="fraud"), monotonic_s=clock)
    for key, (guess, truth) in enumerate([("fraud", "fraud"), ("fraud", "fine"), ("fine", "fine")]):
        monitor.predicted(key, guess)
        monitor.labelled(key, truth)
    assert values(monitor, "inference_quality_precision") == {"fraud": 0.5}
    assert values(monitor, "inference_quality_macro_f1") == {}
    monitor.close()


def test_ids_and_classes_of_all_kinds(monitor):
    monitor.predicted(1, np.int64(3))
    monitor.labelled("1", 3)
    monitor.predicted(("a", 2), np.array([4]))
    monitor.labelled(("a", 2), "4")
    assert value(monitor, "inference_quality_accuracy") == 1


def test_what_does_not_match_is_counted_by_reason(clock):
    keeper = QualityKeeper(QualitySettings(wait_s=100, most_waiting=3), Guard("test"), clock)

    def say(key, *, is_label=False):
        keeper.say((clock.now_s, is_label, key, "a"))

    say("never predicted", is_label=True)
    say("twice")
    say("twice")
    say("late")
    clock.passes(150)
    say("late", is_label=True)
    keeper.drain()
    for number in range(5):
        say(number)
    outcomes = {own[0][1]: count for name, count, own in keeper.readings() if name.endswith("outcomes_total")}
    assert outcomes == {"unmatched": 1, "replaced": 1, "late": 1, "expired": 1, "displaced": 2}


def test_memory_is_bounded(clock, monkeypatch, caplog):
    monkeypatch.setattr(quality_module, "_INTAKE_MOST", 500)
    keeper = QualityKeeper(QualitySettings(most_waiting=100, most_classes=3), Guard("test"), clock)
    for number in range(1000):
        keeper.say((clock.now_s, False, number, f"class {number}"))
    keeper.drain()
    assert len(keeper._waiting) == 100
    for number in range(400, 500):
        keeper.say((clock.now_s, True, number, f"class {number}"))
    keeper.drain()
    assert set(keeper.window()) == {("other", "other")}
    dropped = [each.value for each in keeper.readings() if each.labels == (("outcome", "dropped"),)]
    assert dropped == [500]
    assert len(caplog.records) == 1


def test_the_window_moves_on(monitor, clock):
    monitor.predicted(1, "a")
    monitor.labelled(1, "b")
    assert value(monitor, "inference_quality_accuracy") == 0
    clock.passes(3601)
    monitor.predicted(2, "a")
    monitor.labelled(2, "a")
    assert value(monitor, "inference_quality_accuracy") == 1
    clock.passes(3700)
    assert values(monitor, "inference_quality_accuracy") == {}
    assert value(monitor, "inference_quality_pairs") == 0
