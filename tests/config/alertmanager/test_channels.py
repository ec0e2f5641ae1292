"""The same checks over the configuration of every kind of channel."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from tocsin.config import parse_source, read_source, validate
from tocsin.config.alertmanager import AlertmanagerConfig, HttpConfig, ReceiverConfig, read_alertmanager
from tocsin.errors import ConfigError

KINDS = {
    "apprise_configs": "{url: 'xyz://SECRET'}",
    "discord_configs": "{webhook_url: 'https://x/SECRET'}",
    "email_configs": "{to: a, from: b, smarthost: 'c:25', auth_password: SECRET, auth_secret: SECRET}",
    "msteams_configs": "{webhook_url: 'https://x/SECRET'}",
    "msteamsv2_configs": "{webhook_url: 'https://x/SECRET'}",
    "opsgenie_configs": "{api_key: SECRET}",
    "pagerduty_configs": "{routing_key: SECRET}",
    "pushover_configs": "{user_key: SECRET, token: SECRET}",
    "slack_configs": "{api_url: 'https://x/SECRET'}",
    "sns_configs": "{topic_arn: t, sigv4: {access_key: a, secret_key: SECRET}}",
    "telegram_configs": "{bot_token: SECRET, chat_id: 1}",
    "victorops_configs": "{api_key: SECRET, routing_key: r}",
    "webex_configs": "{room_id: r, http_config: {authorization: {credentials: SECRET}}}",
    "webhook_configs": "{url: 'https://x/SECRET'}",
    "wechat_configs": "{api_secret: SECRET, corp_id: c}",
}
WRONG = {
    "apprise_configs": ["{}", "{url: a, url_file: b}", "{url: a, tag: b}"],
    "discord_configs": [
        "{}",
        "{webhook_url: 'ftp://SECRET'}",
        "{webhook_url: 'http://x', webhook_url_file: f}",
    ],
    "email_configs": [
        "{to: a, from: b, smarthost: c}",
        "{to: a, from: b, smarthost: 'c:25', auth_password: SECRET, auth_password_file: f}",
        "{to: a, headers: {references: x}, threading: {enabled: true, thread_by_date: none}}",
        "{to: a, from: b, smarthost: 'c:25', require_tls: perhaps}",
    ],
    "msteams_configs": ["{title: x}"],
    "msteamsv2_configs": ["{title: x}", "{webhook_url: 'http://x', summary: y}"],
    "opsgenie_configs": [
        "{api_key: k, responders: [{type: team}]}",
        "{api_key: k, responders: [{id: i, type: boss}]}",
        "{api_key: k, api_url: here}",
    ],
    "pagerduty_configs": ["{}", "{routing_key: SECRET, routing_key_file: f}", "{routing_key: k, timeout: 5}"],
    "pushover_configs": [
        "{user_key: u}",
        "{token: t}",
        "{user_key: u, token: t, html: true, monospace: true}",
        "{user_key: u, token: t, retry: 1d}",
    ],
    "slack_configs": [
        "{api_url: 'https://x', update_message: true}",
        "{app_token: SECRET, http_config: {authorization: {credentials: SECRET}}}",
        "{api_url: 'https://x', actions: [{type: button, text: t}]}",
        "{api_url: 'https://x', actions: [{type: button, text: t, url: u, confirm: {}}]}",
    ],
    "sns_configs": ["{}", "{topic_arn: a, phone_number: b}", "{topic_arn: a, sigv4: {secret_key: SECRET}}"],
    "telegram_configs": [
        "{bot_token: SECRET}",
        "{bot_token: t, chat_id: 1, chat_id_file: f}",
        "{bot_token: t, chat_id: 1, parse_mode: markdown}",
        "{bot_token: t, chat_id: here}",
    ],
    "victorops_configs": ["{api_key: k}", "{api_key: k, routing_key: r, custom_fields: {entity_id: x}}"],
    "webex_configs": ["{room_id: r}", "{room_id: r, http_config: {basic_auth: {password: SECRET}}}"],
    "webhook_configs": ["{}", "{url: 'http://x', max_alerts: -1}", "{url: 'http://x', timeout: soon}"],
    "wechat_configs": ["{api_secret: s, corp_id: c, message_type: voice}", "{api_secret: SECRET}"],
}


def read(kind, entry, general="{}"):
    text = f"global: {general}\nroute: {{receiver: team}}\nreceivers:\n- name: team\n  {kind}:\n  - {entry}\n"
    config = validate(AlertmanagerConfig, parse_source(text, "am.yml"))
    (channel,) = getattr(config.receivers[0], kind)
    return channel


def test_every_kind_is_tried():
    kinds = {name for name in ReceiverConfig.model_fields if name.endswith("_configs")}
    assert kinds == set(KINDS) == set(WRONG)


@pytest.mark.parametrize("kind", KINDS)
def test_the_least_is_enough_and_secrets_are_not_shown(kind):
    channel = read(kind, KINDS[kind])
    assert "SECRET" not in repr(channel) + str(channel)
    assert any("SECRET" in str(secret) for secret in secrets_of(channel))


def secrets_of(value):
    if isinstance(value, SecretStr):
        return [value.get_secret_value()]
    parts = [part for _, part in value] if hasattr(value, "model_fields_set") else ()
    return [secret for part in parts for secret in secrets_of(part)]


@pytest.mark.parametrize(("kind", "entry"), [(kind, entry) for kind in WRONG for entry in WRONG[kind]])
def test_what_is_wrong_is_named_with_its_line(kind, entry):
    with pytest.raises(ConfigError) as caught:
        read(kind, entry)
    assert str(caught.value).startswith("am.yml:6: ")
    assert f"receivers[0].{kind}[0]" in str(caught.value)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_key_is_refused_and_the_known_ones_are_listed(kind):
    with pytest.raises(ConfigError, match=r'unknown key "colour" in .*\(allowed: .*send_resolved'):
        read(kind, KINDS[kind].replace("{", "{colour: red, ", 1))


@pytest.mark.parametrize("kind", ["jira_configs", "mattermost_configs", "rocketchat_configs"])
def test_kinds_that_are_not_there_are_refused_with_one_sentence(kind):
    with pytest.raises(ConfigError, match=f'unknown key "{kind}" in receivers'):
        read(kind, "{}")


def test_defaults_are_templates_of_the_same_name():
    for kind, entry in KINDS.items():
        name = kind.removesuffix("_configs")
        texts = [text for _, text in read(kind, entry) if isinstance(text, str) and "{{ template" in text]
        assert all(text.startswith(f'{{{{ template "{name}.default.') for text in texts), texts
        assert texts or kind == "webhook_configs"


def test_details_of_pagerduty_are_added_to_the_usual_ones():
    config = read("pagerduty_configs", "{service_key: k, client: me, details: {firing: x, more: {a: [b]}}}")
    assert config.details["firing"] == "x"
    assert config.details["more"] == {"a": ["b"]}
    assert config.details["num_firing"] == "{{ .Alerts.Firing | len }}"
    assert config.source == "me"


def test_a_template_as_a_url_is_taken_as_it_is():
    config = read(
        "webhook_configs", "{url: 'http://{{ .GroupLabels.host }}/x', timeout: 1m1.5s, payload: {a: [b]}}"
    )
    assert "{{" in config.url.get_secret_value()
    assert (config.timeout, config.payload) == (61_500, {"a": ["b"]})


@pytest.mark.parametrize(("kind", "path"), [("opsgenie", "/v2"), ("victorops", "/v2"), ("wechat", "/v2")])
def test_addresses_that_paths_are_appended_to_end_in_a_slash(kind, path):
    entry = KINDS[f"{kind}_configs"].replace("{", f"{{api_url: 'https://x{path}?a=b', ", 1)
    assert read(f"{kind}_configs", entry).api_url == f"https://x{path}/?a=b"


def test_headers_of_emails_are_written_alike():
    entry = "{to: a, from: b, smarthost: '[::1]:25', headers: {reply-TO: x, 'not a token': y}}"
    assert read("email_configs", entry).headers == {"Reply-To": "x", "not a token": "y"}


def test_names_of_files_are_relative_to_the_file(tmp_path):
    file = tmp_path / "sub" / "am.yml"
    file.parent.mkdir()
    file.write_text(
        """
global: {http_config: {http_headers: {X-A: {files: [h]}}, tls_config: {ca_file: ca}}}
templates: ['t/*.tmpl', /etc/x.tmpl]
route: {receiver: a}
receivers:
- name: a
  webhook_configs: [{url_file: secret}]
"""
    )
    config = read_alertmanager(file)
    (webhook,) = config.receivers[0].webhook_configs
    assert config.templates == (file.parent / "t/*.tmpl", Path("/etc/x.tmpl"))
    assert webhook.url_file == file.parent / "secret"
    assert webhook.http_config.http_headers[0].files == (file.parent / "h",)
    assert webhook.http_config.tls_config.ca_file == file.parent / "ca"


def test_names_in_the_environment_are_not_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("TOKEN", "word")
    file = tmp_path / "am.yml"
    file.write_text("route: {receiver: '${TOKEN}'}\nreceivers: [{name: '${TOKEN}'}]")
    assert read_alertmanager(file).route.receiver == "${TOKEN}"


def http_config(text):
    return validate(HttpConfig, parse_source(text, "http.yml"))


def test_a_bearer_token_becomes_an_authorization():
    assert http_config("bearer_token: SECRET").authorization.credentials.get_secret_value() == "SECRET"
    assert http_config("bearer_token_file: f").authorization.credentials_file == Path("f")
    assert http_config("bearer_token: ''").authorization is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{bearer_token: a, bearer_token_file: b}", "only one of bearer_token and bearer_token_file"),
        ("{bearer_token: a, basic_auth: {username: u}}", "only one of bearer_token and basic_auth"),
        ("{authorization: {}, basic_auth: {}}", "only one of basic_auth and authorization"),
        (
            "{authorization: {}, oauth2: {client_id: a, client_secret: b, token_url: c}}",
            "authorization and oauth2",
        ),
        ("{oauth2: {client_id: a, token_url: c}}", "oauth2 needs a client_secret or a client_secret_file"),
        ("{oauth2: {client_id: a, client_secret: b}}", 'the key "token_url" is missing in oauth2'),
        ("{proxy_url: a, proxy_from_environment: true}", "only one of proxy_from_environment and proxy_url"),
        ("{no_proxy: a}", "no_proxy needs a proxy_url"),
        ("{proxy_connect_header: {A: [b]}}", "proxy_connect_header needs a proxy_url"),
        ("{http_headers: {Host: {values: [a]}}}", 'the header "Host" cannot be set here'),
        ("{http_headers: {A: {name: b}}}", 'unknown key "name" in the header "A"'),
        ("{http_headers: {A: {value: b}}}", 'unknown key "value"'),
        ("{tls_config: {cert_file: a}}", "tls_config needs both cert_file and key_file"),
    ],
)
def test_what_is_wrong_about_requests(text, sentence):
    with pytest.raises(ConfigError) as caught:
        http_config(text)
    assert sentence in str(caught.value)


def test_the_whole_of_the_full_file_is_read():
    full = Path(__file__).with_name("full.yml")
    config = validate(AlertmanagerConfig, read_source(full))
    assert list(config.intervals) == ["sundays", "often"]
    assert [str(matcher) for matcher in config.inhibit_rules[0].source] == [
        'a=~"^(?:b.*)$"',
        'a="b"',
        'a="b"',
        'c!~"d"',
    ]
