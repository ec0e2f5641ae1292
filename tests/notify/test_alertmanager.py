"""Beside a real Alertmanager: what we send it, and what we send instead of it."""

from __future__ import annotations

import asyncio
import contextlib
import time

import httpx
import orjson
import pytest
from prometheus_client import CollectorRegistry

from tests.notify.alertmanager import alertmanager
from tests.notify.sink import webhook_sink
from tests.support.clock import ManualClock
from tests.support.ports import free_port
from tocsin.alerts import Alert, AlertingState, Dispatcher, Inhibitor, Muting, build_route
from tocsin.config import parse_source, validate
from tocsin.config.alerting import AlertingConfig, AlertmanagersConfig
from tocsin.config.alertmanager import AlertmanagerConfig
from tocsin.config.scrape import TargetGroup
from tocsin.errors import ConfigError
from tocsin.model import Labels, SystemClock
from tocsin.notify import AlertmanagerForwarder, NotifyMetrics, Receivers
from tocsin.notify.alertmanager_queue import QUEUE_CAPACITY, alert_as_json
from tocsin.notify.alertmanager_targets import alertmanager_urls

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
        state = AlertingState.open()
        dispatcher = Dispatcher(
            build_route(config.route),
            receivers.channels,
            clock,
            state,
            Muting(Inhibitor(()), state.silences, {}),
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
        body = orjson.dumps([alert_as_json(alert) for alert in reports])
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


def forwarder(*urls, registry=None, clock=None, **changes):
    """One that sends to these, with further keys of the section ``alertmanagers``."""
    static = [{"targets": [url.removeprefix("http://") for url in urls]}] if urls else []
    config = AlertingConfig(alertmanagers=[{"static_configs": static, **changes}] if urls or changes else [])
    return AlertmanagerForwarder(
        config, clock or SystemClock(), NotifyMetrics(registry or CollectorRegistry())
    )


@contextlib.asynccontextmanager
async def running(sender):
    task = asyncio.create_task(sender.run())
    try:
        yield sender
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.peer
async def test_alerts_reach_a_real_alertmanager_and_its_webhook(tmp_path):
    with webhook_sink() as sink, alertmanager(tmp_path, ONE.replace("URL", sink.url)) as url:
        async with running(forwarder(f"http://127.0.0.1:{free_port()}", url)) as sender:
            now_ms = SystemClock().now_ms()
            labels = Labels({"alertname": "A", "job": "node"})
            sender.put([Alert(labels, {"summary": "s"}, now_ms, now_ms + 240_000, "http://here/graph")])
            (fired,) = await asyncio.to_thread(sink.wait_for, 1)
            over = Alert(labels, {"summary": "s"}, now_ms, SystemClock().now_ms(), "http://here/graph")
            sender.put([over])
            _, resolved = await asyncio.to_thread(sink.wait_for, 2)
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


@pytest.mark.peer
async def test_one_that_comes_later_hears_how_things_are_then(tmp_path):
    """Discovery by a file, an Alertmanager that is down at first, and news of an alert that waits for it."""
    port = free_port()
    targets = tmp_path / "targets.json"
    targets.write_text(f'[{{"targets": ["127.0.0.1:{port}"]}}]')
    registry = CollectorRegistry()
    found = {"file_sd_configs": [{"files": [str(targets)], "refresh_interval": "100ms"}]}
    async with running(forwarder(registry=registry, **found)) as sender:
        now_ms = SystemClock().now_ms()
        labels = Labels({"alertname": "A"})
        sender.put([Alert(labels, {"summary": "old"}, now_ms, now_ms + 240_000)])
        await until(lambda: registry.get_sample_value(*REQUESTS_FAILED))
        sender.put([Alert(labels, {"summary": "new"}, now_ms, now_ms + 240_000)])
        assert registry.get_sample_value(QUEUE, {"alertmanager": f"http://127.0.0.1:{port}"}) == 1
        with webhook_sink() as sink:
            config = ONE.replace("URL", sink.url)
            with alertmanager(tmp_path, config, port=port):
                (fired,) = await asyncio.to_thread(sink.wait_for, 1)
        assert fired["body"]["alerts"][0]["annotations"] == {"summary": "new"}
        assert registry.get_sample_value(QUEUE, {"alertmanager": f"http://127.0.0.1:{port}"}) == 0
        targets.write_text("[]")
        await until(lambda: sender.active == [])
    assert registry.get_sample_value(QUEUE, {"alertmanager": f"http://127.0.0.1:{port}"}) is None


async def test_targets_and_alerts_are_relabelled():
    with webhook_sink() as sink:
        address = sink.url.removeprefix("http://")
        rules = [
            {"source_labels": ["zone"], "regex": "b", "action": "drop"},
            {"target_label": "__alerts_path__", "replacement": "/else/alerts"},
        ]
        config = AlertingConfig(
            alert_relabel_configs=[{"target_label": "site", "replacement": "berlin"}],
            alertmanagers=[
                {
                    "static_configs": [
                        {"targets": [address], "labels": {"zone": "a"}},
                        {"targets": ["gone:1"], "labels": {"zone": "b"}},
                    ],
                    "relabel_configs": rules,
                    "alert_relabel_configs": [
                        {"source_labels": ["severity"], "regex": "info", "action": "drop"},
                        {"regex": "replica", "action": "labeldrop"},
                    ],
                }
            ],
        )
        sender = AlertmanagerForwarder(config, SystemClock(), NotifyMetrics(CollectorRegistry()))
        # Put before Alertmanagers were looked for: they are sent all the same.
        labels = ({"alertname": "A", "replica": "1"}, {"alertname": "B", "severity": "info"})
        sender.put([Alert(Labels(each), {}) for each in labels])
        async with running(sender):
            (request,) = await asyncio.to_thread(sink.wait_for, 1)
            assert sender.dropped == ["gone:1"]
            assert sender.active == [f"{sink.url}/else/alerts"]
    assert request["path"] == "/else/alerts"
    assert [alert["labels"] for alert in request["body"]] == [{"alertname": "A", "site": "berlin"}]


async def test_an_alertmanager_that_is_gone_delays_no_other(caplog):
    registry = CollectorRegistry()
    with webhook_sink() as sink:
        async with running(
            forwarder(f"http://127.0.0.1:{free_port()}", sink.url, registry=registry)
        ) as sender:
            for count in range(1, 4):
                sender.put([Alert(Labels({"alertname": f"A{count}"}), {}, 1000)])
                await asyncio.to_thread(sink.wait_for, count)
            await until(lambda: (registry.get_sample_value(*REQUESTS_FAILED) or 0) >= 2)
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


async def test_what_is_refused_for_good_is_not_sent_again():
    registry = CollectorRegistry()
    with webhook_sink() as sink:
        sink.statuses += [400, 503, 429]
        clock = ManualClock()
        async with running(forwarder(sink.url, registry=registry, clock=clock)) as sender:
            sender.put([Alert(Labels({"alertname": "A"}), {})])
            await until(lambda: registry.get_sample_value(*FAILED) == 1)
            sender.put([Alert(Labels({"alertname": "B"}), {})])
            for count in (1, 2):
                await until(lambda count=count: registry.get_sample_value(*REQUESTS_FAILED) == count)
                await clock.advance(60)
            await until(lambda: len(sink.requests) == 4)
    names = [request["body"][0]["labels"]["alertname"] for request in sink.requests]
    assert names == ["A", "B", "B", "B"]


FAILED = ("tocsin_notifications_failed_total", {"integration": "alertmanager", "reason": "clientError"})
REQUESTS_FAILED = ("tocsin_notification_requests_failed_total", {"integration": "alertmanager"})
QUEUE = "tocsin_notifications_queue_length"


async def until(condition, timeout_s=10.0):
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.02)


async def test_the_queue_is_bounded_and_the_newest_stay():
    registry = CollectorRegistry()
    with webhook_sink() as sink:
        # Nobody sends yet: the clock of the queue stands still after its first failure.
        sink.statuses.append(503)
        clock = ManualClock()
        async with running(forwarder(sink.url, registry=registry, clock=clock)) as sender:
            sender.put([Alert(Labels({"n": "first"}), {})])
            await until(lambda: registry.get_sample_value(*REQUESTS_FAILED) == 1)
            sender.put([Alert(Labels({"n": str(n)}), {}) for n in range(QUEUE_CAPACITY + 4)])
            await clock.advance(60)
            await until(lambda: sum(len(request["body"]) for request in sink.requests) == QUEUE_CAPACITY + 1)
    assert sink.requests[1]["body"][0]["labels"] == {"n": "4"}
    assert max(len(request["body"]) for request in sink.requests) == 256
    assert (
        registry.get_sample_value("tocsin_notifications_dropped_total", {"integration": "alertmanager"}) == 5
    )


async def test_without_alertmanagers_nothing_happens():
    await forwarder().run()


def test_a_file_that_cannot_be_used_is_told_before_anything_runs():
    with pytest.raises(ConfigError, match=r"alerting.alertmanagers\[0\]: tls_config names a file"):
        forwarder("127.0.0.1:1", tls_config={"ca_file": "/nowhere/ca.pem"})


@pytest.mark.parametrize("address", ["", "a b:1", "am:0", "am:x"])
async def test_what_is_no_address(address):
    group = TargetGroup.model_construct(targets=(address,), labels={})
    targets = alertmanager_urls(AlertmanagersConfig(), [group])
    assert targets.urls == []
    (problem,) = targets.problems
    assert "is left out" in problem
