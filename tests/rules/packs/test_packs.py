"""Every shipped alert fires when it should, and none does while all is well."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.rules.packs.exporters import (
    Drills,
    Experiment,
    Federation,
    Gpu,
    ModelServer,
    Node,
    PublishedFederation,
    Tocsin,
    Training,
)
from tests.rules.packs.scenarios import SCENARIOS
from tests.rules.packs.world import World, together
from tests.support.peers import require_peer
from tocsin.rules import shipped_rules
from tocsin.rules.testing import Options, run_file

ROOT = Path(__file__).resolve().parents[3]
UNIT = Path(__file__).parent / "unit"
SEVERITIES = {"critical", "warning", "info", "none"}
TAKEN_FROM_THE_SERIES = "{{ with $labels.severity }}{{ . }}{{ else }}info{{ end }}"

ALERTS = {
    rule.alert: (definition.file, rule)
    for definition in shipped_rules()
    for rule in definition.config.rules
    if rule.alert
}


@pytest.mark.parametrize("name", ALERTS)
async def test_it_fires_when_it_should(name):
    file, _ = ALERTS[name]
    scenario = SCENARIOS[name]
    world = World(file)
    latest_s = scenario.since_s + scenario.hold_s + scenario.slack_s + 2 * scenario.step_s
    await world.run(scenario.exporter(scenario.since_s, **scenario.trouble), latest_s, scenario.step_s)
    assert name in world.fired, world.fired
    fired_after_s = world.fired[name] - scenario.since_s
    assert scenario.hold_s <= fired_after_s <= scenario.hold_s + scenario.slack_s + scenario.step_s
    (labels, *_) = [alert.labels for alert in world.told if alert.name == name]
    assert labels["severity"] == scenario.severity
    texts = [text for alert in world.told if alert.name == name for text in alert.annotations.values()]
    assert not [text for text in texts if "<error" in text or "<no value>" in text or "  " in text], texts
    if scenario.severity != "none":
        allowed = {name, "Watchdog", *scenario.beside, *_milder(name)}
        assert set(world.fired) <= allowed


def _milder(name):
    """Alerts that say the same less seriously."""
    return {
        "DiskFull": ["LowDiskSpace"],
        "MemoryExhausted": ["HighMemoryUsage"],
        "GPUTemperatureCritical": ["GPUTemperatureHigh"],
        "InferenceSaturated": ["InferenceQueueLong"],
        "TrainingThroughputDrop": ["TrainingStalled"],
    }.get(name, [])


def test_there_is_a_scenario_for_every_alert_and_for_nothing_else():
    assert set(SCENARIOS) == set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_holds_and_severities_are_those_listed(name):
    _, rule = ALERTS[name]
    scenario = SCENARIOS[name]
    assert rule.labels["severity"] in {scenario.severity, TAKEN_FROM_THE_SERIES}
    assert scenario.hold_s * 1000 >= rule.hold_ms


async def test_an_hour_in_which_all_is_well():
    world = World()
    well = together(Node(), Gpu(), Tocsin(), Drills(), Training(), Federation(), ModelServer(), Experiment())
    await world.run(well, 3600, 15)
    assert set(world.fired) == {"Watchdog"}


async def test_an_idle_laptop_is_left_alone():
    """No GPU, no training, no clients; a small disk that is half full."""
    world = World()
    await world.run(together(Node(), Tocsin()), 1800, 30)
    assert set(world.fired) == {"Watchdog"}


async def test_the_published_names_of_federated_counters_count_too():
    world = World("shipped/federated.yml")
    await world.run(PublishedFederation(300, failures=1), 1500, 15)
    assert set(world.fired) == {"FederatedClientFailures"}


async def test_failed_requests_count_by_their_status_too():
    world = World("shipped/inference.yml")
    await world.run(ModelServer(300, errors=0.2, counts_errors=0), 900, 15)
    assert set(world.fired) == {"InferenceErrorRateHigh"}


@pytest.mark.parametrize("reasons", [0x8, 0x20, 0x40, 0x80])
async def test_every_reason_that_is_trouble_counts_as_throttling(reasons):
    world = World("shipped/gpu.yml")
    await world.run(Gpu(0, reasons=reasons), 330, 15)
    assert set(world.fired) == {"GPUThrottled"}


@pytest.mark.parametrize("reasons", [0x0, 0x1, 0x2, 0x4, 0x10, 0x100])
async def test_reasons_that_are_normal_do_not(reasons):
    world = World("shipped/gpu.yml")
    await world.run(Gpu(0, reasons=reasons), 330, 15)
    assert world.fired == {}


async def test_the_other_name_of_the_gradient_counts_too():
    world = World("shipped/training.yml")
    await world.run(Training(300, grad_norm=50), 330, 5)
    assert set(world.fired) == {"TrainingGradientExplosion"}


async def test_a_learning_rate_that_ends_with_its_run_is_left_alone():
    class Ending(Training):
        def say(self, at_s, passed_s, state):
            for name, labels, value in super().say(at_s, passed_s, state):
                yield name, labels, 1001 if name == "training_total_steps" else value

    world = World("shipped/training.yml")
    await world.run(Ending(0, lr=1e-9, pace=0.01), 1200, 15)
    assert "TrainingLearningRateFloor" not in world.fired


# The same in promtool's format, as users write it.


@pytest.mark.parametrize("path", sorted(UNIT.glob("*.yml")), ids=lambda path: path.stem)
def test_unit_tests_pass(path):
    report = run_file(path, Options())
    assert report.is_success, report.error or report.failures
    assert not report.warnings
    assert report.passed


@pytest.mark.peer
@pytest.mark.parametrize("path", sorted(UNIT.glob("*.yml")), ids=lambda path: path.stem)
def test_unit_tests_pass_in_promtool(path):
    command = [require_peer("promtool"), "test", "rules", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:3000]


def test_unit_tests_are_about_every_alert_firing_and_silent():
    fires, is_silent = set(), set()
    for path in UNIT.glob("*.yml"):
        for test in yaml.safe_load(path.read_text())["tests"]:
            for check in test.get("alert_rule_test", ()):
                (fires if check.get("exp_alerts") else is_silent).add(check["alertname"])
    assert fires == set(ALERTS)
    assert is_silent == set(ALERTS) - {"Watchdog"}


# Runbooks and documentation.


@pytest.mark.parametrize("name", ALERTS)
def test_it_says_what_why_and_where_more_is_written(name):
    file, rule = ALERTS[name]
    pack = Path(file).stem
    assert rule.labels["severity"] in {*SEVERITIES, TAKEN_FROM_THE_SERIES}
    assert {"summary", "description", "runbook"} == set(rule.annotations)
    assert rule.annotations["runbook"] == f"docs/runbooks/{pack}.md#{name.lower()}"
    page = (ROOT / "docs" / "runbooks" / f"{pack}.md").read_text()
    assert re.search(rf"^## {name}$", page, re.MULTILINE)


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs" / "runbooks").glob("*.md")), ids=lambda page: page.stem
)
def test_runbooks_are_about_what_there_is(page):
    headings = re.findall(r"^## (\w+)$", page.read_text(), re.MULTILINE)
    in_pack = [name for name, (file, _) in ALERTS.items() if Path(file).stem == page.stem]
    assert sorted(headings) == sorted(in_pack)
