"""Every shipped alert fires on data that call for it, and none on healthy data."""

from __future__ import annotations

import csv
import json
import math
import random
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.rules.helpers import START_MS, Scene, series
from tests.support.cases import cases_dir
from tocsin.config import parse_source
from tocsin.model import SampleBatch
from tocsin.rules import AlertingRule, RuleGroup, shipped_rules
from tocsin.rules.files import compile_rules
from tocsin.rules.packs import SHIPPED

DOC = Path(__file__).resolve().parents[2] / "docs" / "rules.md"

NODE = 'job="node",instance="host"'
GPU = 'job="gpu",instance="host",gpu="0",UUID="GPU-1",modelName="H200"'
DISK = f'{NODE},device="/dev/sda1",fstype="ext4",mountpoint="/"'
RUN = 'job="training",instance="host",run="digits"'


class Machine(Scene):
    """A store that shipped rules watch, in a clock of seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.groups = {
            definition.config.name: RuleGroup(definition, self.surroundings) for definition in shipped_rules()
        }
        self.fired: dict[str, float] = {}

    def rows(self, samples: Iterable[tuple[str, float, float]]) -> None:
        """Store (series, seconds, value)."""
        self.store.append_batch(
            SampleBatch.from_samples(
                (series(text), START_MS + round(at_s * 1000), value) for text, at_s, value in samples
            )
        )

    async def evaluate(self, at_s: float, *names: str) -> None:
        """Evaluate groups, those of the short names first, and note which alerts fire since when."""
        for name in names:
            group = self.groups[name]
            await group.evaluate(START_MS + round(at_s * 1000))
            for rule in group.rules:
                assert not rule.status.last_error, (rule.name, rule.status.last_error)
        for alert in self.told:
            self.fired.setdefault(alert.name, (alert.starts_at_ms - START_MS) / 1000)


MACHINE_GROUPS = ("short_names_system", "short_names_gpu", "system", "gpu")


def machine_at(
    at_s: float, *, up: float = 1, busy: float = 0.3, disk_free: float = 0.5, celsius: float = 60
) -> dict[str, float]:
    """What the collectors would say of a machine at a time."""
    return {
        f"up{{{NODE}}}": up,
        f'node_cpu_seconds_total{{{NODE},cpu="0",mode="idle"}}': (1 - busy) * at_s,
        f'node_cpu_seconds_total{{{NODE},cpu="0",mode="user"}}': busy * at_s,
        f'node_cpu_seconds_total{{{NODE},cpu="1",mode="idle"}}': (1 - busy) * at_s,
        f'node_cpu_seconds_total{{{NODE},cpu="1",mode="user"}}': busy * at_s,
        f"node_memory_MemTotal_bytes{{{NODE}}}": 16e9,
        f"node_memory_MemAvailable_bytes{{{NODE}}}": 12e9,
        f"node_memory_SwapTotal_bytes{{{NODE}}}": 4e9,
        f"node_memory_SwapFree_bytes{{{NODE}}}": 3e9,
        f"node_filesystem_size_bytes{{{DISK}}}": 1e12,
        f"node_filesystem_avail_bytes{{{DISK}}}": disk_free * 1e12,
        f"node_filesystem_readonly{{{DISK}}}": 0,
        f'node_filesystem_size_bytes{{{NODE},device="/dev/sr0",fstype="udf",mountpoint="/cd"}}': 1e9,
        f'node_filesystem_avail_bytes{{{NODE},device="/dev/sr0",fstype="udf",mountpoint="/cd"}}': 0,
        f'node_filesystem_readonly{{{NODE},device="/dev/sr0",fstype="udf",mountpoint="/cd"}}': 1,
        f'node_filesystem_size_bytes{{{NODE},device="tmpfs",fstype="tmpfs",mountpoint="/run"}}': 1e9,
        f'node_filesystem_avail_bytes{{{NODE},device="tmpfs",fstype="tmpfs",mountpoint="/run"}}': 0,
        f'node_disk_read_bytes_total{{{NODE},device="sda"}}': 1000 * at_s,
        f'node_disk_written_bytes_total{{{NODE},device="sda"}}': 2000 * at_s,
        f'node_network_receive_bytes_total{{{NODE},device="eth0"}}': 300 * at_s,
        f'node_network_transmit_bytes_total{{{NODE},device="eth0"}}': 400 * at_s,
        f'node_network_transmit_bytes_total{{{NODE},device="lo"}}': 400 * at_s,
        f"node_load1{{{NODE}}}": 1.0,
        f"node_load5{{{NODE}}}": 2.0,
        f"node_load15{{{NODE}}}": 3.0,
        f"node_time_seconds{{{NODE}}}": START_MS / 1000 + at_s,
        f"node_boot_time_seconds{{{NODE}}}": START_MS / 1000 - 1000,
        f"DCGM_FI_DEV_GPU_UTIL{{{GPU}}}": 90,
        f"DCGM_FI_DEV_FB_USED{{{GPU}}}": 3000,
        f"DCGM_FI_DEV_FB_FREE{{{GPU}}}": 1000,
        f"DCGM_FI_DEV_POWER_USAGE{{{GPU}}}": 400,
        f"DCGM_FI_DEV_GPU_TEMP{{{GPU}}}": celsius,
    }


async def watch(duration_s: int, step_s: int = 15, **state: float) -> Machine:
    machine = Machine()
    for at_s in range(0, duration_s + 1, step_s):
        machine.rows((text, at_s, value) for text, value in machine_at(at_s, **state).items())
        await machine.evaluate(at_s, *MACHINE_GROUPS)
    return machine


async def test_short_names_say_what_they_should():
    machine = await watch(180)
    now_ms = START_MS + 180_000
    expected = {
        "cpu_usage_percent": 30.0,
        "memory_usage": 0.25,
        "memory_usage_percent": 25.0,
        "swap_usage_percent": 25.0,
        "disk_free_percent": 50.0,
        "disk_usage_percent": 50.0,
        "disk_read_bytes_per_second": 1000.0,
        "disk_written_bytes_per_second": 2000.0,
        "network_receive_bytes_per_second": 300.0,
        "network_transmit_bytes_per_second": 400.0,
        "load_average_1m": 1.0,
        "load_average_5m": 2.0,
        "load_average_15m": 3.0,
        "system_uptime_seconds": 1180.0,
        "gpu_utilization": 90.0,
        "gpu_memory_used_bytes": 3000 * 2**20,
        "gpu_memory_used_percent": 75.0,
        "gpu_power_watts": 400.0,
        "nvidia_gpu_temperature_celsius": 60.0,
    }
    recorded = {
        rule.name
        for group in machine.groups.values()
        for rule in group.rules
        if not isinstance(rule, AlertingRule) and group.name.startswith("short_names")
    }
    assert recorded == set(expected)
    for name, value in expected.items():
        ((labels, found),) = machine.engine.instant(name, now_ms).samples()
        assert found == pytest.approx(value), name
        assert labels["instance"] == "host"
    ((disk, _),) = machine.engine.instant("disk_free_percent", now_ms).samples()
    assert (disk["job"], disk["mountpoint"], disk["device"]) == ("node", "/", "/dev/sda1")


async def test_a_healthy_machine_is_left_alone():
    machine = await watch(900)
    assert machine.fired == {}


@pytest.mark.parametrize(
    ("state", "name", "hold_s", "severity"),
    [
        ({"up": 0}, "SystemDown", 60, "critical"),
        ({"busy": 0.9}, "HighCPUUsage", 600, "warning"),
        ({"disk_free": 0.1}, "LowDiskSpace", 300, "warning"),
        ({"celsius": 90}, "GPUTemperatureHigh", 300, "warning"),
    ],
)
async def test_a_machine_in_trouble_is_told_of(state, name, hold_s, severity):
    machine = await watch(hold_s + 30, **state)
    assert list(machine.fired) == [name]
    # The CPU rate needs a second sample before there is a value at all.
    assert hold_s <= machine.fired[name] <= hold_s + 15
    (alert,) = {alert.labels: alert for alert in machine.told}.values()
    assert alert.labels["severity"] == severity
    assert alert.labels["instance"] == "host"
    assert "host" in alert.annotations["summary"] + alert.annotations["description"]


async def test_what_is_exactly_at_the_limit_is_left_alone():
    machine = await watch(630, busy=0.8, disk_free=0.2, celsius=85)
    assert set(machine.fired) <= {"HighCPUUsage"}, "80 % busy cannot be written exactly in binary"


# Training.

Loss = Callable[[int], float]


async def train(
    losses: list[float],
    step_s: float,
    *,
    stop_s: float | None = None,
    status: float = 1,
    end_status: float | None = None,
) -> Machine:
    """Let a run report each step; evaluates each second until ``stop_s``, or until the steps are over."""
    machine = Machine()
    end_s = len(losses) * step_s
    last_s = math.ceil(end_s if stop_s is None else stop_s)
    step = 0
    for at_s in range(1, last_s + 1):
        rows = []
        while step < len(losses) and (step + 1) * step_s <= at_s:
            time_s = (step + 1) * step_s
            rows += [
                (f"training_loss{{{RUN}}}", time_s, losses[step]),
                (f"training_step{{{RUN}}}", time_s, step + 1.0),
                (f"training_status{{{RUN}}}", time_s, status),
            ]
            step += 1
        if end_status is not None and step == len(losses) and at_s - 1 < end_s <= at_s:
            rows.append((f"training_status{{{RUN}}}", at_s, end_status))
        if rows:
            machine.rows(rows)
        await machine.evaluate(at_s, "training")
    return machine


def healthy(steps: int, seed: int = 1, level: float = 1.0) -> list[float]:
    """A loss that falls from 10 and then wanders, with noise of a twentieth."""
    rng = random.Random(seed)
    return [(level + 9 * math.exp(-step / 40)) * rng.gauss(1, 0.05) for step in range(steps)]


@pytest.mark.parametrize("step_s", [0.05, 0.5, 5.0])
async def test_a_healthy_run_is_left_alone(step_s):
    machine = await train(healthy(min(1200, round(300 / step_s))), step_s, end_status=2)
    assert machine.fired == {}


@pytest.mark.parametrize("step_s", [0.1, 1.0])
async def test_a_spike_is_told_within_seconds(step_s):
    losses = healthy(round(max(60 / step_s, 200)))
    spike_s = len(losses) * step_s
    machine = await train([*losses, 3.0, 5.0, 4.0], step_s)
    assert list(machine.fired) == ["TrainingLossSpike"]
    assert machine.fired["TrainingLossSpike"] - spike_s <= 2 + step_s


async def test_the_first_steps_are_not_compared_with_anything():
    machine = await train([1.0] * 5 + [50.0] + [1.0] * 20, 0.5)
    assert machine.fired == {}


async def test_a_run_that_begins_anew_is_not_compared_with_what_it_was():
    machine = Machine()
    losses = [0.1] * 60 + [2.5 - 0.05 * step for step in range(45)]
    for at_s, loss in enumerate(losses, start=1):
        start_s = 0 if at_s <= 60 else 60
        machine.rows(
            [
                (f"training_loss{{{RUN}}}", at_s, loss),
                (f"training_start_time_seconds{{{RUN}}}", at_s, start_s),
            ]
        )
        await machine.evaluate(at_s, "training")
    assert machine.fired == {}


async def test_a_negative_loss_is_compared_too():
    losses = [-5 + random.Random(step).gauss(0, 0.05) for step in range(200)]
    assert (await train(losses, 0.5)).fired == {}
    assert list((await train([*losses, -1.0], 0.5)).fired) == ["TrainingLossSpike"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
async def test_a_loss_that_is_no_number_is_told_even_when_it_comes_back(bad):
    losses = healthy(100)
    machine = await train([*losses, bad, *losses[-40:]], 0.1)
    assert list(machine.fired) == ["TrainingLossNotFinite"]
    assert machine.fired["TrainingLossNotFinite"] <= 12


async def test_a_failed_run_is_told():
    machine = await train(healthy(20), 1, end_status=3, stop_s=25)
    assert machine.fired == {"TrainingFailed": 20}


async def test_a_run_that_takes_no_more_steps_is_told():
    machine = await train(healthy(60), 1, stop_s=500)
    assert list(machine.fired) == ["TrainingStalled"]
    assert 60 + 300 + 60 <= machine.fired["TrainingStalled"] <= 60 + 300 + 60 + 5


async def test_a_run_that_is_complete_has_not_stalled():
    assert (await train(healthy(60), 1, stop_s=500, end_status=2)).fired == {}


@pytest.mark.parametrize("name", ["castbf16", "flexattention", "windowwarmup"])
async def test_real_curves(name):
    """Spikes that are known fire; beside them only those steps do at which the same data hurt other runs."""
    folder = cases_dir("training_curves")
    with (folder / "loss" / f"{name}.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)][:1500]
    known = {
        spike["step"]
        for spike in json.loads((folder / "spikes.json").read_text())["runs"][f"{name}.csv"]["spikes"]
    }
    step_s = 0.15
    machine = Machine()
    machine.rows((f"training_loss{{{RUN}}}", (step + 1) * step_s, loss) for step, loss in enumerate(losses))
    seen: set[int] = set()
    for at_s in range(1, round(len(losses) * step_s) + 1):
        await machine.evaluate(at_s, "training")
        spikes = machine.groups["training"].alerting_rules[1].active.values()
        if any(spike.state.value == "firing" and spike.keep_firing_since_ms is None for spike in spikes):
            newest = [step for step in range(len(losses)) if at_s - 10 < (step + 1) * step_s <= at_s]
            seen.add(1 + max(newest, key=losses.__getitem__))
    assert known <= seen <= known | {918, 919, 946, 947}


# Files and documentation.


def test_groups_and_names_are_unique_over_all_files():
    groups = shipped_rules()
    # Series of several servers come under one name, and differ in the labels of their groups.
    names = [
        rule.alert or (rule.record, *group.config.labels.items())
        for group in groups
        for rule in group.config.rules
    ]
    assert len(set(names)) == len(names)
    assert len({group.config.name for group in groups}) == len(groups)


def test_every_shipped_alert_says_what_and_what_to_do():
    for group in shipped_rules():
        for rule in group.config.rules:
            if rule.alert:
                assert {"summary", "description"} <= set(rule.annotations), rule.alert
                severity = rule.labels["severity"]
                allowed = {"critical", "warning", "info", "none"}
                assert severity in allowed or "$labels.severity" in severity, rule.alert


@pytest.mark.parametrize(
    ("name", "expression", "hold_ms"),
    [
        ("SystemDown", "up == 0", 60_000),
        ("GPUTemperatureHigh", "nvidia_gpu_temperature_celsius > 85", 300_000),
        ("HighCPUUsage", "cpu_usage_percent > 80", 600_000),
        ("LowDiskSpace", "disk_free_percent < 20", 300_000),
    ],
)
def test_expressions_that_others_rely_on(name, expression, hold_ms):
    (rule,) = [rule for group in shipped_rules() for rule in group.config.rules if rule.alert == name]
    assert (rule.expr, rule.hold_ms) == (expression, hold_ms)


def test_files_are_valid_on_their_own():
    for file in SHIPPED.iterdir():
        if file.name.endswith(".yml"):
            assert compile_rules(parse_source(file.read_text("utf-8"), file.name))


def test_the_documentation_lists_exactly_the_shipped_rules():
    packs = DOC.read_text().partition("## Packs")[2]
    listed = set(re.findall(r"^\| `([^`]+)` \|", packs, re.MULTILINE))
    assert listed == {rule.alert or rule.record for group in shipped_rules() for rule in group.config.rules}
