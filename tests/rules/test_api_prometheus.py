"""What Prometheus says of rules over its HTTP API, and what we say of the same ones."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from contextlib import contextmanager

import pytest

from tests.rules.helpers import START_MS, Scene, definitions, write
from tests.support.peers import require_peer
from tests.support.ports import free_port
from tocsin.rules import RuleGroup, describe_alerts, describe_groups

RULES = """
groups:
  - name: one
    interval: 1s
    limit: 5
    rules:
      - {record: two, expr: vector(2), labels: {x: y}}
      - {alert: Firing, expr: two > 1, labels: {severity: page}, annotations: {s: '{{ $value }}'}}
      - {alert: Pending, expr: two > 1, for: 1h, keep_firing_for: 5m}
      - {alert: Silent, expr: two > 5}
  - name: other
    rules:
      - {record: three, expr: vector(3)}
"""
OF_THEIR_TIME = {"lastEvaluation", "evaluationTime", "activeAt", "file", "interval"}


@contextmanager
def prometheus(program, folder):
    write(folder / "rules.yml", RULES)
    config = write(folder / "prometheus.yml", "{rule_files: [rules.yml], global: {evaluation_interval: 1s}}")
    url = f"http://127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={url[7:]}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield url
    finally:
        process.terminate()
        process.wait(20)


def asked(url, path):
    with urllib.request.urlopen(url + path, timeout=10) as answer:
        return json.load(answer)["data"]


def wait_until_evaluated(url):
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        try:
            groups = asked(url, "/api/v1/rules")["groups"]
        except OSError:
            groups = []
        if groups and all(rule["health"] != "unknown" for group in groups for rule in group["rules"]):
            return
        time.sleep(0.1)
    raise AssertionError("Prometheus has not evaluated its rules within 30 s")


def timeless(data):
    """The same without what differs from run to run."""
    if isinstance(data, dict):
        return {key: timeless(value) for key, value in data.items() if key not in OF_THEIR_TIME}
    return [timeless(item) for item in data] if isinstance(data, list) else data


def keys(data):
    """The keys of every object, by their places."""
    if isinstance(data, dict):
        return {key: keys(value) for key, value in data.items() if key != "labels"}
    return [keys(item) for item in data] if isinstance(data, list) else None


@pytest.mark.peer
async def test_rules_and_alerts_look_like_those_of_prometheus(tmp_path):
    scene = Scene()
    groups = [RuleGroup(definition, scene.surroundings) for definition in definitions(RULES)]
    for number in range(2):
        for group in groups:
            await group.evaluate(START_MS + number * 1000)
    with prometheus(require_peer("prometheus"), tmp_path) as url:
        wait_until_evaluated(url)
        for path, options in {
            "": {},
            "?type=alert": {"kind": "alert"},
            "?type=record": {"kind": "record"},
        }.items():
            theirs = asked(url, f"/api/v1/rules{path}")
            # Prometheus 2 keeps groups none of whose rules has the type; 3 leaves them out.
            theirs["groups"] = [group for group in theirs["groups"] if group["rules"]]
            ours = describe_groups(groups, **options)
            assert keys(ours) == keys(theirs), path
            assert timeless(ours) == _normal(timeless(theirs), ours), path
        theirs = asked(url, "/api/v1/alerts")
        assert _by_name(timeless(describe_alerts(groups))) == _by_name(timeless(theirs))


def _by_name(data):
    return sorted(data["alerts"], key=lambda alert: alert["labels"]["alertname"])


def _normal(theirs, ours):
    """Expressions as the file has them: Prometheus writes them anew."""
    for group, other in zip(theirs["groups"], timeless(ours)["groups"], strict=True):
        for rule, same in zip(group["rules"], other["rules"], strict=True):
            assert rule["query"].replace(" ", "").replace("()", "") == same["query"].replace(" ", "").replace(
                "()", ""
            )
            rule["query"] = same["query"]
    return theirs
