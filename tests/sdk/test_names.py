from __future__ import annotations

import pytest

from tocsin.sdk.guard import Guard
from tocsin.sdk.names import MOST_NAMES, RESERVED, Names, label_text, usable_labels


@pytest.fixture
def names():
    return Names(Guard("test"))


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("loss", "training_loss"),
        ("lr", "training_learning_rate"),
        ("learning_rate", "training_learning_rate"),
        ("val/loss", "training_val_loss"),
        ("top-5 accuracy", "training_top_5_accuracy"),
        ("größe2", "training_gr__e2"),
        ("1st", "training_1st"),
    ],
)
def test_names_become_metric_names(names, name, metric, caplog):
    assert names[name] == metric
    assert not caplog.records


@pytest.mark.parametrize("name", ["", "///", "äöü", *sorted(RESERVED)])
def test_a_name_that_cannot_be_used_is_told_once(names, name, caplog):
    assert [names[name], names[name]] == [None, None]
    assert len(caplog.records) == 1
    assert f'"{name}"' in caplog.text


def test_names_made_up_at_each_step_are_bounded(names, caplog):
    metrics = [names[f"loss_{n}"] for n in range(MOST_NAMES + 10)]
    assert metrics.count(None) == 10
    assert len(caplog.records) == 1


def test_labels_that_the_data_model_does_not_know_are_left_out(caplog):
    labels = usable_labels({"team": "vision", "gpu count": "2", "__meta": "x", "rank": 3}, Guard("test"))
    assert labels == {"team": "vision", "rank": "3"}
    assert len(caplog.records) == 2


def test_label_values_are_escaped():
    assert label_text({"run": 'a"b\\c\nd', "job": "training"}) == r'{job="training",run="a\"b\\c\nd"}'
