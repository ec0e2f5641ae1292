"""What is particular to one service or another."""

from __future__ import annotations

import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.notify.channels import CONFIGS, SECRET, Team, alert, notification
from tests.notify.recorder import Reply, recorder
from tocsin.alerts import DeliveryError
from tocsin.errors import ConfigError
from tocsin.notify.channel import group_id
from tocsin.notify.pagerduty import PagerdutyChannel
from tocsin.notify.sigv4 import Credentials, signed_headers
from tocsin.notify.telegram import truncate_html
from tocsin.notify.truncate import truncate, truncate_bytes

GROUP = group_id(notification().group_key)
OVER = alert(ends_at_ms=1_700_000_060_000)


def team_of(kind, server, **keys):
    return Team(kind, {**CONFIGS[kind](server.url, SECRET), **keys})


async def refused(team, *replies, server):
    server.replies = list(replies)
    with pytest.raises(DeliveryError) as caught:
        await team.channel.channel.notify(notification(alert()))
    await team.channel.channel.close()
    return caught.value


# Slack


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(200, {"ok": False, "error": "channel_not_found"}), "channel_not_found"),
        (Reply(200, b"invalid_payload"), "invalid_payload"),
        (Reply(404, b"no_service"), "no_service"),
    ],
)
async def test_slack_says_in_the_body_what_is_wrong(reply, reason):
    with recorder() as server:
        error = await refused(team_of("slack_configs", server), reply, server=server)
    assert reason in str(error)
    assert not error.is_retryable


def slack_app(server, **keys):
    app = {"app_token": SECRET, "app_url": f"{server.url}/api/chat.postMessage", "channel": "c"}
    return Team("slack_configs", {**app, **keys})


async def test_a_slack_app_posts_with_its_token():
    with recorder() as server:
        await slack_app(server).tell()
    (request,) = server.requests
    assert request.headers["Authorization"] == f"Bearer {SECRET}"
    assert request.json["channel"] == "c"


async def test_a_slack_app_changes_its_message():
    with recorder() as server:
        await slack_app(server, update_message=True, send_resolved=True).tell_each(
            notification(alert()), notification(alert("B")), notification(OVER), notification(alert())
        )
    paths = [request.path.rpartition("/")[2] for request in server.requests]
    assert paths == ["chat.postMessage", "chat.update", "chat.update", "chat.postMessage"]
    assert [request.json.get("ts") for request in server.requests] == [None, "1.5", "1.5", None]
    assert server.requests[1].json["channel"] == "C1"


async def test_slack_gets_a_button_to_acknowledge():
    with recorder() as server:
        await team_of("slack_configs", server).tell(alert(), acknowledge_url="http://here/ack")
        await team_of("slack_configs", server).tell(alert())
    first, second = (request.json["attachments"][0] for request in server.requests)
    assert first["actions"] == [{"type": "button", "text": "Acknowledge", "url": "http://here/ack"}]
    assert "actions" not in second


async def test_a_plain_text_for_slack_has_no_attachment():
    with recorder() as server:
        await team_of("slack_configs", server, message_text="{{ .Status }}").tell()
    assert server.requests[0].json == {"username": "tocsin", "text": "firing"}


# PagerDuty


async def test_pagerduty_triggers_acknowledges_and_resolves_one_incident():
    with recorder() as server:
        team = team_of("pagerduty_configs", server)
        channel = team.channel.channel
        async with team.receivers:
            await channel.notify(notification(alert(), acknowledge_url="http://here/ack"))
            await channel.acknowledge(notification().group_key)
            await channel.notify(notification(OVER))
    events = [request.json for request in server.requests]
    assert [event["event_action"] for event in events] == ["trigger", "acknowledge", "resolve"]
    assert {event["dedup_key"] for event in events} == {GROUP}
    assert {event["routing_key"] for event in events} == {SECRET}
    assert events[0]["links"] == [{"href": "http://here/ack", "text": "Acknowledge"}]
    assert events[0]["payload"]["severity"] == "error"
    assert events[0]["payload"]["custom_details"]["num_firing"] == "1"


async def test_the_older_kind_of_pagerduty(monkeypatch):
    with recorder() as server:
        monkeypatch.setattr(PagerdutyChannel, "version_1_url", f"{server.url}/create_event.json")
        team = Team("pagerduty_configs", {"service_key": SECRET, "client": "me"})
        server.replies = [Reply(403, b"too often"), Reply()]
        async with team.receivers:
            await team.channel.notify(notification(alert()))
            await team.channel.channel.acknowledge(notification().group_key)
            await team.channel.notify(notification(OVER))
    events = [request.json for request in server.requests]
    assert [event["event_type"] for event in events] == ["trigger", "trigger", "acknowledge", "resolve"]
    assert {event["incident_key"] for event in events} == {GROUP}
    assert events[0]["service_key"] == SECRET
    assert (events[0]["client"], events[0]["details"]["num_firing"]) == ("me", "1")
    assert "client" not in events[3]


async def test_details_that_are_too_large_for_pagerduty_are_left_out():
    with recorder() as server:
        await team_of("pagerduty_configs", server, details={"all": "x" * 600_000}).tell()
    details = server.requests[0].json["payload"]["custom_details"]
    assert list(details) == ["error"]
    assert "maximum size of 512KB" in details["error"]


async def test_details_for_pagerduty_may_be_nested():
    details = {"deep": {"list": ["{{ .Status }}", "x"], "{{ .Status }}": "y"}}
    with recorder() as server:
        await team_of("pagerduty_configs", server, details=details).tell()
    sent = server.requests[0].json["payload"]["custom_details"]
    assert sent["deep"] == {"list": ["firing", "x"], "firing": "y"}


async def test_pagerduty_says_what_is_wrong():
    answer = {"status": "invalid event", "message": "Event object is invalid", "errors": ["no severity"]}
    with recorder() as server:
        error = await refused(team_of("pagerduty_configs", server), Reply(400, answer), server=server)
    assert "Event object is invalid: no severity" in str(error)


# Opsgenie


async def test_opsgenie_creates_updates_and_closes_one_alert():
    with recorder() as server:
        team = team_of("opsgenie_configs", server, update_alerts=True, send_resolved=True)
        await team.tell_each(notification(alert()), notification(OVER))
    found = [(request.method, request.path) for request in server.requests]
    alias = f"/v2/alerts/{GROUP}"
    assert found == [
        ("POST", "/v2/alerts"),
        ("PUT", f"{alias}/message?identifierType=alias"),
        ("PUT", f"{alias}/description?identifierType=alias"),
        ("POST", f"{alias}/close?identifierType=alias"),
    ]
    assert {request.headers["Authorization"] for request in server.requests} == {f"GenieKey {SECRET}"}


async def test_a_responder_of_an_unknown_type_is_final():
    responders = [{"name": "x", "type": "{{ .Status }}"}]
    with recorder() as server:
        error = await refused(team_of("opsgenie_configs", server, responders=responders), server=server)
    assert 'of the type "firing" (allowed: team,' in str(error)


# Telegram


async def test_telegram_says_what_is_wrong_and_how_long_to_wait():
    flood = {"ok": False, "error_code": 429, "parameters": {"retry_after": 9}}
    wrong = {"ok": False, "error_code": 400, "description": "Bad Request: can't parse entities"}
    with recorder() as server:
        error = await refused(team_of("telegram_configs", server), Reply(429, flood), server=server)
        assert (error.is_retryable, error.retry_after_s) == (True, 9)
        error = await refused(team_of("telegram_configs", server), Reply(400, wrong), server=server)
    assert "can't parse entities" in str(error)
    assert not error.is_retryable


async def test_the_chat_may_stand_in_a_file(tmp_path):
    (tmp_path / "chat").write_text("-77\n")
    config = {"bot_token": SECRET, "chat_id_file": str(tmp_path / "chat"), "message_thread_id": 5}
    with recorder() as server:
        await Team("telegram_configs", {**config, "api_url": server.url}).tell()
    assert server.requests[0].json["chat_id"] == "-77"
    assert server.requests[0].json["message_thread_id"] == "5"


PARTS = ["<b>", "</b>", '<a href="x">', "</a>", "&amp;", "word ", "漢"]


@given(st.lists(st.sampled_from(PARTS), max_size=40), st.integers(40, 120))
def test_html_is_cut_where_it_stays_html(parts, length):
    text = "".join(parts)
    cut = truncate_html(text, length)
    assert len(cut) <= max(length, 0) or len(text) <= length
    if cut == text:
        return
    assert "…" in cut
    kept, _, closing = cut.rpartition("…")
    assert text.startswith(kept)
    assert kept.count("<") == kept.count(">")
    assert kept.count("&") == kept.count("&amp;")
    assert not closing or set(closing.split(">")) <= {"</b", "</a", ""}


# Discord, Teams


async def test_discord_says_how_long_to_wait():
    limited = {"message": "You are being rate limited.", "retry_after": 0.65, "global": False}
    with recorder() as server:
        error = await refused(team_of("discord_configs", server), Reply(429, limited), server=server)
    assert (error.is_retryable, error.retry_after_s) == (True, 0.65)


async def test_discord_shows_colors():
    with recorder() as server:
        team = team_of("discord_configs", server, username="bot", content="c" * 3000)
        await team.tell_each(notification(alert()), notification(OVER))
    first, second = (request.json for request in server.requests)
    assert (first["embeds"][0]["color"], second["embeds"][0]["color"]) == (0x992D22, 0x2ECC71)
    assert (first["username"], len(first["content"])) == ("bot", 2000)
    assert "avatar_url" not in first


@pytest.mark.parametrize(("status", "is_retryable"), [(429, True), (400, False)])
async def test_teams_answers_200_when_it_refuses(status, is_retryable):
    text = (
        f"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error {status}"
    )
    with recorder() as server:
        error = await refused(team_of("msteams_configs", server), Reply(200, text.encode()), server=server)
    assert error.is_retryable is is_retryable
    assert f"HTTP error {status}" in str(error)


async def test_cards_for_teams():
    with recorder() as server:
        await team_of("msteams_configs", server).tell()
        await team_of("msteamsv2_configs", server).tell(OVER)
    old, new = (request.json for request in server.requests)
    assert (old["type"], old["@context"]) == ("MessageCard", "http://schema.org/extensions")
    assert (old["themeColor"], old["title"]) == ("8C1A1A", "[FIRING:1] node (A)")
    (attachment,) = new["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    title, text = attachment["content"]["body"]
    assert (title["text"], title["color"], text["wrap"]) == ("[RESOLVED] node (A)", "Good", True)


# WeChat, Webex, VictorOps, Pushover


async def test_wechat_fetches_its_token_once_and_again_when_it_has_expired():
    with recorder() as server:
        team = team_of("wechat_configs", server, message_type="markdown")
        async with team.receivers:
            await team.channel.notify(notification(alert()))
            server.replies = [Reply(body={"errcode": 42001, "errmsg": "access_token expired"})]
            await team.channel.notify(notification(alert()))
    paths = [request.path.partition("?")[0].rpartition("/cgi-bin/")[2] for request in server.requests]
    assert paths == ["gettoken", "message/send", "message/send", "gettoken", "message/send"]
    assert server.requests[0].query == {"corpid": "corp", "corpsecret": SECRET}
    assert server.requests[1].query == {"access_token": "accesstoken"}
    sent = server.requests[1].json
    assert (sent["msgtype"], sent["touser"], sent["agentid"]) == ("markdown", "@all", "1")
    assert sent["markdown"]["content"].startswith("[FIRING:1]")


@pytest.mark.parametrize(
    "replies",
    [
        [Reply(body={"errcode": 40001, "errmsg": "invalid credential"})],
        [Reply(body={"access_token": "t"}), Reply(body={"errcode": 81013, "errmsg": "invalid credential"})],
    ],
)
async def test_wechat_says_what_is_wrong(replies):
    with recorder() as server:
        error = await refused(team_of("wechat_configs", server), *replies, server=server)
    assert "invalid credential" in str(error)
    assert not error.is_retryable


async def test_pushover_refuses_a_message_without_text(monkeypatch):
    with recorder() as server:
        monkeypatch.setattr("tocsin.notify.pushover.PushoverChannel.api_url", f"{server.url}/1/messages.json")
        await team_of("pushover_configs", server, message=" ", ttl="90s", monospace=True).tell()
    query = server.requests[0].query
    assert (query["message"], query["ttl"], query["monospace"]) == ("(no details)", "90", "1")


# SNS


def test_the_signature_is_that_of_amazons_example():
    headers = signed_headers(
        "GET",
        "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
        {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
        b"",
        credentials=Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        region="us-east-1",
        service="iam",
        now_ms=1_440_938_160_000,
    )
    signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    assert headers["Authorization"].endswith(
        f"SignedHeaders=content-type;host;x-amz-date, Signature={signature}"
    )


async def test_a_queue_in_order_gets_the_group():
    keys = {"topic_arn": "arn:aws:sns:eu-west-1:1:topic.fifo", "attributes": {"a": "{{ .Status }}"}}
    with recorder() as server:
        await team_of("sns_configs", server, **keys).tell()
    form = server.requests[0].form
    assert form["MessageGroupId"] == form["MessageDeduplicationId"] == GROUP
    assert form["MessageAttributes.entry.1.Value.StringValue"] == "firing"
    assert form["Subject"] == "[FIRING:1] node (A)"
    assert "/eu-west-1/sns/aws4_request" in server.requests[0].headers["Authorization"]


async def test_a_short_message_is_cut_and_says_so():
    keys = {"topic_arn": "", "phone_number": "+491234", "message": "ä" * 2000}
    keys["sigv4"] = {"region": "eu-west-1", "access_key": "A", "secret_key": SECRET}
    with recorder() as server:
        await team_of("sns_configs", server, **keys).tell()
    form = server.requests[0].form
    assert len(form["Message"].encode()) == 1600
    assert form["MessageAttributes.entry.1.Name"] == "truncated"


async def test_throttling_by_amazon_passes():
    body = b"<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>"
    with recorder() as server:
        error = await refused(team_of("sns_configs", server), Reply(400, body), server=server)
    assert error.is_retryable


async def test_keys_of_amazon_come_from_the_environment_or_a_file(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    with recorder() as server:
        error = await refused(team_of("sns_configs", server, sigv4={}), server=server)
        assert "no keys are known" in str(error)
        (tmp_path / "credentials").write_text("[p]\naws_access_key_id = FILE\naws_secret_access_key = s\n")
        await team_of("sns_configs", server, sigv4={"profile": "p"}).tell()
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENV")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "session")
        await team_of("sns_configs", server, sigv4={}).tell()
    first, second = (request.headers for request in server.requests)
    assert "Credential=FILE/" in first["Authorization"]
    assert "Credential=ENV/" in second["Authorization"]
    assert second["X-Amz-Security-Token"] == "session"


def test_a_role_is_not_supported_and_that_is_said_at_once():
    with pytest.raises(ConfigError, match="role_arn"):
        Team("sns_configs", {"topic_arn": "arn", "sigv4": {"role_arn": "arn:role"}})


# Apprise


def test_without_apprise_the_command_is_named(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ConfigError) as caught:
        Team("apprise_configs", {"url": f"json://{SECRET}"})
    assert 'the receiver "team.ml": apprise_configs needs the package apprise' in str(caught.value)
    assert str(caught.value).endswith('run: pip install "tocsin[apprise]"')


async def test_a_service_that_apprise_does_not_know_is_final():
    team = Team("apprise_configs", {"url": f"nonsense://{SECRET}"})
    with pytest.raises(DeliveryError, match='of the kind "nonsense"') as caught:
        await team.tell()
    assert not caught.value.is_retryable
    assert SECRET not in str(caught.value)


# Webhook


async def test_a_payload_of_ones_own():
    payload = {
        "text": "{{ .Status }}",
        "count": "{{ len .Alerts }}",
        "alerts": "{{ toJson .Alerts }}",
        "colon": "disk: full",
        "{{ .Status }}": ["{{ .Receiver }}", "true"],
    }
    with recorder() as server:
        await team_of("webhook_configs", server, payload=payload).tell()
    sent = server.requests[0].json
    assert (sent["text"], sent["count"], sent["colon"]) == ("firing", 1, "disk: full")
    assert sent["alerts"][0]["labels"] == {"alertname": "A", "job": "node"}
    assert sent["firing"] == ["team\\.ml", True]


async def test_the_address_of_a_webhook_may_be_a_template():
    with recorder() as server:
        await Team("webhook_configs", {"url": f"{server.url}/{{{{ .Status }}}}"}).tell()
    assert server.requests[0].path == "/firing"


# Truncation


@given(st.text(max_size=30), st.integers(0, 30))
def test_cutting(text, length):
    cut = truncate(text, length)
    assert len(cut) <= length
    assert (cut == text) is (len(text) <= length)
    in_bytes = truncate_bytes(text, length)
    assert len(in_bytes.encode()) <= length
    assert (in_bytes == text) is (len(text.encode()) <= length)
