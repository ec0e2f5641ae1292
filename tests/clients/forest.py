"""Routing trees by chance, side by side in one configuration, and alerts for them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from random import Random
from typing import Any

TREES = 12
ALERTS_OF_A_TREE = 12
RECEIVERS = "PQRSTU"
NAMES = ("a", "b", "c")
VALUES = ("x", "y", "xy", "")
ODD_VALUE = 'ü "quoted" \\ \n'
INTERVALS = ("always", "never")


def forest(choose: Random) -> dict[str, Any]:
    """An alertmanager.yml; each tree takes the alerts that have its number as the label ``tree``."""
    numbers = itertools.count()
    trees = [
        {**route(choose, 3, numbers), "matchers": [f'tree="{tree}"'], "continue": False}
        for tree in range(TREES)
    ]
    return {
        "time_intervals": [
            {"name": "always", "time_intervals": [{"years": ["2020:2099"]}]},
            {"name": "never", "time_intervals": [{"years": ["2001"]}]},
        ],
        "inhibit_rules": [inhibit_rule(choose, tree) for tree in range(0, TREES, 2)],
        "route": {
            "receiver": "P",
            "group_by": ["tree"],
            "group_wait": "1s",
            "group_interval": "2s",
            "repeat_interval": "1h",
            "routes": trees,
        },
        "receivers": [
            {"name": name, "webhook_configs": [{"url": f"URL/{name}", "send_resolved": name not in "TU"}]}
            for name in RECEIVERS
        ],
    }


def route(choose: Random, depth: int, numbers: Iterator[int]) -> dict[str, Any]:
    """A node, and what stands below it."""
    name, value, operator = (
        choose.choice(NAMES),
        choose.choice(VALUES),
        choose.choice(["=", "!=", "=~", "!~"]),
    )
    found: dict[str, Any] = {
        "receiver": choose.choice(RECEIVERS),
        "continue": choose.random() < 0.4,
        # Alertmanager mixes up groups of nodes whose matchers are the same, so each has one of its own.
        "matchers": [f'{name}{operator}"{value}"', f'node{next(numbers)}=""'],
    }
    if choose.random() < 0.5:
        found["group_by"] = choose.choice([["..."], ["a"], ["a", "b"], ["c", "alertname"], []])
    if choose.random() < 0.2:
        found[choose.choice(["mute_time_intervals", "active_time_intervals"])] = [choose.choice(INTERVALS)]
    if depth:
        found["routes"] = [route(choose, depth - 1, numbers) for _ in range(choose.randrange(4))]
    return found


def inhibit_rule(choose: Random, tree: int) -> dict[str, Any]:
    """Of one tree: one value of a label silences another."""
    name, other = choose.sample(NAMES, 2)
    return {
        "source_matchers": [f'tree="{tree}"', f'{name}="x"'],
        "target_matchers": [f'tree="{tree}"', f'{other}=~"y|xy"'],
        "equal": choose.choice([["tree"], [name], ["alertname", other]]),
    }


def alert_labels(choose: Random) -> list[dict[str, str]]:
    """Labels of alerts, all different."""
    found = [
        {
            "alertname": choose.choice(["Hot", "Slow"]),
            "tree": str(tree),
            **{name: value for name in NAMES if (value := choose.choice((*VALUES, ODD_VALUE)))},
        }
        for tree in range(TREES + 1)  # The last is a tree that there is not.
        for _ in range(ALERTS_OF_A_TREE)
    ]
    return [dict(pairs) for pairs in dict.fromkeys(tuple(labels.items()) for labels in found)]


def silenced_labels(choose: Random) -> list[dict[str, str]]:
    """Labels that silences name."""
    return [
        {"tree": str(tree), choose.choice(NAMES): choose.choice(VALUES[:3])} for tree in range(0, TREES, 3)
    ]
