"""What holds for every kind of channel."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import contextmanager
from email.message import EmailMessage
from functools import cache
from urllib.parse import unquote_plus

import pytest
from prometheus_client import CollectorRegistry

from tests.notify.channels import CONFIGS, SECRET, TEXT_KEYS, Team, alert, notification
from tests.notify.mail import mail_server
from tests.notify.recorder import Reply, recorder
from tests.support.ports import free_port
from tocsin.alerts import DeliveryError
from tocsin.config.alertmanager import ReceiverConfig
from tocsin.errors import ConfigError
from tocsin.model import SystemClock
from tocsin.notify import CHANNELS, NotifyMetrics, Receivers
from tocsin.notify.pushover import PushoverChannel

KINDS = sorted(CHANNELS)
HTTP_KINDS = [kind for kind in KINDS if kind not in {"apprise_configs", "email_configs"}]

UNLIMITED = {"apprise_configs", "email_configs", "msteams_configs", "msteamsv2_configs", "opsgenie_configs"}
UNLIMITED |= {"slack_configs", "webhook_configs", "wechat_configs"}
MANY = 10_000


@contextmanager
def service(kind, monkeypatch):
    """Where a channel of some kind sends to; gives the URL and what reads all that came, as one text."""
    if kind == "email_configs":
        with mail_server(password=SECRET) as box:
            yield f"http://{box.address}", lambda: [_mail_text(mail) for mail in box.mails]
        return
    with recorder() as server:
        monkeypatch.setattr(PushoverChannel, "api_url", f"{server.url}/1/messages.json")
        yield server.url, lambda: [_request_text(request) for request in server.requests]


def _mail_text(mail: EmailMessage) -> str:
    return str(mail["Subject"]) + "".join(part.get_content() for part in mail.iter_parts())


def _request_text(request) -> str:
    """Without the escapes of its notation."""
    if request.body.startswith(b"{"):
        return json.dumps(request.json, ensure_ascii=False)
    return unquote_plus(f"{request.path} {request.body.decode()}")


def config_of(kind, url, **more):
    return {**CONFIGS[kind](url, SECRET), **more}


def test_there_is_a_configuration_for_every_channel():
    assert set(CONFIGS) == set(CHANNELS) == set(TEXT_KEYS)
    assert {kind for kind in ReceiverConfig.model_fields if kind.endswith("_configs")} == set(CHANNELS)


@pytest.mark.parametrize("kind", KINDS)
async def test_firing_then_resolved(kind, monkeypatch):
    with service(kind, monkeypatch) as (url, received):
        team = Team(kind, config_of(kind, url, send_resolved=True))
        await team.tell_each(
            notification(alert(summary="it broke")), notification(alert(ends_at_ms=1_700_000_060_000))
        )
        texts = received()
    assert team.channel.integration == kind.removesuffix("_configs")
    assert team.channel.send_resolved
    assert len(texts) >= 2
    assert team.failed() == {}
    assert sum("it broke" in text for text in texts) <= 1, "what is over is told without what was"


@pytest.mark.parametrize("kind", KINDS)
def test_send_resolved_is_the_configurations(kind, monkeypatch):
    monkeypatch.setattr(PushoverChannel, "api_url", "http://127.0.0.1:1")
    assert not Team(kind, config_of(kind, "http://127.0.0.1:1", send_resolved=False)).channel.send_resolved


@pytest.mark.parametrize("kind", KINDS)
async def test_any_character_arrives(kind, monkeypatch):
    odd = 'Größe 漢字 😀 "quoted" {{ not }} \\ end'
    text = "{{ (index .Alerts 0).Labels.odd }}"
    payload = {"text": text} if kind == "webhook_configs" else text
    with service(kind, monkeypatch) as (url, received):
        team = Team(kind, config_of(kind, url, **{TEXT_KEYS[kind]: payload}))
        await team.tell(alert(labels={"odd": odd}))
        shown = "".join(received()).replace('\\"', '"').replace("\\\\", "\\").replace("&#34;", '"')
    assert odd in shown


@cache
def many_alerts():
    return [alert(f"Alert{n}", labels={"instance": f"host{n}:9100"}, summary="x" * 20) for n in range(MANY)]


@pytest.mark.parametrize("kind", KINDS)
async def test_thousands_of_alerts_are_told_within_the_limits(kind, monkeypatch):
    alerts = many_alerts()[: 1000 if kind in UNLIMITED else MANY]
    with service(kind, monkeypatch) as (url, received):
        await Team(kind, config_of(kind, url)).tell(*alerts)
        texts = received()
    assert texts
    if kind not in UNLIMITED:
        assert max(map(len, texts)) < 600_000 if kind == "sns_configs" else 60_000


@pytest.mark.parametrize("kind", KINDS)
async def test_a_template_that_fails_is_one_sentence_and_final(kind, monkeypatch):
    bad = "first\n{{ .Nope }}"
    payload = {"text": bad} if kind == "webhook_configs" else bad
    with service(kind, monkeypatch) as (url, received):
        team = Team(kind, config_of(kind, url, **{TEXT_KEYS[kind]: payload}))
        with pytest.raises(DeliveryError) as caught:
            await team.tell()
        assert received() == []
    message = str(caught.value)
    assert not caught.value.is_retryable
    assert message.startswith(f"{team.channel.integration}: {TEXT_KEYS[kind]}")
    assert "line 2: can't evaluate field Nope in type template.Data" in message
    assert "\n" not in message
    assert team.clock.slept == []
    assert team.failed() == {"other": 1}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_template_that_is_none_is_one_sentence_and_final(kind, monkeypatch):
    payload = {"text": "{{ if }}"} if kind == "webhook_configs" else "{{ if }}"
    monkeypatch.setattr(PushoverChannel, "api_url", "http://127.0.0.1:1")
    team = Team(kind, config_of(kind, "http://127.0.0.1:1", **{TEXT_KEYS[kind]: payload}))
    with pytest.raises(DeliveryError, match="a value is missing") as caught:
        await team.tell()
    assert not caught.value.is_retryable


@pytest.mark.parametrize("kind", HTTP_KINDS)
async def test_no_message_shows_the_secret(kind, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    shown = []
    with recorder() as server:
        monkeypatch.setattr(PushoverChannel, "api_url", f"{server.url}/1/messages.json")
        team = Team(kind, config_of(kind, server.url))
        usual = server.usual
        server.usual = lambda request: usual(request) if "gettoken" in request.path else Reply(400, echo=True)
        server.replies = [Reply(503, echo=True), Reply(429, echo=True)]
        with pytest.raises(DeliveryError) as caught:
            await team.tell()
        assert len(server.requests) >= 3
    shown += [str(caught.value), repr(caught.value), repr(team.channel), repr(team.receivers)]
    shown += [repr(team.channel.channel), repr(team.channel.channel.config), caplog.text]
    assert "refused" in shown[0], "what the service says is told"
    assert not any(SECRET in text for text in shown), "".join(text for text in shown if SECRET in text)


@pytest.mark.parametrize("kind", KINDS)
async def test_who_is_not_there_is_tried_again_and_no_secret_shown(kind, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    url = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setattr(PushoverChannel, "api_url", f"{url}/1/messages.json")
    team = Team(kind, config_of(kind, url))
    with pytest.raises(DeliveryError) as caught:
        await team.channel.channel.notify(notification(alert()))
    assert caught.value.is_retryable
    assert "\n" not in str(caught.value)
    telling = asyncio.create_task(team.tell())
    async with asyncio.timeout(20):
        while not team.clock.slept:  # noqa: ASYNC110 - the clock is the test's own
            await asyncio.sleep(0.01)
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)
    assert SECRET not in caplog.text + str(caught.value) + repr(team.channel)


@pytest.mark.parametrize("kind", HTTP_KINDS)
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_passes_is_tried_again_when_the_service_says(kind, status, monkeypatch):
    with recorder() as server:
        monkeypatch.setattr(PushoverChannel, "api_url", f"{server.url}/1/messages.json")
        server.replies = [Reply(status, b"later", {"Retry-After": "7"})]
        team = Team(kind, config_of(kind, server.url))
        await team.tell()
    (slept_s,) = team.clock.slept
    assert slept_s == 7
    assert team.failed() == {}


@pytest.mark.parametrize("kind", HTTP_KINDS)
async def test_what_is_refused_is_final(kind, monkeypatch):
    with recorder() as server:
        monkeypatch.setattr(PushoverChannel, "api_url", f"{server.url}/1/messages.json")
        server.replies = [Reply(400, b"no such thing")]
        team = Team(kind, config_of(kind, server.url))
        with pytest.raises(DeliveryError, match="400") as caught:
            await team.tell()
    assert not caught.value.is_retryable
    assert len(server.requests) == 1
    assert team.failed() == {"clientError": 1}


async def test_a_file_with_a_template_overrides_and_adds(tmp_path):
    (tmp_path / "a.tmpl").write_text(
        '{{ define "slack.default.title" }}mine: {{ template "team.name" . }}{{ end }}'
    )
    (tmp_path / "b.tmpl").write_text('{{ define "team.name" }}{{ .Receiver }}{{ end }}')
    with recorder() as server:
        await Team("slack_configs", config_of("slack_configs", server.url), [tmp_path / "*.tmpl"]).tell()
    assert server.requests[0].json["attachments"][0]["title"] == "mine: team\\.ml"


def test_a_file_with_a_broken_template_is_named(tmp_path):
    (tmp_path / "a.tmpl").write_text("fine\n\n{{ nope }}")
    with pytest.raises(ConfigError, match=r'a.tmpl: a.tmpl, line 3: function "nope" is not defined'):
        Team("webhook_configs", {"url": "http://here"}, [tmp_path / "*.tmpl"])


async def test_a_slow_channel_delays_no_other():
    release = asyncio.Event()

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await release.wait()
        writer.close()

    slow = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = slow.sockets[0].getsockname()[1]
    with recorder() as server:
        hooks = [{"url": f"http://127.0.0.1:{port}"}, {"url": server.url}]
        receiver = ReceiverConfig.model_validate({"name": "team", "webhook_configs": hooks})
        async with Receivers([receiver], SystemClock(), NotifyMetrics(CollectorRegistry())) as receivers:
            tasks = [
                asyncio.create_task(channel.notify(notification(alert())))
                for channel in receivers.channels["team"]
            ]
            await tasks[1]
            assert not tasks[0].done()
            tasks[0].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    release.set()
    slow.close()
    await slow.wait_closed()
    assert len(server.requests) == 1
