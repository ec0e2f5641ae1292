"""Random rules, series and expectations: promtool gives the same verdict on each test."""

from __future__ import annotations

import random
import re
import subprocess

import pytest
import yaml

from tests.support.peers import require_peer
from tocsin.rules.testing import Options, run_file

LABELS = ['{job="a",x="1"}', '{job="a",x="2"}', '{job="b",x="1"}', ""]
# Ranges and intervals such that no sample lies exactly at the beginning of a range, or of the five minutes
# that an instant selector looks back: there Prometheus 2 and 3 differ. So none lies at time 0 either.
INTERVALS = ["31s", "127s"]
EXPRESSIONS = [
    "m",
    "sum by (job) (m)",
    "rate(m[4m30s])",
    "m > 2",
    "m offset 1m",
    "max_over_time(m[2m30s])",
    "rec * 2",
    "count(ALERTS) by (alertname, alertstate)",
    "ALERTS_FOR_STATE",
    "absent(m)",
    "m * on(job, x) n",
    "time()",
    "timestamp(m)",
    "last_over_time(rec[3m30s])",
    "count_over_time(m[4m30s:])",
]


def values(rng):
    words = ["_"]
    for _ in range(rng.randint(1, 6)):
        start, step, times = rng.randint(-2, 5), rng.randint(-2, 3), rng.randint(0, 6)
        words.append(
            rng.choice(
                [
                    str(start),
                    f"{start}{step:+}x{times}",
                    f"{start}x{times}",
                    "_",
                    f"_x{times}",
                    "stale",
                    "1.5e0",
                ]
            )
        )
    return " ".join(words)


def rule_file(rng):
    rules = [
        {"record": "rec", "expr": rng.choice(EXPRESSIONS[:6]), "labels": {"kind": "r"}},
        {
            "alert": "High",
            "expr": f"m > {rng.randint(0, 4)}",
            "for": rng.choice(["0s", "1m", "2m", "90s"]),
            "keep_firing_for": rng.choice(["0s", "2m"]),
            "labels": {"severity": "{{ if gt $value 3.0 }}high{{ else }}low{{ end }}"},
            "annotations": {"summary": "{{ $labels.job }}: {{ $value | humanize }}"},
        },
        {"alert": "Any", "expr": "count(rec) > 1 or vector(0) > 1"},
    ]
    rng.shuffle(rules)
    return {"groups": [{"name": "one", "rules": rules[:2]}, {"name": "two", "rules": rules[2:]}]}


def test_of(rng, name):
    times = [f"{rng.randint(0, 17)}m", f"{60 * rng.randint(0, 17)}s", "0"]
    return {
        "name": name,
        "interval": rng.choice(INTERVALS),
        "input_series": [
            {"series": f"{metric}{labels}", "values": values(rng)}
            for metric in ("m", "n")
            for labels in rng.sample(LABELS, rng.randint(1, 3))
        ],
        "alert_rule_test": [
            {"eval_time": rng.choice(times), "alertname": alert, "exp_alerts": rng.choice([[], [{}]])}
            for alert in ("High", "Any")
        ],
        "promql_expr_test": [
            {"expr": rng.choice(EXPRESSIONS), "eval_time": rng.choice(times), "exp_samples": []}
            for _ in range(3)
        ],
    }


test_of.__test__ = False


def promtool_says(promtool, folder):
    command = [promtool, "test", "rules", "tests.yml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}
    return done.stderr


def alert_of(line):
    labels, _, annotations = line.partition(" annotations ")
    pairs = dict(re.findall(r'(\w+)="([^"]*)"', labels))
    del pairs["alertname"]
    return {"exp_labels": pairs, "exp_annotations": dict(re.findall(r'(\w+)="([^"]*)"', annotations))}


def sample_of(line):
    labels, _, value = line.rpartition(" ")
    return {"labels": labels, "value": float(value)}


@pytest.mark.peer
@pytest.mark.parametrize("seed", range(4))
def test_promtool_agrees(tmp_path, seed):
    promtool = require_peer("promtool")
    rng = random.Random(seed)
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rule_file(rng)))
    tests = [test_of(rng, f"t{number}") for number in range(25)]
    document = {"rule_files": ["rules.yml"], "group_eval_order": ["one", "two"], "tests": tests}
    path = tmp_path / "tests.yml"

    path.write_text(yaml.safe_dump(document))
    first = run_file(path, Options())
    # Tests whose rules cannot be evaluated fail on both sides, and are left out of what follows.
    broken = {test.name for test in first.tests if any(failure.error for failure in test.failures)}
    for name in broken:
        alone = {**document, "tests": [test for test in tests if test["name"] == name]}
        path.write_text(yaml.safe_dump(alone))
        assert "err:" in promtool_says(promtool, tmp_path), name
    kept = [
        (test, report) for test, report in zip(tests, first.tests, strict=True) if test["name"] not in broken
    ]
    assert len(kept) > 10

    for test, report in kept:
        got = {failure.what: failure.got for failure in report.failures}
        for check in test["alert_rule_test"]:
            for what, lines in got.items():
                if what.startswith(f"alert {check['alertname']} at ") and same_time(what, check):
                    check["exp_alerts"] = [alert_of(line) for line in lines]
        for check in test["promql_expr_test"]:
            for what, lines in got.items():
                if what.startswith(f"{check['expr']} at ") and same_time(what, check):
                    check["exp_samples"] = [sample_of(line) for line in lines]
    document["tests"] = [test for test, _ in kept]
    path.write_text(yaml.safe_dump(document))
    second = run_file(path, Options())
    assert second.is_success, second.failures
    said = promtool_says(promtool, tmp_path)
    assert "FAILED" not in said, said[:3000]


def same_time(what, check):
    from tocsin.model import format_duration_ms, parse_duration_ms

    return what.rpartition(" at ")[2] == format_duration_ms(parse_duration_ms(check["eval_time"]))
