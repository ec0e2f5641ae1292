# ruff: noqa: E501 - each case stands on one line

from __future__ import annotations

import pytest

from tocsin.config import parse_source, validate
from tocsin.config.alerting import AlertingConfig, AlertmanagerConfig
from tocsin.errors import ConfigError


def read(text, model=AlertmanagerConfig):
    return validate(model, parse_source(text, "am.yml"))


RECEIVER = "receivers: [{name: a}]\n"
WRONG = {
    "receivers: []": 'am.yml:1: the key "route" is missing in the file',
    RECEIVER + "route: {receiver: b}": 'am.yml:2: route: the receiver "b" is not defined (defined: a)',
    RECEIVER + "route:\n  receiver: a\n  routes:\n  - receiver: c": 'the receiver "c" is not defined',
    RECEIVER + "route: {}": "am.yml:2: route: the root route needs a receiver",
    RECEIVER + "route: {receiver: a, match: {x: y}}": "route: the root route takes every alert",
    RECEIVER + "route: {receiver: a, continue: true}": "route: the root route takes every alert",
    RECEIVER
    + "route:\n  receiver: a\n  group_interval: 0s": "am.yml:4: route.group_interval: a duration longer",
    RECEIVER + "route:\n  receiver: a\n  group_wait: 5": 'am.yml:4: route.group_wait: not a duration: "5"',
    RECEIVER + "route: {receiver: a, group_by: [x, x]}": "route.group_by: a label stands twice",
    RECEIVER + "route: {receiver: a, group_by: ['...', x]}": 'route.group_by: "..." cannot stand beside',
    RECEIVER
    + "route:\n  receiver: a\n  routes:\n  - matchers: [x]": "am.yml:5: route.routes[0].matchers: bad matcher",
    RECEIVER + "route: {receiver: a, mute_time_intervals: [x]}": 'unknown key "mute_time_intervals" in route',
    RECEIVER + "route: {receiver: a}\ninhibit_rules: []": 'am.yml:3: unknown key "inhibit_rules"',
    "receivers: [{name: a}, {name: a}]\nroute: {receiver: a}": 'receivers: the receiver "a" stands twice',
    "receivers:\n- name: a\n  slack_configs: []\nroute: {receiver: a}": 'am.yml:3: unknown key "slack_configs" in receivers[0] (allowed: name, webhook_configs)',
    "receivers: [{name: a, webhook_configs: [{}]}]\nroute: {receiver: a}": "one of url and url_file is needed",
    "receivers: [{name: a, webhook_configs: [{url: 'ftp://secret'}]}]\nroute: {receiver: a}": "not a URL that begins with",
    "receivers: [{name: a, webhook_configs: [{url: 'http://x', max_alerts: -1}]}]\nroute: {receiver: a}": "max_alerts",
}


@pytest.mark.parametrize(("text", "sentence"), WRONG.items())
def test_what_is_wrong_is_named(text, sentence):
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert sentence in str(caught.value)
    assert "secret" not in str(caught.value)


def test_secrets_are_not_shown():
    config = read(
        """
receivers:
- name: a
  webhook_configs:
  - url: https://hooks.example.com/secret-path
    http_config: {basic_auth: {username: u, password: secret-word}}
  - url: http://x
    http_config: {authorization: {credentials: secret-token}}
route: {receiver: a}
"""
    )
    assert "secret-" not in repr(config) + str(config)
    assert config.receivers[0].webhook_configs[0].url.get_secret_value().endswith("/secret-path")


def test_alertmanagers_of_a_prometheus_yml():
    config = read("alertmanagers: [{static_configs: [{targets: ['a:9093']}], scheme: https}]", AlertingConfig)
    assert config.alertmanagers[0].scheme == "https"
    with pytest.raises(ConfigError, match="api_version"):
        read("alertmanagers: [{api_version: v1}]", AlertingConfig)
