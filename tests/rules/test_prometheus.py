"""Rules over random series: Prometheus is asked whether what ours wrote is what it would write."""

from __future__ import annotations

import asyncio
import random
import subprocess

import pytest
import yaml

from tests.rules.helpers import START_MS, Scene, series
from tests.support.peers import require_peer
from tocsin.config import parse_source
from tocsin.model import STALE_NAN, SampleBatch
from tocsin.rules import RuleGroup, compile_rules

RULES = """
groups:
  - name: g
    interval: 1m
    rules:
      - record: total
        expr: sum by (job) (m)
        labels: {kind: sum}
      - alert: Now
        expr: m > 1
        labels: {severity: '{{ if gt $value 2.0 }}high{{ else }}low{{ end }}'}
      - alert: Later
        expr: m > 1
        for: 2m
      - alert: Sticky
        expr: total > 2
        for: 1m
        keep_firing_for: 3m
      - alert: All
        expr: count(ALERTS{alertstate="firing"}) > 4
"""
MINUTES = 40
NAMES = [f'm{{instance="{number}",job="{"ab"[number % 2]}"}}' for number in range(5)]
QUERIES = ["ALERTS", "ALERTS_FOR_STATE", "total"]


def random_values(seed):
    """For each series one value a minute, or None where it has none."""
    rng = random.Random(seed)
    values = {}
    for name in NAMES:
        states, row = rng.choices([0.5, 1.5, 3.0, None], k=MINUTES), []
        for minute in range(MINUTES):
            row.append(row[-1] if row and rng.random() < 0.6 else states[minute])
        values[name] = row
    return values


async def evaluated(values):
    """What the queries answer at each minute after evaluating the group."""
    scene = Scene()
    (definition,) = compile_rules(parse_source(RULES, "rules.yml"))
    group = RuleGroup(definition, scene.surroundings)
    answers = []
    for minute in range(MINUTES):
        at_ms = START_MS + minute * 60_000
        present = {series(name): row[minute] for name, row in values.items()}
        batch = {labels: STALE_NAN if value is None else value for labels, value in present.items()}
        scene.store.append_batch(SampleBatch.at(at_ms, batch))
        await group.evaluate(at_ms)
        assert not [rule.status.last_error for rule in group.rules if rule.status.last_error]
        answers.append({query: scene.engine.instant(query, at_ms).samples() for query in QUERIES})
    return answers


def promtool_test(values, answers):
    written = {
        name: " ".join("stale" if value is None else str(value) for value in row)
        for name, row in values.items()
    }
    expectations = [
        {
            "expr": query,
            "eval_time": f"{minute}m",
            "exp_samples": [
                {
                    "labels": str(labels),
                    "value": value - (START_MS // 1000 if query == "ALERTS_FOR_STATE" else 0),
                }
                for labels, value in samples
            ],
        }
        for minute, answer in enumerate(answers)
        for query, samples in answer.items()
    ]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": text} for name, text in written.items()],
        "promql_expr_test": expectations,
    }
    return {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}


@pytest.mark.peer
@pytest.mark.parametrize("seed", range(3))
def test_prometheus_writes_the_same(tmp_path, seed):
    promtool = require_peer("promtool")
    values = random_values(seed)
    answers = asyncio.run(evaluated(values))
    samples = [sample for answer in answers for query in answer for sample in answer[query]]
    names = {labels.get("alertname", labels.metric_name) for labels, _ in samples}
    assert names == {"total", "Now", "Later", "Sticky", "All"}
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "test.yml").write_text(yaml.safe_dump(promtool_test(values, answers)))
    command = [promtool, "test", "rules", "test.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[:4000]
