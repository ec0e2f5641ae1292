"""The exporters of these tests say nothing that the real ones do not say, in names and in labels."""

from __future__ import annotations

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry

from tests.collect.nemo_run.layout import START_NS, Home
from tests.rules.packs.exporters import Experiment, Gpu, Node, Tocsin, Training
from tests.sdk.receiver import Receiver, wait_until
from tocsin import TrainingMonitor
from tocsin.collect import SystemCollector
from tocsin.collect.dcgm import READINGS
from tocsin.collect.nemo_run import ExperimentStore, NemoRunCollector
from tocsin.collect.registry import JOBS
from tocsin.collect.xid import XID_FIELD
from tocsin.model import METRIC_NAME
from tocsin.notify import NotifyMetrics
from tocsin.rules import RuleMetrics

NOT_COLLECTED_BY_US = {"node_vmstat_oom_kill"}
"""What only node_exporter gives."""

OF_A_SCRAPE = {"up"}


def shapes(exporter):
    """The label names of each series, by metric."""
    return {
        labels.metric_name: set(labels) - {METRIC_NAME, "job", "instance"}
        for at_s in (0.0, 15.0)
        for labels in exporter(at_s)
    }


def test_a_machine():
    real = {
        sample.name: set(sample.labels) for family in SystemCollector().collect() for sample in family.samples
    }
    said = {name: labels for name, labels in shapes(Node()).items() if name not in OF_A_SCRAPE}
    assert said.keys() - real.keys() <= NOT_COLLECTED_BY_US
    assert {name: labels for name, labels in said.items() if name in real and labels != real[name]} == {}


def test_a_gpu():
    known = {field.name for reading in READINGS for field in reading.fields} | {
        XID_FIELD.name,
        "tocsin_gpu_devices",
    }
    assert shapes(Gpu()).keys() <= known


def test_an_experiment(tmp_path):
    home = Home(tmp_path)
    task = home.task(home.experiment(), "train")
    home.run(task)
    home.end(task, "FAILED", 1, START_NS / 1e9 + 1)
    collector = NemoRunCollector(ExperimentStore(tmp_path), lambda: START_NS / 1e9 + 2)
    real = {sample.name: set(sample.labels) for family in collector.collect() for sample in family.samples}
    assert shapes(Experiment(status=3)).items() <= real.items()
    assert Experiment.job == JOBS[collector.name]


@pytest.mark.parametrize("make", [RuleMetrics, NotifyMetrics])
def test_what_tocsin_counts(make):
    registry = CollectorRegistry()
    metrics = make(registry)
    if make is RuleMetrics:
        metrics.rules_evaluated("mine", 2, failed=1)
        metrics.missed("mine", 1)
    else:
        metrics.failed.labels("slack", "serverError").inc()
    text = prometheus_client.generate_latest(registry).decode()
    for name, labels in shapes(Tocsin(unsent=1)).items():
        if name.startswith(("tocsin_rule_", "tocsin_notifications_")) and name in text:
            (line,) = [line for line in text.splitlines() if line.startswith(f"{name}{{")]
            assert all(f'{label}="' in line for label in labels)
    assert ("tocsin_rule_evaluation_failures_total" in text) is (make is RuleMetrics)
    assert ("tocsin_notifications_failed_total" in text) is (make is NotifyMetrics)


def test_a_training():
    receiver = Receiver()
    try:
        with TrainingMonitor("digits", total_steps=100, url=receiver.url) as run:
            for _ in range(2):
                run.step(loss=1.0, lr=0.1, gradient_norm=1.0, grad_norm=1.0)
            with run.validation():
                pass
        wait_until(lambda: "training_status" in {sample.name for sample in receiver.samples})
    finally:
        receiver.close()
    sent = {sample.name for sample in receiver.samples}
    assert shapes(Training()).keys() <= sent | {"training_steps_per_second"}
    assert all({"run"} <= labels <= {"run", "check", "rank"} for labels in shapes(Training()).values())
    apart = ("training_health", "training_part")
    (labels,) = {sample.labels for sample in receiver.samples if not sample.name.startswith(apart)}
    assert [part.partition("=")[0] for part in labels.split(",")] == ["instance", "job", "run"]
