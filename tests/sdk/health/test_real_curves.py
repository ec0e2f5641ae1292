"""Spikes and plateaus of real trainings; prints the false alarms of each run (``pytest -s``)."""

from __future__ import annotations

import csv
import json
from statistics import median

import pytest

from tests.sdk.health.members import starts
from tests.support.cases import cases_dir
from tocsin.sdk.health import Divergence, Plateau, Spike, ThroughputDrop

MOST_FALSE_PER_1000_STEPS = 1.0
SCORES = ("lambada_acc", "piqa_acc", "arc_easy_acc")


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def losses():
    folder = cases_dir("training_curves")
    spikes = json.loads((folder / "spikes.json").read_text())["runs"]
    for name, about in spikes.items():
        yield name, rows(folder / "loss" / name), [spike["step"] for spike in about["spikes"]]


def is_spike_by_the_rule(values, step):
    """The rule that spikes.json states: 12 robust deviations and 1.0 above the median of 100 steps."""
    before, value = values[step - 101 : step - 1], values[step - 1]
    centre = median(before)
    deviation = 1.4826 * median(abs(each - centre) for each in before)
    return value - centre > max(1.0, 12 * deviation)


def test_spikes_are_found_at_their_steps_and_hardly_elsewhere():
    for name, curve, listed in losses():
        values, detector = [float(row["loss"]) for row in curve], Spike()
        found = starts([detector.observe(step, value) for step, value in enumerate(values, 1)])
        unlisted = [step for step in found if step not in listed]
        false = [step for step in unlisted if not is_spike_by_the_rule(values, step)]
        print(f"{name}: listed {listed}, found {found}, not listed {unlisted}, false by the rule {false}")
        assert set(listed) <= set(found)
        assert len(false) <= MOST_FALSE_PER_1000_STEPS * len(values) / 1000


@pytest.mark.parametrize("kind", [Divergence, Plateau])
def test_a_loss_that_falls_neither_diverges_nor_stands_still(kind):
    for name, curve, _ in losses():
        detector = kind()
        found = starts([detector.observe(step, float(row["loss"])) for step, row in enumerate(curve, 1)])
        print(f"{name}: {kind.check} {found}")
        assert not found


def test_steps_that_take_as_long_as_ever_are_no_drop():
    for name, curve, _ in losses():
        detector = ThroughputDrop()
        durations_s = [float(row["step_ms"]) / 1000 for row in curve if row["step_ms"]]
        found = starts([detector.observe(step, each) for step, each in enumerate(durations_s)])
        print(f"{name}: throughput_drop {found}")
        assert not found


def test_plateaus_of_scores_are_found_late():
    for path in sorted((cases_dir("training_curves") / "plateau").iterdir()):
        curve = rows(path)
        for score in SCORES:
            detector = Plateau(is_score=True)
            steps = [int(row["step"]) for row in curve]
            found = [
                detector.observe(step, float(row[score])) for step, row in zip(steps, curve, strict=True)
            ]
            flat = [step for step, finding in zip(steps, found, strict=True) if finding]
            print(f"{path.name} {score}: plateau at {flat}")
            assert flat
            assert flat[0] > steps[-1] / 2
