"""Health of a run, from a step to the log, the server and /metrics."""

from __future__ import annotations

import logging
import math
import urllib.request

import pytest

from tests.sdk.receiver import wait_until
from tocsin.sdk import TrainingMonitor
from tocsin.sdk.health.settings import HealthSettings


def healths(receiver, check):
    return [s.value for s in receiver.of("training_health") if f'check="{check}"' in s.labels]


def test_a_nan_is_an_event_and_a_series_within_a_second(receiver, caplog):
    caplog.set_level(logging.INFO, logger="tocsin")
    with TrainingMonitor("digits", url=receiver.url) as run:
        run.step(loss=1.0)
        wait_until(lambda: healths(receiver, "not_finite") == [0.0])
        run.step(loss=math.nan)
        wait_until(lambda: 1.0 in healths(receiver, "not_finite"), timeout_s=1)
    (record,) = caplog.records
    assert (record.levelno, record.event) == (logging.WARNING, "training_health_bad")
    assert record.data["run"] == "digits"
    assert record.data["text"] == "loss is nan"
    events = [s.value for s in receiver.of("training_health_events_total") if '"not_finite"' in s.labels]
    assert events[0] == 0
    assert events[-1] == 1
    assert set(healths(receiver, "spike")) == {0.0}


def test_a_spike_at_full_speed_is_told(caplog):
    with TrainingMonitor("digits") as run:
        for n in range(50_000):
            run.step(loss=2 + 0.01 * (n % 7) if n != 33_333 else 77.0)
    spikes = [record.data["step"] for record in caplog.records if record.data["check"] == "spike"]
    assert spikes == [33_334]


def test_metrics_show_the_health(receiver):
    with TrainingMonitor("digits", port=0) as run:
        run.step(loss=math.inf)
        with urllib.request.urlopen(f"http://127.0.0.1:{run.port}/metrics") as response:
            text = response.read().decode()
    assert 'training_health{check="not_finite",run="digits"} 1.0' in text
    assert 'training_health_events_total{check="not_finite",run="digits"} 1.0' in text
    assert text.count("# TYPE training_health gauge") == 1


@pytest.mark.parametrize("health", [None, HealthSettings(off=frozenset({"not_finite"}))])
def test_health_can_be_left_out(receiver, caplog, health):
    with TrainingMonitor("digits", url=receiver.url, health=health) as run:
        run.step(loss=math.nan)
    assert not caplog.records
    assert not healths(receiver, "not_finite")


def test_wrong_settings_leave_the_training_alone(receiver, caplog):
    with TrainingMonitor("digits", url=receiver.url, health="strict") as run:
        run.step(loss=1.0)
    assert receiver.values("training_loss") == [1.0]
    assert "the health of the training is not judged" in caplog.text
