"""Timed scenarios from outside."""

from __future__ import annotations

import json

import pytest

from tests.alerts.scenario import START_MS, Scenario
from tests.support.cases import CASES

FILES = sorted((CASES / "alertmanager" / "scenarios").glob("*.json"))


@pytest.mark.parametrize("file", FILES or [None], ids=lambda file: file.stem if file else "none")
async def test_outside_scenario(file):
    if file is None:
        pytest.skip("outside cases are not here: alertmanager")
    case = json.loads(file.read_text())
    scenario = Scenario(case)
    await scenario.play()
    for name, windows in case["want"].items():
        told = scenario.channels[name].told
        for window in windows:
            within = [alerts for at_s, alerts in told if window["from"] <= at_s <= window["to"]]
            wanted = by_labels(expected(alert) for alert in window["alerts"])
            tolerance_s = case["tolerance"]
            if wanted:
                assert any(agree(by_labels(map(shown, alerts)), wanted, tolerance_s) for alerts in within)
            else:
                assert within == []
        assert sum(len(alerts) for _, alerts in told) == sum(len(window["alerts"]) for window in windows)


def expected(alert):
    return alert["labels"], alert.get("annotations", {}), alert.get("starts"), alert.get("ends")


def shown(alert):
    starts_s, ends_s = ((ms - START_MS) / 1000 if ms is not None else None for ms in times(alert))
    return dict(alert.labels), dict(alert.annotations), starts_s, ends_s


def times(alert):
    return alert.starts_at_ms, alert.ends_at_ms


def by_labels(alerts):
    return sorted(alerts, key=lambda alert: sorted(alert[0].items()))


def agree(told, wanted, tolerance_s):
    return len(told) == len(wanted) and all(map(lambda a, b: same(a, b, tolerance_s), told, wanted))


def same(told, wanted, tolerance_s):
    if told[:2] != wanted[:2]:
        return False
    pairs = zip(told[2:], wanted[2:], strict=True)
    # A time that is not given may be any, but an end that is not given means that it fires.
    starts, ends = pairs
    return (
        close(*starts, tolerance_s) and (ends[0] is None) == (ends[1] is None) and close(*ends, tolerance_s)
    )


def close(told_s, wanted_s, tolerance_s):
    return wanted_s is None or abs(told_s - wanted_s) <= tolerance_s
