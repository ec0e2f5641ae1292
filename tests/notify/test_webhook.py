from __future__ import annotations

import asyncio
import base64
import logging
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from tests.notify.sink import webhook_sink
from tests.support.ports import free_port
from tocsin.alerts import Alert, DeliveryError, Notification
from tocsin.config.alertmanager import ReceiverConfig
from tocsin.model import Labels, SystemClock
from tocsin.notify import NotifyMetrics, Receivers, webhook_message


def alert(name="A", ends_at_ms=None, **annotations):
    labels = Labels({"alertname": name, "job": "node"})
    return Alert(labels, annotations, 1_700_000_000_120, ends_at_ms, "http://here/graph")


def notification(*alerts):
    return Notification("team.ml", '{}:{job="node"}', Labels({"job": "node"}), alerts, "http://here")


def test_the_message_is_alertmanagers():
    sent = notification(
        alert(summary="x", detail="1"), alert("B", 1_700_000_060_000, summary="x", detail="2")
    )
    assert webhook_message(sent) == {
        "receiver": "team\\.ml",
        "status": "firing",
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "A", "job": "node"},
                "annotations": {"detail": "1", "summary": "x"},
                "startsAt": "2023-11-14T22:13:20.12Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://here/graph",
                "fingerprint": "e342c790ad2d86b4",
            },
            {
                "status": "resolved",
                "labels": {"alertname": "B", "job": "node"},
                "annotations": {"detail": "2", "summary": "x"},
                "startsAt": "2023-11-14T22:13:20.12Z",
                "endsAt": "2023-11-14T22:14:20Z",
                "generatorURL": "http://here/graph",
                "fingerprint": sent.alerts[1].fingerprint,
            },
        ],
        "groupLabels": {"job": "node"},
        "commonLabels": {"job": "node"},
        "commonAnnotations": {"summary": "x"},
        "externalURL": "http://here",
        "version": "4",
        "groupKey": '{}:{job="node"}',
        "truncatedAlerts": 0,
    }


def test_what_is_too_much_is_counted():
    message = webhook_message(notification(alert("A"), alert("B"), alert("C", 1)), max_alerts=1)
    assert (len(message["alerts"]), message["truncatedAlerts"]) == (1, 2)
    assert message["commonLabels"] == {"alertname": "A", "job": "node"}


def test_the_status_is_that_of_the_alerts_that_are_kept():
    message = webhook_message(notification(alert("A", 1), alert("B")), max_alerts=1)
    assert (message["status"], message["alerts"][0]["status"]) == ("resolved", "resolved")


class Fast(SystemClock):
    """A clock whose waiting is short, and counted."""

    def __init__(self):
        self.slept = []

    async def sleep(self, duration_s):
        self.slept.append(duration_s)
        await asyncio.sleep(0)


class Team:
    """One receiver with one webhook."""

    def __init__(self, **webhook):
        self.clock = Fast()
        self.registry = CollectorRegistry()
        config = ReceiverConfig.model_validate({"name": "team", "webhook_configs": [webhook]})
        self.receivers = Receivers([config], self.clock, NotifyMetrics(self.registry))

    async def tell(self, *alerts):
        async with self.receivers:
            (channel,) = self.receivers.channels["team"]
            await channel.notify(notification(*(alerts or [alert()])))

    def count(self, name):
        return sum(
            sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == name and sample.labels["integration"] == "webhook"
        )


async def test_it_is_posted_as_json():
    with webhook_sink() as sink:
        team = Team(url=sink.url + "/path?a=b")
        await team.tell()
    (request,) = sink.requests
    assert request["path"] == "/path?a=b"
    assert request["headers"]["Content-Type"] == "application/json"
    assert request["body"]["alerts"][0]["labels"]["alertname"] == "A"
    assert (team.count("tocsin_notifications_total"), team.count("tocsin_notifications_failed_total")) == (
        1,
        0,
    )


async def test_the_time_of_a_notification_begins_with_its_turn(monkeypatch):
    """Each of forty takes 50 ms, one after the other: two seconds together, with half a second for each."""
    with webhook_sink() as sink:
        team = Team(url=sink.url)
        async with team.receivers:
            (channel,) = team.receivers.channels["team"]
            monkeypatch.setattr(type(channel.channel), "notify", slow(type(channel.channel).notify))
            channel = replace(channel, turns=asyncio.Semaphore(1))
            await asyncio.gather(*(channel.notify(notification(alert()), 0.5) for _ in range(40)))
    assert len(sink.requests) == 40
    assert team.count("tocsin_notifications_failed_total") == 0


def slow(notify):
    async def slowly(channel, told):
        await asyncio.sleep(0.05)
        await notify(channel, told)

    return slowly


async def test_5xx_is_tried_again_with_growing_delays():
    with webhook_sink() as sink:
        sink.statuses = [500, 503, 599]
        team = Team(url=sink.url)
        await team.tell()
    assert len(sink.requests) == 4
    for delay_s, usual_s in zip(team.clock.slept, [0.5, 0.75, 1.125], strict=True):
        assert 0.5 * usual_s <= delay_s <= 1.5 * usual_s
    assert team.count("tocsin_notification_requests_failed_total") == 3


@pytest.mark.parametrize("status", [400, 404, 413])
async def test_4xx_is_final(status):
    with webhook_sink() as sink:
        sink.statuses = [status]
        team = Team(url=sink.url + "/secret")
        with pytest.raises(DeliveryError, match=str(status)) as caught:
            await team.tell()
    assert len(sink.requests) == 1
    assert "secret" not in str(caught.value)
    assert team.count("tocsin_notifications_failed_total") == 1


async def test_who_does_not_answer_is_tried_until_given_up(caplog):
    team = Team(url=f"http://127.0.0.1:{free_port()}/secret")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await team.tell()
    assert len(team.clock.slept) > 1
    assert team.count("tocsin_notifications_failed_total") == 1
    assert "secret" not in caplog.text


async def test_no_log_at_any_level_shows_the_secret_path(caplog):
    with webhook_sink() as sink, caplog.at_level(logging.DEBUG):
        sink.statuses = [500]
        await Team(url=sink.url + "/secret").tell()
    assert sink.requests
    assert "secret" not in caplog.text


async def test_authorization():
    with webhook_sink() as sink:
        await Team(url=sink.url, http_config={"basic_auth": {"username": "u", "password": "p"}}).tell()
        await Team(url=sink.url, http_config={"authorization": {"credentials": "token"}}).tell()
    sent = [request["headers"]["Authorization"] for request in sink.requests]
    assert sent == ["Basic " + base64.b64encode(b"u:p").decode(), "Bearer token"]


async def test_secrets_in_files_are_read_each_time(tmp_path):
    (tmp_path / "word").write_text("one\n")
    with webhook_sink() as sink:
        (tmp_path / "url").write_text(sink.url + "/from-file\n")
        for word in ("one", "two"):
            (tmp_path / "word").write_text(word + "\n")
            auth = {"authorization": {"type": "Token", "credentials_file": str(tmp_path / "word")}}
            await Team(url_file=str(tmp_path / "url"), http_config=auth).tell()
    assert [request["headers"]["Authorization"] for request in sink.requests] == ["Token one", "Token two"]
    assert sink.requests[0]["path"] == "/from-file"


async def test_a_file_that_is_missing_is_one_sentence(tmp_path):
    team = Team(url_file=str(tmp_path / "none"))
    (channel,) = team.receivers.channels["team"]
    with pytest.raises(DeliveryError, match="cannot read the secret"):
        await channel.channel.notify(notification(alert()))


async def test_a_redirection_is_followed_unless_told_otherwise():
    with webhook_sink() as sink:
        sink.statuses = [307]
        await Team(url=sink.url).tell()
        assert [request["path"] for request in sink.requests] == ["/", "/elsewhere"]
        sink.statuses = [307]
        with pytest.raises(DeliveryError, match="307"):
            await Team(url=sink.url, http_config={"follow_redirects": False}).tell()


async def test_the_environments_proxy_is_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    with webhook_sink() as sink:
        await Team(url=sink.url).tell()
    assert len(sink.requests) == 1
