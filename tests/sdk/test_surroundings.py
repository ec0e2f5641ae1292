"""Labels by the environment of a program."""

from __future__ import annotations

import pytest

from tests.sdk.receiver import wait_until
from tocsin import TrainingMonitor
from tocsin.sdk.guard import Guard
from tocsin.sdk.surroundings import labels_of_environment


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", {}),
        ("experiment=demo_1,task=train", {"experiment": "demo_1", "task": "train"}),
        (" a = b ,, c=d%2Ce%3D ", {"a": "b", "c": "d,e="}),
        ("a=", {"a": ""}),
    ],
)
def test_labels_are_read(text, labels, caplog):
    assert labels_of_environment(Guard("test"), {"TOCSIN_LABELS": text}) == labels
    assert not caplog.records


def test_what_is_no_label_is_said(caplog):
    assert labels_of_environment(Guard("test"), {"TOCSIN_LABELS": "a=b,task"}) == {"a": "b"}
    assert '"task" in TOCSIN_LABELS is left out' in caplog.text


def test_a_run_has_them_and_its_own_count_for_more(receiver, monkeypatch):
    monkeypatch.setenv("TOCSIN_LABELS", "experiment=demo_1,team=theirs")
    with TrainingMonitor("digits", url=receiver.url, labels={"team": "ours"}) as run:
        run.step(loss=1.0)
        wait_until(lambda: receiver.samples)
    assert any('experiment="demo_1"' in sample.labels for sample in receiver.samples)
    assert not any("theirs" in sample.labels for sample in receiver.samples)
