"""Programs that speak to an Alertmanager speak to tocsin: amtool, and Prometheus as the sender of alerts."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time

import pytest

from tests.support.peers import require_peer
from tests.support.ports import free_port
from tests.support.process import running_tocsin
from tests.support.webhook import webhook_receiver

CONFIG = """
collectors: {{enabled: false}}
alertmanager:
  route:
    receiver: team
    group_by: [alertname]
    group_wait: 0s
    group_interval: 1s
    routes:
    - matchers: ['severity="critical"']
      receiver: pager
      mute_time_intervals: [never]
  inhibit_rules:
  - source_matchers: ['severity="critical"']
    target_matchers: ['severity="warning"']
    equal: [alertname]
  time_intervals:
  - name: never
    time_intervals: [{{years: ['1999']}}]
  receivers:
  - name: team
    webhook_configs: [{{url: '{url}'}}]
  - name: pager
"""


@pytest.fixture
def hook():
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
def tocsin(tmp_path, hook):
    with running_tocsin(tmp_path, CONFIG.format(url=hook.url)) as running:
        yield running


@pytest.fixture
def amtool(tocsin, tmp_path):
    program = require_peer("amtool")

    def call(*arguments, status=0):
        done = subprocess.run(
            [program, f"--alertmanager.url={tocsin.url}", "--no-version-check", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            env={"HOME": str(tmp_path)},
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout.strip()

    return call


def names(text):
    return sorted(alert["labels"]["alertname"] for alert in json.loads(text))


@pytest.mark.peer
def test_amtool_adds_alerts_and_silences_and_sees_why_nobody_is_told(amtool, hook):
    amtool("alert", "add", "alertname=Disk", "severity=warning", "--annotation=summary=full")
    hook.wait_for(lambda body: body["alerts"][0]["annotations"] == {"summary": "full"}, 10)
    amtool("alert", "add", "alertname=Disk", "severity=critical")
    amtool("alert", "add", "alertname=Net", "severity=warning")
    assert names(amtool("alert", "query", "-o", "json")) == ["Disk", "Net"]
    assert names(amtool("alert", "query", "-i", "-o", "json")) == ["Disk"]
    assert names(amtool("alert", "query", "-o", "json", "severity=critical")) == ["Disk"]
    assert names(amtool("alert", "query", "-o", "json", "-r", "pager")) == ["Disk"]
    silence = amtool("silence", "add", "alertname=~N.*", "-d", "1h", "-a", "me", "-c", "known")
    assert names(amtool("alert", "query", "-s", "-o", "json")) == ["Net"]
    (listed,) = json.loads(amtool("silence", "query", "-o", "json"))
    assert (listed["id"], listed["createdBy"], listed["comment"]) == (silence, "me", "known")
    assert listed["matchers"] == [{"isEqual": True, "isRegex": True, "name": "alertname", "value": "N.*"}]
    longer = amtool("silence", "update", "-d", "3h", "-o", "json", silence)
    assert silence in longer
    amtool("silence", "expire", silence)
    assert amtool("silence", "query", "-q") == ""
    amtool("silence", "expire", silence)
    assert silence in amtool("silence", "query", "--expired", "-q")


@pytest.mark.peer
def test_amtool_reads_the_configuration_and_routes_by_it(amtool):
    shown = amtool("config", "show")
    assert "mute_time_intervals" in shown
    assert "/hook" not in shown, "the path of a webhook may be a secret"
    assert amtool("config", "routes", "test", "severity=critical") == "pager"
    assert amtool("config", "routes", "test", "severity=warning") == "team"
    assert "receiver: pager" in amtool("config", "routes", "show")
    assert "disabled" in amtool("cluster", "show")


RULES = """
groups:
- name: g
  interval: 1s
  rules:
  - alert: Hot
    expr: vector(time()) < {until}
    labels: {{severity: warning}}
    annotations: {{summary: "it is hot"}}
"""


PROMETHEUS = """
global: {{evaluation_interval: 1s, external_labels: {{site: berlin}}}}
rule_files: [{folder}/rules.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]}}
"""


@contextlib.contextmanager
def prometheus(folder, alertmanager_port, rules):
    (folder / "rules.yml").write_text(rules)
    (folder / "prometheus.yml").write_text(PROMETHEUS.format(folder=folder, port=alertmanager_port))
    process = subprocess.Popen(
        [
            require_peer("prometheus"),
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/prometheus",
            f"--web.listen-address=127.0.0.1:{free_port()}",
            "--rules.alert.resend-delay=1s",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.peer
def test_prometheus_sends_its_alerts_here(tocsin, hook, tmp_path):
    folder = tmp_path / "prometheus"
    folder.mkdir()
    with prometheus(folder, tocsin.port, RULES.format(until=round(time.time()) + 12)):
        _, fired = hook.wait_for(lambda body: body["alerts"][0]["labels"]["alertname"] == "Hot", 30)
        assert fired["alerts"][0]["labels"] == {"alertname": "Hot", "severity": "warning", "site": "berlin"}
        assert fired["alerts"][0]["annotations"] == {"summary": "it is hot"}
        hook.wait_for(lambda body: body["status"] == "resolved", 40)
