"""From a pushed sample, by a short form, to a webhook."""

from __future__ import annotations

import httpx
import pytest

from tests.support.process import running_tocsin
from tests.support.webhook import webhook_receiver

CONFIG = """
alerts:
  channels:
    webhook: {url: ${HOOK_URL}}
  rules:
    loaded: {condition: "pushed_load > 0.9", severity: critical, message: "{{ $labels.instance }}!"}
"""
MORE = """    deep: {condition: "pushed_queue > 5", channels: []}
    long: {condition: "pushed_queue > 5", severity: high}
"""
WAIT_S = 30.0


@pytest.fixture
def hook():
    with webhook_receiver() as receiver:
        yield receiver


def push(tocsin, text):
    answer = httpx.post(f"{tocsin.url}/api/v1/import/prometheus", content=text, trust_env=False)
    assert answer.status_code == 204, answer.text


def names(body):
    return {alert["labels"]["alertname"] for alert in body["alerts"]}


def test_a_pushed_metric_that_crosses_a_short_rule_reaches_the_webhook(tmp_path, hook):
    with running_tocsin(tmp_path, CONFIG, environment={"HOOK_URL": hook.url}) as tocsin:
        push(tocsin, 'pushed_load{instance="low"} 0.5\npushed_load{instance="high"} 0.95\n')
        _, body = hook.wait_for(lambda body: names(body) == {"loaded"}, WAIT_S)
        (alert,) = body["alerts"]
        assert alert["labels"] == {"alertname": "loaded", "severity": "critical", "instance": "high"}
        assert alert["annotations"]["summary"] == "high!"
        assert body["receiver"] == "webhook"

        with (tmp_path / "tocsin.yml").open("a") as config:
            config.write(MORE)
        assert httpx.post(f"{tocsin.url}/-/reload", trust_env=False, timeout=WAIT_S).status_code == 200
        push(tocsin, "pushed_queue 6\n")
        hook.wait_for(lambda body: names(body) == {"long"}, WAIT_S)
        groups = httpx.get(f"{tocsin.url}/api/v1/rules", trust_env=False).json()["data"]["groups"]
        (group,) = [
            group for group in groups if group["file"].endswith("tocsin.yml") and group["name"] == "alerts"
        ]
        states = {rule["name"]: rule["state"] for rule in group["rules"]}
        assert states == {"loaded": "firing", "deep": "firing", "long": "firing"}
        shown = httpx.get(f"{tocsin.url}/api/v1/status/config", trust_env=False).text
        assert "webhook" in shown
        assert "/hook" not in shown
    assert not [body for _, body in hook.arrived if "deep" in names(body)]


def test_a_wrong_condition_stops_the_start_in_one_sentence(tmp_path):
    with pytest.raises(AssertionError) as caught, running_tocsin(tmp_path, CONFIG.replace("> 0.9", ">")):
        pass
    assert "HOOK_URL is not set" in str(caught.value)
    with (
        pytest.raises(AssertionError) as caught,
        running_tocsin(tmp_path, CONFIG.replace("> 0.9", ">"), environment={"HOOK_URL": "http://a/"}),
    ):
        pass
    assert f"{tmp_path}/tocsin.yml:6: loaded: expr: " in str(caught.value)
    assert "Traceback" not in str(caught.value)
