"""The rules of the thresholds over what collectors, the SDK and model servers write."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.rules.helpers import START_MS, Scene
from tests.support.short import groups, load
from tocsin.rules import RuleGroup, shipped_rules

RUN = '{instance="a",job="training",run="r"}'
STEP_S = 10
SHORT_NAMES = [each for each in shipped_rules() if each.config.name.startswith("short_names")]


class Watch(Scene):
    """The short names, and the rules of some thresholds."""

    def __init__(self, folder, thresholds):
        super().__init__()
        definitions = list(groups(load(folder, f"monitoring: {{thresholds: {thresholds}}}")).values())
        if any("memory" in each.config.rules[0].expr for each in definitions):
            definitions = [*SHORT_NAMES, *definitions]
        self.groups = [RuleGroup(definition, self.surroundings) for definition in definitions]

    async def run(self, *rows, step_s=STEP_S):
        """Store a row of samples at each step and evaluate; returns the alerts that fire after each."""
        fired = []
        for number, row in enumerate(rows):
            at_ms = START_MS + round(number * step_s * 1000)
            self.store.put(at_ms, row)
            for group in self.groups:
                await group.evaluate(at_ms)
                assert not [rule.status.last_error for rule in group.rules if rule.status.last_error]
            fired.append(self.firing(at_ms))
        return fired

    def firing(self, at_ms):
        values = self.engine.instant('ALERTS{alertstate="firing"}', at_ms).samples()
        return {(labels["alertname"], labels["severity"]) for labels, _ in values}


def memory(used):
    return {
        'node_memory_MemTotal_bytes{instance="a"}': 1000.0,
        'node_memory_MemAvailable_bytes{instance="a"}': 1000.0 * (1 - used),
    }


async def test_memory(tmp_path):
    watch = Watch(tmp_path, "{memory: {warning: 0.8, critical: 0.95}}")
    fired = await watch.run(*map(memory, (0.5, 0.79, 0.85, 0.96)))
    warning, critical = ("MemoryAboveThreshold", "warning"), ("MemoryAboveThreshold", "critical")
    assert fired == [set(), set(), {warning}, {warning, critical}]


def gpu(busy, used):
    labels = '{gpu="0",instance="a"}'
    return {
        f"DCGM_FI_DEV_GPU_UTIL{labels}": 100.0 * busy,
        f"DCGM_FI_DEV_FB_USED{labels}": 80_000.0 * used,
        f"DCGM_FI_DEV_FB_FREE{labels}": 80_000.0 * (1 - used),
    }


async def test_a_gpu_is_idle_only_while_it_is_held(tmp_path):
    thresholds = "{gpu: {utilization_min: 0.1}}"
    idle = ("GPUUtilizationBelowThreshold", "warning")
    steps = 8 * 60 // STEP_S
    assert idle in (await Watch(tmp_path, thresholds).run(*[gpu(0.02, 0.5)] * steps))[-1]
    assert idle not in (await Watch(tmp_path, thresholds).run(*[gpu(0.02, 0)] * steps))[-1]
    assert idle not in (await Watch(tmp_path, thresholds).run(*[gpu(0.2, 0.5)] * steps))[-1]


async def test_gpu_memory(tmp_path):
    watch = Watch(tmp_path, "{gpu: {memory_max: 0.95}}")
    assert await watch.run(gpu(1, 0.9), gpu(1, 0.96)) == [set(), {("GPUMemoryAboveThreshold", "warning")}]


async def test_bounds_of_a_training(tmp_path):
    watch = Watch(tmp_path, "{training: {validation_loss_max: 5.0, learning_rate_min: 1e-7}}")
    good = {f"training_learning_rate{RUN}": 1e-3, f"training_validation_loss{RUN}": 4.0}
    bad = {f"training_learning_rate{RUN}": 1e-8, f"training_validation_loss{RUN}": 6.0}
    fired = await watch.run(good, bad, *[{f"training_learning_rate{RUN}": 1e-8}] * 6)
    loss, rate = ("ValidationLossAboveThreshold", "warning"), ("LearningRateBelowThreshold", "warning")
    assert fired == [set(), *[{loss}] * 6, {loss, rate}]


async def test_a_run_that_has_ended_is_not_judged(tmp_path):
    watch = Watch(tmp_path, "{training: {validation_loss_max: 5.0, loss_plateau_patience: 1}}")
    running = {f"training_status{RUN}": 1.0, f"training_validation_loss{RUN}": 6.0}
    fired = await watch.run(running, running, {f"training_status{RUN}": 2.0}, *[{}] * 60)
    assert ("ValidationLossAboveThreshold", "warning") in fired[1]
    assert ("ValidationLossPlateau", "warning") in fired[1]
    assert fired[-1] == set()


def seen_without_improvement(losses):
    """The oracle: after each evaluation, how many have passed since the best one first came."""
    best = None
    for number, loss in enumerate(losses):
        if best is None or loss < losses[best]:
            best = number
        yield number - best


@settings(max_examples=20)
@given(st.lists(st.sampled_from([0.1, 0.2, 0.5, 1.0, 3.0]), min_size=1, max_size=12), st.integers(1, 5))
@example([1.0, 0.5, 0.6, 0.5, 0.4, 0.4, 0.4], 2)
def test_a_plateau_is_so_many_evaluations_without_a_better_one(tmp_path_factory, losses, patience):
    watch = Watch(tmp_path_factory.mktemp("plateau"), f"{{training: {{loss_plateau_patience: {patience}}}}}")
    for group in watch.groups:
        for rule in group.alerting_rules:
            rule.keep_firing_ms = 0
    rows = [[{f"training_validation_loss{RUN}": loss}, {}] for loss in losses]
    fired = asyncio.run(watch.run(*itertools.chain.from_iterable(rows)))
    expected = [count >= patience for count in seen_without_improvement(losses)]
    assert [bool(alerts) for alerts in fired[1::2]] == expected


async def test_patience_begins_anew_with_a_new_run_of_the_same_name(tmp_path):
    watch = Watch(tmp_path, "{training: {loss_plateau_patience: 3}}")
    loss, start = f"training_validation_loss{RUN}", f"training_start_time_seconds{RUN}"
    first = [{loss: value, start: 1.0} for value in (0.1, 0.2, 0.3)]
    second = [{loss: value, start: 2.0} for value in (0.9, 0.8, 0.7)]
    fired = await watch.run(*first, *second)
    assert fired == [set()] * 6


def requests(fast, slow, slower):
    """Counts of requests under 1 s, under 30 s and above."""
    labels = 'instance="a",job="serve",status="ok"'
    name = "inference_request_duration_seconds"
    counts = {"1": fast, "30": fast + slow, "+Inf": fast + slow + slower}
    return {
        **{f'{name}_bucket{{{labels},le="{bound}"}}': float(count) for bound, count in counts.items()},
        f"{name}_count{{{labels}}}": float(fast + slow + slower),
    }


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((100, 0, 0), set()),
        ((100, 10, 0), {("InferenceLatencyAboveThreshold", "warning")}),
        ((10_000, 0, 1), {("InferenceTimeouts", "warning")}),
    ],
)
async def test_requests_that_take_long(tmp_path, counts, expected):
    watch = Watch(tmp_path, "{inference: {latency_max: 1.0, timeout: 30}}")
    rows = [requests(*(number * count for count in counts)) for number in range(12)]
    assert (await watch.run(*rows))[-1] == expected


async def test_a_long_queue(tmp_path):
    watch = Watch(tmp_path, "{inference: {batch_queue_max: 100}}")
    fired = await watch.run({"inference_queue_length": 100.0}, {"inference_queue_length": 101.0})
    assert fired == [set(), {("InferenceQueueAboveThreshold", "warning")}]
