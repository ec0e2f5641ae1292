"""Beside a real Alertmanager: what we send it, and what we send instead of it."""

from __future__ import annotations

import asyncio
import time

import httpx
import orjson
import pytest
from prometheus_client import CollectorRegistry

from tests.notify.alertmanager import alertmanager
from tests.notify.sink import webhook_sink
from tests.support.ports import free_port
from tocsin.alerts import Alert, AlertStore, Dispatcher, NotificationLog, build_route
from tocsin.config import parse_source, validate
from tocsin.config.alerting import AlertmanagerConfig, AlertmanagersConfig
from tocsin.model import Labels, SystemClock
from tocsin.notify import AlertmanagerForwarder, NotifyMetrics, Receivers
from tocsin.notify.alertmanager import QUEUE_CAPACITY, _alert

CONFIG = """
route:
  receiver: team.all
  group_by: [job]
  group_wait: 200ms
  group_interval: 1s
  routes:
  - matchers: ['severity="critical"', 'job=~"a|b"']
    receiver: pager
    group_by: ['...']
    continue: true
  - match_re: {job: "a.*"}
receivers:
- name: team.all
  webhook_configs: [{url: "URL/all"}]
- name: pager
  webhook_configs: [{url: "URL/pager", max_alerts: 1, send_resolved: false}]
"""


def alerts(now_ms):
    """Alerts of several groups, some of which are over three seconds later."""
    rows = [
        ({"alertname": "Low", "job": "a", "instance": "2"}, {"summary": "same", "detail": "x"}, 60),
        (
            {"alertname": "Low", "job": "a", "instance": "1"},
            {"summary": "same", "detail": "y", "empty": ""},
            3,
        ),
        ({"alertname": "Höhe", "job": "b", "severity": "critical"}, {"summary": 'quote " and <tag>\n'}, 3),
        ({"alertname": "NoJob", "zone": "1"}, {}, 60),
        ({"alertname": "NoJob", "zone": "2", "extra": "x"}, {}, 60),
        ({"alertname": "Crit", "job": "a", "severity": "critical"}, {"summary": "same"}, 60),
    ]
    return [
        Alert(
            Labels(labels), annotations, now_ms - 50, now_ms + lasts_s * 1000, "http://here/graph?g0.expr=up"
        )
        for labels, annotations, lasts_s in rows
    ]


async def send_by_ourselves(config, reports):
    clock = SystemClock()
    async with Receivers(config.receivers, clock, NotifyMetrics(CollectorRegistry())) as receivers:
        dispatcher = Dispatcher(
            build_route(config.route),
            receivers.channels,
            clock,
            AlertStore(config.global_.resolve_timeout),
            NotificationLog(),
            "http://external",
        )
        task = asyncio.create_task(dispatcher.run())
        dispatcher.put(reports)
        await asyncio.sleep(5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.peer
async def test_our_webhooks_are_those_of_alertmanager(tmp_path):
    with (
        webhook_sink() as theirs,
        webhook_sink() as ours,
        alertmanager(tmp_path, CONFIG.replace("URL", theirs.url), "http://external") as url,
    ):
        reports = alerts(SystemClock().now_ms())
        body = orjson.dumps([_alert(alert) for alert in reports])
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(
                f"{url}/api/v2/alerts", content=body, headers={"Content-Type": "application/json"}
            )
        assert answer.is_success, answer.text
        source = parse_source(CONFIG.replace("URL", ours.url), "am.yml")
        await send_by_ourselves(validate(AlertmanagerConfig, source), reports)
    assert len(ours.requests) == len(theirs.requests) == 5
    assert in_any_order(ours) == in_any_order(theirs)


def in_any_order(sink):
    """Path and body of each request: groups are told independently of each other."""
    documents = [{"path": request["path"], **request["body"]} for request in sink.requests]
    return sorted(documents, key=lambda document: orjson.dumps(document, option=orjson.OPT_SORT_KEYS))


ONE = """
route: {receiver: all, group_wait: 0s, group_interval: 1s}
receivers: [{name: all, webhook_configs: [{url: "URL"}]}]
"""


def forwarder(*urls, registry=None):
    configs = [
        AlertmanagersConfig(static_configs=[{"targets": [url.removeprefix("http://") for url in urls]}])
    ]
    return AlertmanagerForwarder(configs, NotifyMetrics(registry or CollectorRegistry()))


@pytest.mark.peer
async def test_alerts_reach_a_real_alertmanager_and_its_webhook(tmp_path):
    with webhook_sink() as sink, alertmanager(tmp_path, ONE.replace("URL", sink.url)) as url:
        sender = forwarder(f"http://127.0.0.1:{free_port()}", url)
        task = asyncio.create_task(sender.run())
        now_ms = SystemClock().now_ms()
        labels = Labels({"alertname": "A", "job": "node"})
        sender.put([Alert(labels, {"summary": "s"}, now_ms, now_ms + 240_000, "http://here/graph")])
        (fired,) = await asyncio.to_thread(sink.wait_for, 1)
        sender.put([Alert(labels, {"summary": "s"}, now_ms, SystemClock().now_ms(), "http://here/graph")])
        _, resolved = await asyncio.to_thread(sink.wait_for, 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    (alert,) = fired["body"]["alerts"]
    assert (alert["status"], alert["labels"], alert["annotations"]) == (
        "firing",
        dict(labels),
        {"summary": "s"},
    )
    assert (alert["generatorURL"], alert["fingerprint"]) == (
        "http://here/graph",
        Alert(labels, {}).fingerprint,
    )
    assert resolved["body"]["status"] == "resolved"


async def test_an_alertmanager_that_is_gone_delays_no_other(caplog):
    registry = CollectorRegistry()
    with webhook_sink() as sink:
        sender = forwarder(f"http://127.0.0.1:{free_port()}", sink.url, registry=registry)
        task = asyncio.create_task(sender.run())
        for count in range(1, 4):
            sender.put([Alert(Labels({"alertname": f"A{count}"}), {}, 1000)])
            await asyncio.to_thread(sink.wait_for, count)
        await until(lambda: registry.get_sample_value(*FAILED) == 3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert sink.requests[0]["path"] == "/api/v2/alerts"
    assert sink.requests[0]["body"] == [
        {
            "labels": {"alertname": "A1"},
            "annotations": {},
            "startsAt": "1970-01-01T00:00:01Z",
            "generatorURL": "",
        }
    ]
    assert caplog.text.count("Alertmanager:") == 1, "that one is gone is told once"


FAILED = ("tocsin_notifications_failed_total", {"integration": "alertmanager"})


async def until(condition, timeout_s=10.0):
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.02)


async def test_the_queue_is_bounded_and_the_newest_stay():
    registry = CollectorRegistry()
    with webhook_sink() as sink:
        sender = forwarder(sink.url, registry=registry)
        sender.put([Alert(Labels({"n": str(n)}), {}) for n in range(QUEUE_CAPACITY + 5)])
        task = asyncio.create_task(sender.run())
        await until(lambda: sum(len(request["body"]) for request in sink.requests) == QUEUE_CAPACITY)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert sink.requests[0]["body"][0]["labels"] == {"n": "5"}
    assert max(len(request["body"]) for request in sink.requests) == 256
    assert (
        registry.get_sample_value("tocsin_notifications_dropped_total", {"integration": "alertmanager"}) == 5
    )


async def test_without_alertmanagers_nothing_happens():
    await forwarder().run()
