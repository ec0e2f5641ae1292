"""From a real load on this machine to a webhook."""

from __future__ import annotations

import multiprocessing
import os
import time

import httpx

from tests.support.process import running_tocsin
from tests.support.webhook import webhook_receiver

EXPRESSION = '1 - avg(rate(node_cpu_seconds_total{mode="idle"}[4s])) > 0.5'

RULES = f"""
groups:
  - name: load
    interval: 1s
    rules:
      - alert: Busy
        expr: {EXPRESSION}
        labels: {{severity: warning}}
        annotations:
          summary: "the processors are {{{{ $value | humanizePercentage }}}} busy"
"""

CONFIG = """
rule_files: [rules.yml]
collectors: {interval: 1s}
alertmanager:
  route: {receiver: hook, group_by: [alertname], group_wait: 0s}
  receivers:
    - name: hook
      webhook_configs: [{url: "%s"}]
"""

LOAD_S = 30.0


def tells_of_load(body: dict) -> bool:
    return body["status"] == "firing" and body["groupLabels"] == {"alertname": "Busy"}


def burn(until_s: float) -> None:
    while time.monotonic() < until_s:
        sum(range(10_000))


def test_a_threshold_crossed_by_real_load_reaches_a_webhook(tmp_path):
    (tmp_path / "rules.yml").write_text(RULES)
    with webhook_receiver() as receiver, running_tocsin(tmp_path, CONFIG % receiver.url) as tocsin:
        context = multiprocessing.get_context("spawn")
        burners = [
            context.Process(target=burn, args=(time.monotonic() + LOAD_S,))
            for _ in range(os.cpu_count() or 1)
        ]
        for burner in burners:
            burner.start()
        try:
            arrived_ms, body = receiver.wait_for(tells_of_load, LOAD_S)
        finally:
            for burner in burners:
                burner.terminate()
                burner.join()
        crossed_ms = first_sample_that_crosses(tocsin.url, arrived_ms)
    (alert,) = body["alerts"]
    assert alert["labels"]["severity"] == "warning"
    assert "% busy" in alert["annotations"]["summary"]
    assert body["version"] == "4"
    assert crossed_ms <= arrived_ms
    print(f"from the sample's timestamp to the webhook: {(arrived_ms - crossed_ms) / 1000:.2f} s")


def first_sample_that_crosses(url: str, until_ms: int) -> int:
    """When the expression was first true, to 10 ms: that is the timestamp of the sample that made it so."""
    parameters = {"query": EXPRESSION, "start": until_ms / 1000 - 60, "end": until_ms / 1000, "step": "0.01"}
    answer = httpx.get(f"{url}/api/v1/query_range", params=parameters, trust_env=False)
    (series,) = answer.json()["data"]["result"]
    return round(series["values"][0][0] * 1000)
