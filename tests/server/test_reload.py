"""A running server takes a good configuration in place of its own, and no bad one."""

from __future__ import annotations

import contextlib
import signal
import time

import httpx
import pytest

from tests.support.process import running_tocsin
from tests.support.webhook import webhook_receiver

CONFIG = """
global: {{evaluation_interval: 200ms, external_labels: {{site: {site}}}}}
collectors: {{enabled: false, interval: 200ms}}
scrape_configs: [{{job_name: {job}, scrape_interval: 200ms, static_configs: [{{targets: ["{target}"]}}]}}]
rule_files: [rules.yml]
disabled_rules: [system, tocsin]
query: {{timeout: {timeout}}}
alertmanager:
  route: {{receiver: team, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
  receivers: [{{name: team, webhook_configs: [{{url: "{hook}"}}]}}]
"""
RULES = (
    "groups: [{{name: g, interval: 200ms, rules: [{{alert: {alert}, expr: vector(1), labels: {{a: b}}}}]}}]"
)


class Scene:
    """A tocsin with a configuration that a test exchanges."""

    def __init__(self, tocsin, folder, hook):
        self.tocsin = tocsin
        self._folder = folder
        self._hook = hook

    @staticmethod
    def text(tocsin_target, hook, job="one", site="berlin", timeout="30s"):
        return CONFIG.format(site=site, job=job, target=tocsin_target, timeout=timeout, hook=hook)

    def write(self, alert="First", hook=None, **changes):
        (self._folder / "rules.yml").write_text(RULES.format(alert=alert))
        text = self.text(f"127.0.0.1:{self.tocsin.port}", hook or self._hook, **changes)
        (self._folder / "tocsin.yml").write_text(text)

    def reload(self):
        return httpx.post(f"{self.tocsin.url}/-/reload", trust_env=False, timeout=30)

    def data(self, path):
        return httpx.get(f"{self.tocsin.url}/api/v1/{path}", trust_env=False).json()["data"]

    @property
    def jobs(self):
        return {target["labels"]["job"] for target in self.data("targets")["activeTargets"]} - {"tocsin_sdk"}

    @property
    def alerts(self):
        return {alert["labels"]["alertname"] for alert in self.data("alerts")["alerts"]}

    def metric(self, name):
        text = httpx.get(f"{self.tocsin.url}/metrics", trust_env=False).text
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


@pytest.fixture
def hook():
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
def scene(tmp_path, hook):
    (tmp_path / "rules.yml").write_text(RULES.format(alert="First"))
    environment = {"TOCSIN_RUNTIME_DIR": str(tmp_path / "runtime")}
    config = Scene.text("127.0.0.1:1", hook.url)
    with running_tocsin(tmp_path, config, environment=environment) as tocsin:
        yield Scene(tocsin, tmp_path, hook.url)


def until(condition, within_s=15.0):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def alert_names(body):
    return {alert["labels"]["alertname"] for alert in body["alerts"]}


def test_jobs_rules_labels_and_receivers_are_exchanged(scene, hook):
    hook.wait_for(lambda body: alert_names(body) == {"First"}, 10)
    with webhook_receiver() as other:
        scene.write("Second", other.url, job="two", site="oslo")
        answer = scene.reload()
        assert (answer.status_code, answer.text) == (200, "")
        assert scene.jobs == {"two"}
        until(lambda: scene.alerts == {"Second"})
        other.wait_for(lambda body: "Second" in alert_names(body), 10)
        told = len(hook.arrived)
        assert "site: oslo" in scene.data("status/config")["yaml"]
        until(lambda: scene.tocsin.query('up{job="two"} == 1'))
        assert scene.tocsin.query('up{job="one"}') == [], "its series have ended"
        assert len(hook.arrived) == told, "the old receiver hears no more"


def test_nobody_hears_of_an_alert_again(scene, hook):
    hook.wait_for(lambda body: alert_names(body) == {"First"}, 10)
    told = len(hook.arrived)
    scene.write(job="two", timeout="30s")
    assert scene.reload().status_code == 200
    # Another receiver beside it changes the alerting section, and so exchanges all of it.
    config = scene.tocsin.folder / "tocsin.yml"
    config.write_text(config.read_text().replace("receivers: [", "receivers: [{name: nobody}, "))
    assert scene.reload().status_code == 200
    time.sleep(2.5)
    assert len(hook.arrived) == told


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("tocsin.yml", "global: {interval: 1s}", 'tocsin.yml:1: unknown key "interval"'),
        ("tocsin.yml", "a: [", "not valid YAML"),
        ("rules.yml", "groups: [{name: g, rules: [{record: 'x', expr: 'sum('}]}]", "rules.yml:1"),
        (
            "tocsin.yml",
            "scrape_configs: [{job_name: x, tls_config: {ca_file: none.pem}}]",
            "tls_config names a file that cannot be used",
        ),
    ],
)
def test_a_bad_configuration_changes_nothing(scene, file, text, message):
    scene.write("Second", job="two")
    (scene.tocsin.folder / file).write_text(text)
    answer = scene.reload()
    assert answer.status_code == 500
    assert message in answer.text
    assert scene.jobs == {"one"}
    until(lambda: scene.alerts == {"First"})
    assert not scene.data("status/runtimeinfo")["reloadConfigSuccess"]
    until(lambda: scene.metric("tocsin_config_last_reload_successful") == 0)
    assert "configuration not reloaded, the old one stays in force" in scene.tocsin.output()
    scene.write("Second", job="two")
    assert scene.reload().status_code == 200
    assert scene.jobs == {"two"}
    until(lambda: scene.metric("tocsin_config_last_reload_successful") == 1)


def test_what_needs_a_restart_is_named(scene):
    scene.write(timeout="10s")
    assert scene.reload().text == "needs a restart: query\n"


def test_a_hangup_reloads(scene):
    scene.write(job="two")
    scene.tocsin.process.send_signal(signal.SIGHUP)
    until(lambda: scene.jobs == {"two"})
    until(lambda: "configuration reloaded" in scene.tocsin.output())


def test_reloads_while_everything_runs_lose_no_sample(scene):
    scene.write(job="same")
    with contextlib.suppress(httpx.ReadTimeout):
        for number in range(20):
            scene.write(job="same", alert=f"Alert{number % 2}")
            assert scene.reload().status_code == 200
    until(lambda: scene.tocsin.query('up{job="same"} == 1'))
    assert scene.tocsin.query('max_over_time(up{job="same"}[1m]) < 1') == []


def test_a_foreign_page_may_not_reload(scene):
    headers = {"Origin": "http://evil.example"}
    answer = httpx.post(f"{scene.tocsin.url}/-/reload", headers=headers, trust_env=False)
    assert answer.status_code == 403
