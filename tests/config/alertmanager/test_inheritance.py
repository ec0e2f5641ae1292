"""What receivers take from the global section, and what they do not."""

from __future__ import annotations

import pytest

from tests.config.alertmanager.test_channels import KINDS, read
from tocsin.errors import ConfigError

TAKEN = [
    (
        "email_configs",
        "{to: a}",
        "{smtp_from: f, smtp_smarthost: 'h:25'}",
        {"from_": "f", "smarthost": "h:25"},
    ),
    (
        "email_configs",
        "{to: a, from: g, smarthost: 'i:1'}",
        "{smtp_from: f}",
        {"from_": "g", "smarthost": "i:1"},
    ),
    ("pagerduty_configs", "{routing_key: k}", "{}", {"url": "https://events.pagerduty.com/v2/enqueue"}),
    ("pagerduty_configs", "{routing_key: k}", "{pagerduty_url: 'http://x'}", {"url": "http://x"}),
    (
        "opsgenie_configs",
        "{}",
        "{opsgenie_api_key: k, opsgenie_api_url: 'http://x'}",
        {"api_url": "http://x/"},
    ),
    ("victorops_configs", "{routing_key: r}", "{victorops_api_key: k}", {"api_key": "k"}),
    ("telegram_configs", "{chat_id: 1}", "{telegram_bot_token: t}", {"bot_token": "t"}),
    ("telegram_configs", "{chat_id: 1, bot_token: u}", "{telegram_bot_token: t}", {"bot_token": "u"}),
    ("telegram_configs", "{chat_id: 1, bot_token_file: f}", "{telegram_bot_token: t}", {"bot_token": None}),
    ("wechat_configs", "{corp_id: ''}", "{wechat_api_secret: s, wechat_api_corp_id: c}", {"corp_id": "c"}),
    ("slack_configs", "{}", "{slack_api_url: 'http://x'}", {"api_url": "http://x"}),
    ("slack_configs", "{}", "{slack_api_url_file: f}", {"api_url": None}),
    (
        "slack_configs",
        "{api_url: 'http://y'}",
        "{slack_app_token: t}",
        {"api_url": "http://y", "app_token": None},
    ),
    (
        "slack_configs",
        "{app_url: 'http://z'}",
        "{slack_app_token: t}",
        {"api_url": "http://z", "app_token": "t"},
    ),
]


def plain(value):
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


@pytest.mark.parametrize(("kind", "entry", "general", "wanted"), TAKEN)
def test_what_is_taken(kind, entry, general, wanted):
    channel = read(kind, entry, general)
    assert {key: plain(getattr(channel, key)) for key in wanted} == wanted


@pytest.mark.parametrize(
    ("kind", "entry", "missing"),
    [
        ("email_configs", "{to: a}", "no smarthost"),
        ("email_configs", "{to: a, smarthost: 'b:25'}", "no from"),
        ("opsgenie_configs", "{}", "no api_key"),
        ("slack_configs", "{}", "no api_url and no app_token"),
        ("telegram_configs", "{chat_id: 1}", "no bot_token"),
        ("victorops_configs", "{routing_key: r}", "no api_key"),
        ("wechat_configs", "{api_secret: s}", "no corp_id"),
        ("wechat_configs", "{corp_id: c}", "no api_secret"),
    ],
)
def test_what_is_missing_is_said_where_it_is(kind, entry, missing):
    with pytest.raises(ConfigError) as caught:
        read(kind, entry)
    assert str(caught.value).startswith(f'am.yml:6: receivers[0].{kind}[0]: the receiver "team": {missing}')
    assert "in global" in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_requests_are_made_as_global_says_unless_the_channel_does(kind):
    general = "{http_config: {follow_redirects: false}}"
    channel = read(kind, KINDS[kind], general)
    if kind in {"email_configs", "apprise_configs"}:
        assert not hasattr(channel, "http_config")
        return
    # A Webex receiver always has a token of its own, and with it requests of its own.
    assert channel.http_config.follow_redirects is (kind == "webex_configs")
    own = KINDS[kind].replace("{", "{http_config: {enable_http2: false}, ", 1)
    if kind != "webex_configs":
        assert read(kind, own, general).http_config.follow_redirects


def test_a_bot_of_slack_is_authorized_by_its_token():
    config = read("slack_configs", "{update_message: true}", "{slack_app_token_file: f}")
    assert config.http_config.authorization.credentials_file == config.app_token_file
    assert plain(config.api_url) == "https://slack.com/api/chat.postMessage"


def test_an_authorization_of_its_own_keeps_slack_from_the_global_token():
    general = "{slack_app_token: t, slack_api_url: 'https://slack.com/api/chat.postMessage'}"
    config = read("slack_configs", "{http_config: {authorization: {credentials: mine}}}", general)
    assert config.app_token is None
    assert config.http_config.authorization.credentials.get_secret_value() == "mine"


@pytest.mark.parametrize(
    ("general", "sentence"),
    [
        (
            "\n  slack_api_url: http://x\n  slack_api_url_file: f",
            "am.yml:3: global.slack_api_url_file: only one of",
        ),
        (
            "\n  smtp_auth_password: p\n  smtp_auth_password_file: f",
            "am.yml:3: global.smtp_auth_password_file",
        ),
        ("{slack_api_url: 'http://x', slack_app_token: t}", "cannot stand beside slack_app_token"),
        ("{smtp_smarthost: mail}", '"mail" is not a host and a port'),
        ("{pagerduty_url: here}", '"here" is not a URL that begins with http'),
        ("{slack_url: x}", 'unknown key "slack_url" in global (allowed: http_config'),
    ],
)
def test_what_is_wrong_in_global(general, sentence):
    with pytest.raises(ConfigError) as caught:
        read("webhook_configs", "{url: 'http://x'}", general)
    assert sentence in str(caught.value)
