# ruff: noqa: E501 - each case stands on one line

from __future__ import annotations

import pytest

from tocsin.config import parse_source, validate
from tocsin.config.alerting import AlertingConfig
from tocsin.config.alertmanager import AlertmanagerConfig, advice, read_alertmanager
from tocsin.config.settings import load_settings
from tocsin.errors import ConfigError


def read(text, model=AlertmanagerConfig):
    return validate(model, parse_source(text, "am.yml"))


RECEIVER = "receivers: [{name: a}]\n"
WRONG = {
    "receivers: []": 'am.yml:1: the key "route" is missing in the file',
    RECEIVER + "route: {receiver: b}": 'am.yml:2: route: the receiver "b" is not defined (defined: a)',
    RECEIVER
    + "route:\n  receiver: a\n  routes:\n  - receiver: c": 'the receiver "c" of route.routes[0] is not defined (defined: a)',
    RECEIVER + "route: {}": "am.yml:2: route: the root route needs a receiver",
    RECEIVER + "route: {receiver: a, match: {x: y}}": "route: the root route takes every alert",
    RECEIVER + "route: {receiver: a, continue: true}": "route: the root route takes every alert",
    RECEIVER
    + "route:\n  receiver: a\n  group_interval: 0s": "am.yml:4: route.group_interval: a duration longer",
    RECEIVER + "route:\n  receiver: a\n  group_wait: 5": 'am.yml:4: route.group_wait: not a duration: "5"',
    RECEIVER + "route: {receiver: a, group_by: [x, x]}": 'route.group_by: the label "x" stands twice',
    RECEIVER + "route: {receiver: a, group_by: ['...', x]}": 'route.group_by: "..." cannot stand beside',
    RECEIVER
    + "route:\n  receiver: a\n  routes:\n  - matchers: [x]": "am.yml:5: route.routes[0].matchers: bad matcher",
    RECEIVER + "route: {receiver: a, group_by: [7up]}": 'route.group_by: not a label name: "7up"',
    RECEIVER + "route: {receiver: a, labels: {'': x}}": 'not a label name: ""',
    RECEIVER + "route: {receiver: a, mute_time_intervals: [x]}": "route: the root route is always active",
    RECEIVER + "route: {receiver: a, active_time_intervals: [x]}": "route: the root route is always active",
    RECEIVER
    + "route: {receiver: a, routes: [{mute_time_intervals: [x]}]}": 'the time interval "x" of route.routes[0] is not defined (defined: none)',
    RECEIVER
    + "route: {receiver: a, routes: [{routes: [{active_time_intervals: [x]}]}]}": 'the time interval "x" of route.routes[0].routes[0]',
    RECEIVER
    + "route: {receiver: a}\ntime_intervals: [{name: x}]\nmute_time_intervals: [{name: x}]": 'am.yml:3: time_intervals: the time interval "x" stands twice',
    RECEIVER + "route: {receiver: a, routes: [{matchers: x=y}]}": "route.routes[0].matchers must be a list",
    RECEIVER
    + "route: {receiver: a, routes: [{matchers: [[x]]}]}": "route.routes[0].matchers: each matcher must be text",
    RECEIVER
    + "route: {receiver: a, routes: [{match_re: {x: '('}}]}": "route.routes[0].match_re: invalid regular",
    RECEIVER + "route: {receiver: a, routes: [{match: {größe: x}}]}": "not a label name",
    RECEIVER
    + "route: {receiver: a}\ninhibit_rules:\n- sources: []": 'am.yml:4: unknown key "sources" in inhibit_rules[0] (allowed: equal, name',
    RECEIVER + "route: {receiver: a}\ntracing: {endpoint: x}": 'am.yml:3: unknown key "tracing"',
    "receivers: [{name: a}, {name: a}]\nroute: {receiver: a}": 'receivers: the receiver "a" stands twice',
    "receivers:\n- name: a\n  jira_configs: []\nroute: {receiver: a}": 'am.yml:3: unknown key "jira_configs" in receivers[0] (allowed: apprise_configs, discord_configs',
    "receivers:\n- name: a\n  labels: {name: b}\nroute: {receiver: a}": 'the label "name" must be the receiver\'s name "a", not "b"',
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


def test_alertmanagers_are_found_and_spoken_to_as_targets_are(tmp_path):
    file = tmp_path / "tocsin.yml"
    file.write_text(
        """
alerting:
  alert_relabel_configs: [{action: labeldrop, regex: replica}]
  alertmanagers:
  - file_sd_configs: [{files: ['am/*.yml']}]
    http_sd_configs: [{url: 'http://sd'}]
    dns_sd_configs: [{names: [am.example.com]}]
    relabel_configs: [{action: keep, source_labels: [__address__], regex: a}]
    alert_relabel_configs: [{action: labeldrop, regex: x}]
    tls_config: {ca_file: ca.pem}
    oauth2: {client_id: a, client_secret_file: s, token_url: 'http://t'}
    follow_redirects: false
    timeout: 5s
"""
    )
    alerting = load_settings(file).alerting
    (config,) = alerting.alertmanagers
    assert config.file_sd_configs[0].files == (tmp_path / "am/*.yml",)
    assert config.tls_config.ca_file == tmp_path / "ca.pem"
    assert config.oauth2.client_secret_file == tmp_path / "s"
    assert (config.timeout, config.follow_redirects, config.path_prefix) == (5000, False, "/")
    assert alerting.alert_relabel_configs[0].regex == "replica"


@pytest.mark.parametrize("key", ["match", "match_re"])
def test_a_condition_without_a_value_is_refused(tmp_path, key):
    text = f"receivers: [{{name: a}}]\nroute:\n  receiver: a\n  routes:\n  - {key}:\n      team:\n"
    file = tmp_path / "am.yml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=f'am.yml:6: the value of the label "team" is missing in {key}'):
        read_alertmanager(file)
    inline = tmp_path / "tocsin.yml"
    inline.write_text("alertmanager:\n  " + text.replace("\n", "\n  ").rstrip())
    with pytest.raises(ConfigError, match=f'tocsin.yml:7: the value of the label "team" is missing in {key}'):
        load_settings(inline)


def test_only_one_place_for_an_alertmanager_yml(tmp_path):
    (tmp_path / "am.yml").write_text("receivers: [{name: a}]\nroute: {receiver: a}\ntemplates: [t]")
    file = tmp_path / "tocsin.yml"
    file.write_text("alertmanager_config: am.yml")
    assert load_settings(file).alertmanager.templates == (tmp_path / "t",)
    file.write_text(
        "alertmanager_config: am.yml\nalertmanager: {receivers: [{name: a}], route: {receiver: a}}"
    )
    with pytest.raises(ConfigError, match="only one of alertmanager and alertmanager_config"):
        load_settings(file)


def test_labels_need_not_be_of_the_classic_kind():
    config = read(
        """
receivers: [{name: a}]
route:
  receiver: a
  group_by: [service.name, größe]
  routes: [{matchers: ['"service.name"=x', 'größe="1"']}]
inhibit_rules: [{equal: [service.name]}]
"""
    )
    assert [matcher.name for matcher in config.route.routes[0].all_matchers] == ["größe", "service.name"]


def test_matchers_are_in_alertmanagers_order():
    route = read(
        "receivers: [{name: a}]\n"
        "route: {receiver: a, routes: [{matchers: ['b=a', 'a=~x', 'a!=x', 'a!~x', 'a=x', 'a=w']}]}"
    ).route.routes[0]
    assert [str(matcher) for matcher in route.all_matchers] == [
        'a="w"',
        'a="x"',
        'a!="x"',
        'a=~"x"',
        'a!~"x"',
        'b="a"',
    ]


def test_advice_names_what_the_newer_grammar_reads_otherwise():
    text = "route:\n  matchers:\n  - a=b\n  - a=\n  - 'a=\"\\t\"'\n"
    assert advice(parse_source(text, "am.yml")) == [
        'am.yml:4: the newer grammar does not read the matcher a= (write a="")',
        r'am.yml:5: the newer grammar reads the matcher a="\t" differently, and it is read as a="\\t"',
    ]
