"""What our own exporters say of a machine, a GPU, tocsin, a training, a federation, an experiment and a
model server.

``trouble`` maps the parts that go wrong to values, from ``since_s`` on; before that all is well. The tests
compare names and labels with those of the real ones.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tests.rules.helpers import START_MS
from tocsin.model import METRIC_NAME, Labels
from tocsin.scrape.exposition import ExpositionParser
from tocsin.scrape.text import TextFormat

HOST = "host"


class Told(ABC):
    """An exporter whose numbers are written down here."""

    job = ""
    normal: ClassVar[Mapping[str, float]] = {}

    def __init__(self, since_s: float = 0, **trouble: float) -> None:
        assert set(trouble) <= set(self.normal), "there is no such part"
        self.since_s = since_s
        self.trouble = trouble
        self.amounts: dict[str, float] = {}
        self.last_s = 0.0

    def __call__(self, at_s: float) -> dict[Labels, float]:
        state = {**self.normal, **(self.trouble if at_s >= self.since_s else {})}
        passed_s, self.last_s = at_s - self.last_s, at_s
        return {
            Labels({METRIC_NAME: name, "job": self.job, "instance": HOST, **labels}): value
            for name, labels, value in self.say(at_s, passed_s, state)
            if not math.isnan(value) or name in self.may_be_nan
        }

    may_be_nan: frozenset[str] = frozenset()

    @abstractmethod
    def say(
        self, at_s: float, passed_s: float, state: Mapping[str, float]
    ) -> Iterator[tuple[str, dict[str, str], float]]:
        """What it says at a time: name, labels and value of each series."""

    def counted(self, name: str, amount: float) -> float:
        """A counter that grows by an amount."""
        self.amounts[name] = self.amounts.get(name, 1000.0) + amount
        return self.amounts[name]


class Node(Told):
    job = "node"
    normal: ClassVar = {
        "up": 1,
        "busy": 0.1,
        "memory_free": 0.6,
        "swap_free": 1.0,
        "disk_free": 0.5,
        "fill_rate": 0,
        "inodes_free": 0.9,
        "load": 0.4,
        "skew_s": 0,
        "packet_errors": 0,
        "oom_kills": 0,
    }
    disk_bytes = 1e12

    def say(self, at_s, passed_s, state):
        disk = {"device": "/dev/sda1", "fstype": "ext4", "mountpoint": "/"}
        filled = self.counted("filled", state["fill_rate"] * passed_s) - 1000
        yield "up", {}, state["up"]
        for cpu in "01":
            for mode, share in (("idle", 1 - state["busy"]), ("user", state["busy"])):
                total_s = self.counted(f"cpu {cpu} {mode}", share * passed_s)
                yield "node_cpu_seconds_total", {"cpu": cpu, "mode": mode}, total_s
        yield "node_memory_MemTotal_bytes", {}, 16e9
        yield "node_memory_MemAvailable_bytes", {}, 16e9 * state["memory_free"]
        yield "node_memory_SwapTotal_bytes", {}, 4e9
        yield "node_memory_SwapFree_bytes", {}, 4e9 * state["swap_free"]
        yield "node_filesystem_size_bytes", disk, self.disk_bytes
        yield "node_filesystem_avail_bytes", disk, self.disk_bytes * state["disk_free"] - filled
        yield "node_filesystem_readonly", disk, 0
        yield "node_filesystem_files", disk, 1e6
        yield "node_filesystem_files_free", disk, 1e6 * state["inodes_free"]
        yield "node_load1", {}, state["load"]
        yield "node_load5", {}, state["load"]
        yield "node_load15", {}, state["load"]
        yield "node_time_seconds", {}, START_MS / 1000 + at_s + state["skew_s"]
        yield "node_boot_time_seconds", {}, START_MS / 1000 - 3600
        for way in ("receive", "transmit"):
            link = {"device": "eth0"}
            packets, errors = 100 * passed_s, state["packet_errors"] * 100 * passed_s
            yield f"node_network_{way}_packets_total", link, self.counted(f"{way} packets", packets)
            yield f"node_network_{way}_errs_total", link, self.counted(f"{way} errors", errors)
            yield f"node_network_{way}_bytes_total", link, self.counted(f"{way} bytes", 1000 * packets)
        yield (
            "node_vmstat_oom_kill",
            {},
            self.counted("oom", state["oom_kills"] if at_s == self.since_s else 0),
        )


class Gpu(Told):
    job = "gpu"
    normal: ClassVar = {
        "util": 90,
        "used": 40_000,
        "free": 40_000,
        "celsius": 60,
        "xid": 0,
        "reasons": 4,
        "double_bit": 0,
        "single_bit": 0,
        "remap_failure": 0,
        "devices": 2,
    }
    labels: ClassVar = {
        "gpu": "0",
        "UUID": "GPU-1",
        "pci_bus_id": "00000000:18:00.0",
        "device": "nvidia0",
        "modelName": "NVIDIA H200",
        "Hostname": HOST,
        "DCGM_FI_DRIVER_VERSION": "590.48.01",
    }

    def say(self, at_s, passed_s, state):
        for name, value in {
            "GPU_UTIL": state["util"],
            "FB_USED": state["used"],
            "FB_FREE": state["free"],
            "GPU_TEMP": state["celsius"],
            "XID_ERRORS": state["xid"],
            "CLOCK_THROTTLE_REASONS": state["reasons"],
            "ECC_DBE_VOL_TOTAL": self.counted("double", state["double_bit"] * passed_s),
            "ECC_SBE_VOL_TOTAL": self.counted("single", state["single_bit"] * passed_s),
            "ROW_REMAP_FAILURE": state["remap_failure"],
            "POWER_USAGE": 400,
        }.items():
            yield f"DCGM_FI_DEV_{name}", self.labels, value
        yield "tocsin_gpu_devices", {}, state["devices"]


class Tocsin(Told):
    """``stored`` 0 leaves out the store's own series, as when nothing can be written."""

    job = "tocsin"
    normal: ClassVar = {
        "stored": 1,
        "disk_free": 1e11,
        "rejected": 0,
        "dropped": 0,
        "rule_failures": 0,
        "missed": 0,
        "unsent": 0,
        "given_up": 0,
        "collector_up": 1,
        "config": 1,
    }

    def say(self, at_s, passed_s, state):
        if state["stored"]:
            yield "tocsin_storage_series", {}, 5000
        yield "tocsin_storage_disk_free_bytes", {}, state["disk_free"]
        for name, part, labels in (
            ("tocsin_storage_rejected_samples_total", "rejected", {"reason": "max_series"}),
            ("tocsin_samples_dropped_total", "dropped", {"reason": "series_limit"}),
            ("tocsin_rule_evaluation_failures_total", "rule_failures", {"rule_group": "mine"}),
            ("tocsin_rule_group_iterations_missed_total", "missed", {"rule_group": "mine"}),
            ("tocsin_remote_write_samples_dropped_total", "given_up", {"name": "far", "reason": "too_old"}),
        ):
            yield name, labels, self.counted(name, state[part] * passed_s)
        # As in prometheus_client a series is there only from its first count on.
        if state["unsent"]:
            yield "tocsin_notifications_failed_total", {"integration": "slack", "reason": "serverError"}, 1
        yield "tocsin_collector_up", {"collector": "gpu"}, state["collector_up"]
        yield "tocsin_config_last_reload_successful", {}, state["config"]


class Drills(Told):
    """``running`` is what a drill writes while it runs; without a heartbeat there is nothing about one."""

    job = "tocsin"
    normal: ClassVar = {"running": 0, "success": 1, "heartbeat": 1}

    def say(self, at_s, passed_s, state):
        if state["running"]:
            yield "tocsin_drill", {"drill": "3f9a1c2e", "receiver": "pager", "severity": "warning"}, 1
        yield "tocsin_drill_success", {"receiver": "pager", "integration": "webhook"}, state["success"]
        yield "tocsin_heartbeat_up", {}, state["heartbeat"]


class Training(Told):
    """A run whose loss falls with a noise that repeats; a value of ``nan`` for a part leaves it out."""

    job = "training"
    normal: ClassVar = {
        "loss_factor": 1,
        "loss": math.nan,
        "lr": 1e-3,
        "status": 1,
        "pace": 2,
        "is_stepping": 1,
        "norm": 1.0,
        "grad_norm": 1.0,
        "growth": 0,
        "vanishing": 0,
        "validation_plateau": 0,
        "validating": 0,
        "behind": 1.0,
    }
    may_be_nan = frozenset({"training_loss"})

    def say(self, at_s, passed_s, state):
        run = {"run": "digits"}
        wobble = 1 + 0.03 * math.sin(at_s * 1.7) + 0.02 * math.sin(at_s * 0.31)
        base = (1 + 4 * math.exp(-at_s / 2000)) * wobble * state["loss_factor"]
        grown = self.counted("growth", state["growth"] * passed_s) - 1000
        yield "training_health", {**run, "check": "gradient_vanishing"}, state["vanishing"]
        yield "training_health", {**run, "check": "validation_plateau"}, state["validation_plateau"]
        yield "training_validating", run, state["validating"]
        for rank, pace in (("0", 1.0), ("1", state["behind"])):
            together = {"run": "parallel", "rank": rank}
            yield "training_step", together, self.counted(f"step of {rank}", pace * passed_s)
            yield "training_steps_per_second", together, pace
        if not state["is_stepping"]:
            return
        loss = base + grown
        if not math.isnan(state["loss"]):
            loss = state["loss"] * wobble if math.isfinite(state["loss"]) else math.nan
        yield "training_loss", run, loss
        yield "training_learning_rate", run, state["lr"]
        yield "training_gradient_norm", run, state["norm"] * wobble
        yield "training_grad_norm", run, state["grad_norm"] * wobble
        yield "training_step", run, self.counted("step", state["pace"] * passed_s)
        yield "training_total_steps", run, 1e6
        yield "training_steps_per_second", run, state["pace"]
        yield "training_status", run, state["status"]
        yield "training_start_time_seconds", run, START_MS / 1000 - 7200
        yield "training_steps_dropped_total", run, 0


class Exposed(ABC):
    """An exporter with a real registry of prometheus_client, rendered and parsed as in a scrape."""

    job = ""
    normal: ClassVar[Mapping[str, float]] = {}

    def __init__(self, since_s: float = 0, **trouble: float) -> None:
        assert set(trouble) <= set(self.normal), "there is no such part"
        self.registry = CollectorRegistry()
        self.since_s = since_s
        self.trouble = trouble
        self.parser = ExpositionParser(TextFormat(), self.labelled)
        self.last_s = 0.0
        self.metrics = self.define()

    def labelled(self, labels: dict[str, str]) -> Labels:
        return Labels({"job": self.job, "instance": HOST, **labels})

    def __call__(self, at_s: float) -> dict[Labels, float]:
        state = {**self.normal, **(self.trouble if at_s >= self.since_s else {})}
        passed_s, self.last_s = at_s - self.last_s, at_s
        self.change(passed_s, state, at_s)
        batch = self.parser.parse(self.text()).batch(0)
        rows = zip(batch.series_index.tolist(), batch.values.tolist(), strict=True)
        return {batch.series[index]: value for index, value in rows}

    def text(self) -> bytes:
        return prometheus_client.generate_latest(self.registry)

    @abstractmethod
    def define(self) -> dict[str, object]:
        """Its metrics by short names."""

    @abstractmethod
    def change(self, passed_s: float, state: Mapping[str, float], at_s: float) -> None:
        """Bring the metrics up to date."""


class Federation(Exposed):
    """The eleven series of federated learning."""

    job = "flower"
    normal: ClassVar = {"status": 1, "round_s": 60, "connected": 10, "selected": 10, "failures": 0.01}

    def define(self):
        gauges = {
            name: Gauge(f"fl_{name}", "text", ["strategy"], registry=self.registry)
            for name in ("round_current", "round_total", "aggregated_loss", "aggregated_accuracy")
        }
        bare = {
            name: Gauge(f"fl_{name}", "text", registry=self.registry)
            for name in ("clients_connected", "clients_selected", "clients_responded", "training_status")
        }
        counters = {
            name: Counter(f"fl_{name}", "text", registry=self.registry)
            for name in ("clients_failed", "checkpoint_saved")
        }
        duration = Histogram("fl_round_duration_seconds", "text", ["strategy"], registry=self.registry)
        return {**gauges, **bare, **counters, "round_duration_seconds": duration}

    def change(self, passed_s, state, at_s):
        metrics, of = self.metrics, {"strategy": "fedavg"}
        if state["round_s"]:
            metrics["round_current"].labels(**of).set(at_s // state["round_s"])
        metrics["round_total"].labels(**of).set(100)
        metrics["aggregated_loss"].labels(**of).set(1.0)
        metrics["aggregated_accuracy"].labels(**of).set(0.5)
        metrics["round_duration_seconds"].labels(**of).observe(60)
        metrics["clients_connected"].set(state["connected"])
        metrics["clients_selected"].set(state["selected"])
        metrics["clients_responded"].set(state["connected"])
        metrics["training_status"].set(state["status"])
        metrics["clients_failed"].inc(state["failures"] * passed_s)
        metrics["checkpoint_saved"].inc(passed_s / 60)


class PublishedFederation(Federation):
    """The same from an exporter that uses the published names to the letter: counters without ``_total``."""

    def text(self):
        return super().text().replace(b"fl_clients_failed_total", b"fl_clients_failed")


class Experiment(Told):
    """A task of NeMo-Run, which has an end when it has failed."""

    job = "nemo_run"
    normal: ClassVar = {"status": 1}

    def say(self, at_s, passed_s, state):
        task = {"title": "toy", "experiment": "toy_1", "task": "train"}
        yield "nemo_run_task_status", task, state["status"]
        if state["status"] == 3:
            yield "nemo_run_task_end_time_seconds", task, START_MS / 1000 + self.since_s


class ModelServer(Exposed):
    job = "model"
    normal: ClassVar = {
        "latency_s": 0.2,
        "errors": 0.01,
        "queue": 2,
        "wait_s": 0.02,
        "first_token_s": 0.1,
        "rate": 20,
        "counts_errors": 1,
    }

    def define(self):
        buckets = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

        def histogram(name):
            return Histogram(f"inference_{name}", "text", ["model"], registry=self.registry, buckets=buckets)

        return {
            "duration": histogram("request_duration_seconds"),
            "wait": histogram("queue_wait_seconds"),
            "first": histogram("time_to_first_token_seconds"),
            "requests": Counter("inference_requests", "text", ["model", "status"], registry=self.registry),
            "errors": Counter("inference_errors", "text", ["model", "error"], registry=self.registry),
            "queue": Gauge("inference_queue_length", "text", ["model"], registry=self.registry),
            "capacity": Gauge("inference_queue_capacity", "text", ["model"], registry=self.registry),
        }

    def change(self, passed_s, state, at_s):
        metrics = self.metrics
        failed = state["errors"] * state["rate"] * passed_s
        metrics["requests"].labels("m", "success").inc(state["rate"] * passed_s - failed)
        metrics["requests"].labels("m", "error").inc(failed)
        if state["counts_errors"]:
            metrics["errors"].labels("m", "timeout").inc(failed)
        metrics["queue"].labels("m").set(state["queue"])
        metrics["capacity"].labels("m").set(10)
        for _ in range(10 if state["rate"] and passed_s else 0):
            metrics["duration"].labels("m").observe(state["latency_s"])
            metrics["wait"].labels("m").observe(state["wait_s"])
            metrics["first"].labels("m").observe(state["first_token_s"])
