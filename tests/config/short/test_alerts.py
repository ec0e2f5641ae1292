from __future__ import annotations

import pytest

from tests.support.short import HOOK, groups, load, receiver
from tocsin.alerts import build_route
from tocsin.config.alertmanager import AlertmanagerConfig
from tocsin.errors import ConfigError
from tocsin.web.shown_config import shown_alertmanager_config

EVERYTHING = """
alerts:
  channels:
    slack: {webhook_url: ${SLACK_URL}, channel: "#ml"}
    email:
      smtp_server: smtp.example.com
      from_address: a@example.com
      to_addresses: [b@example.com, c@example.com]
      username: bell
      password: ${MAIL_PASSWORD}
    webhook: {url: "http://127.0.0.1:9/hook", send_resolved: false}
    pagerduty: {integration_key: abc}
    teams: {webhook_url: "https://prod.logic.azure.com/x"}
    old-teams: {type: teams, webhook_url: "https://corp.webhook.office.com/x"}
    discord: {webhook_url: "https://discord.com/api/x"}
    telegram: {bot_token: t, chat_id: -100}
    opsgenie: {api_key: k}
    apprise: {url: "json://localhost"}
  rules:
    memory_usage:
      condition: "memory_usage > 0.90"
      severity: critical
      channels: [slack, email]
      for: 2m
      message: "{{ $labels.instance }} is full"
    queue: {condition: "inference_queue_length > 5", for: 30}
    quiet: {condition: vector(1), channels: []}
  levels:
    critical: {response_time: 5m, channels: [slack, email], message_template: "now: {{ .Status }}"}
    high: {channels: [slack]}
    low: {channels: []}
"""


@pytest.fixture
def everything(tmp_path, monkeypatch):
    monkeypatch.setenv("SLACK_URL", "https://hooks.slack.com/services/s3cret")
    monkeypatch.setenv("MAIL_PASSWORD", "hunter2")
    return load(tmp_path, EVERYTHING)


def told(settings, **labels):
    return [route.receiver for route in build_route(settings.alertmanager.route).match(labels)]


def test_rules_become_alerting_rules(everything):
    (group,) = groups(everything).values()
    memory, queue, quiet = group.config.rules
    assert group.config.interval_ms == 1000
    assert (memory.alert, memory.expr, memory.hold_ms) == ("memory_usage", "memory_usage > 0.90", 120_000)
    assert memory.labels == {"severity": "critical"}
    assert memory.annotations["summary"] == "{{ $labels.instance }} is full"
    assert (queue.hold_ms, queue.labels) == (30_000, {"severity": "warning"})
    assert queue.annotations["description"] == "Condition: inference_queue_length > 5"
    assert quiet.hold_ms == 0


def test_channels_become_receivers(everything):
    (slack,) = receiver(everything, "slack").slack_configs
    assert slack.api_url.get_secret_value() == "https://hooks.slack.com/services/s3cret"
    assert (slack.channel, slack.send_resolved) == ("#ml", True)
    assert ".Annotations.summary" in slack.text
    (email,) = receiver(everything, "email").email_configs
    assert (email.smarthost, email.from_, email.require_tls) == (
        "smtp.example.com:587",
        "a@example.com",
        True,
    )
    assert email.to == "b@example.com, c@example.com"
    assert (email.auth_username, email.auth_password.get_secret_value()) == ("bell", "hunter2")
    (hook,) = receiver(everything, "webhook").webhook_configs
    assert not hook.send_resolved
    (pagerduty,) = receiver(everything, "pagerduty").pagerduty_configs
    assert pagerduty.routing_key.get_secret_value() == "abc"
    assert len(receiver(everything, "teams").msteamsv2_configs) == 1
    assert len(receiver(everything, "old-teams").msteams_configs) == 1
    assert receiver(everything, "telegram").telegram_configs[0].chat_id == -100
    for name in ("discord", "opsgenie", "apprise"):
        assert len(getattr(receiver(everything, name), f"{name}_configs")) == 1


def test_alerts_go_to_the_channels_of_their_rule_or_level(everything):
    assert told(everything, alertname="memory_usage", severity="critical") == ["critical: slack/email"]
    assert told(everything, alertname="quiet", severity="warning") == ["nobody"]
    assert told(everything, alertname="Shipped", severity="critical") == ["critical: slack/email"]
    assert told(everything, alertname="Mine", severity="high") == ["slack"]
    assert told(everything, alertname="Mine", severity="low") == ["nobody"]
    everybody = "/".join(everything.alerts.channels)
    for severity in ("warning", "medium", "info", "", "page"):
        assert told(everything, alertname="X", severity=severity) == [everybody]
    assert told(everything, alertname="X", severity="none") == ["nobody"]


def test_nobody_has_a_route_for_the_alert_that_always_fires(everything):
    root = build_route(everything.alertmanager.route)
    assert root.match({"alertname": "Watchdog", "severity": "none"}) == [root]


def test_a_message_template_replaces_the_text(everything):
    critical = receiver(everything, "critical: slack/email")
    assert critical.slack_configs[0].text == "now: {{ .Status }}"
    assert (critical.email_configs[0].text, critical.email_configs[0].html) == ("now: {{ .Status }}", "")
    assert receiver(everything, "slack").slack_configs[0].text != "now: {{ .Status }}"


def test_a_level_escalates_to_the_one_above(everything):
    found = {each.name: each for each in everything.escalations}
    assert list(found) == ["alerts/critical", "alerts/high", "alerts/medium"]
    assert [(level.after, level.to) for level in found["alerts/critical"].levels] == [
        (300_000, ("critical: slack/email",))
    ]
    assert [(level.after, level.to) for level in found["alerts/high"].levels] == [
        (3_600_000, ("critical: slack/email",))
    ]
    medium = found["alerts/medium"]
    assert (medium.mode, [str(matcher) for matcher in medium.matchers]) == (
        "manual",
        ['severity=~"medium|warning"'],
    )
    assert [level.to for level in medium.levels] == [("slack",), ("critical: slack/email",)]
    assert [level.after for level in medium.levels] == [4 * 3_600_000, 5 * 3_600_000]


def test_a_level_may_escalate_by_itself_or_not_at_all(tmp_path):
    levels = "levels: {critical: {escalation: none}, info: {escalation: automatic, response_time: 60}}"
    settings = load(tmp_path, HOOK.removesuffix("}") + f", {levels}}}")
    modes = {each.name: each.mode for each in settings.escalations}
    assert modes == {"alerts/high": "automatic", "alerts/medium": "manual", "alerts/info": "automatic"}
    info = settings.escalations[-1]
    assert info.levels[0].after == 60_000
    assert len(info.levels) == 4


def test_secrets_are_never_shown(everything):
    shown = str(everything.model_dump(mode="json", by_alias=True))
    shown += repr(everything) + shown_alertmanager_config(everything.alertmanager)
    assert "hooks.slack.com" in shown
    assert "s3cret" not in shown
    assert "hunter2" not in shown


def test_three_lines_are_enough_to_be_told_of_everything_shipped(tmp_path):
    settings = load(tmp_path, HOOK)
    for severity in ("critical", "warning", "info"):
        assert told(settings, alertname="X", severity=severity) == ["webhook"]
    route = build_route(settings.alertmanager.route)
    assert {each.group_wait_ms for each in (route, *route.routes)} == {0}
    assert {each.group_interval_ms for each in (route, *route.routes) if each.receiver == "webhook"} == {
        10_000
    }


def test_what_is_compiled_is_an_alertmanager_configuration(everything):
    config = everything.alertmanager
    again = AlertmanagerConfig(
        receivers=config.receivers, route=config.route, inhibit_rules=config.inhibit_rules
    )
    assert again == config


BESIDE = """
monitoring: {thresholds: {memory: {warning: 0.8}}}
alerts:
  channels: {hook: {type: webhook, url: "http://127.0.0.1:9/"}}
  rules: {full: {condition: memory_usage > 0.9, severity: critical}}
alertmanager:
  route: {receiver: team, group_wait: 1m, routes: [{matchers: [severity=critical], receiver: pager}]}
  receivers: [{name: team}, {name: pager}]
  mute_time_intervals: [{name: nights}]
  global: {smtp_from: x}
"""


def test_beside_an_alertmanager_section_only_short_forms_are_routed(tmp_path):
    settings = load(tmp_path, BESIDE)
    assert told(settings, alertname="full", severity="critical") == ["hook"]
    assert told(settings, alertname="MemoryAboveThreshold", severity="warning") == ["hook"]
    assert told(settings, alertname="Shipped", severity="critical") == ["pager"]
    assert told(settings, alertname="Shipped", severity="warning") == ["team"]
    assert settings.alertmanager.global_.smtp_from == "x"
    routes = build_route(settings.alertmanager.route).routes
    assert [route.group_wait_ms for route in routes] == [0, 0, 60_000]
    assert not any(route.continues for route in routes)
    assert [(each.name, [str(matcher) for matcher in each.matchers]) for each in settings.escalations] == [
        ("alerts/full/critical", ['alertname="full"', 'severity="critical"']),
        ("alerts/MemoryAboveThreshold/warning", ['alertname="MemoryAboveThreshold"', 'severity="warning"']),
    ]


def test_an_alertmanager_section_may_name_channels_as_receivers(tmp_path):
    text = BESIDE.replace(
        "receivers: [{name: team}, {name: pager}]", "receivers: [{name: team}, {name: hook}]"
    )
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text.replace("pager", "team"))
    assert str(caught.value) == (
        f'{tmp_path}/tocsin.yml:4: alerts.channels: the receiver "hook" stands in alertmanager and is needed'
        " here too; give it or the channel another name (a channel may have any, with a type)"
    )


def test_without_channels_everything_goes_its_usual_way(tmp_path):
    settings = load(tmp_path, "alerts: {rules: {a: {condition: up == 0}}}")
    assert settings.alertmanager is None
    assert settings.escalations == ()
    assert list(groups(settings)) == ["alerts"]
    assert load(tmp_path, "").alerts.channels == {}
    assert groups(load(tmp_path, "")) == {}


def test_escalations_of_ones_own_come_first_and_may_name_channels(tmp_path):
    settings = load(
        tmp_path, f"{HOOK}\nescalations: [{{name: mine, levels: [{{after: 1m, to: [webhook]}}]}}]"
    )
    assert [each.name for each in settings.escalations][:2] == ["mine", "alerts/critical"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("chanels: {}", "2: alerts.chanels: unknown key (allowed: channels, levels, rules)"),
        ("channels: [slack]", "2: alerts.channels must be a mapping, not a list"),
        (
            "channels:\n    ops: {url: 'http://a/'}",
            "3: alerts.channels.ops: type is missing (allowed: apprise, discord, email, opsgenie, ",
        ),
        (
            "channels:\n    ops: {type: sms}",
            '3: alerts.channels.ops.type: there is no type "sms" (allowed: apprise, discord, ',
        ),
        ("channels:\n    slack: hello", "3: alerts.channels.slack: a channel must be a mapping"),
        (
            "channels:\n    slack:\n      url: 'http://a/'",
            "4: alerts.channels.slack.url: unknown key (allowed: channel, send_resolved, type, webhook_url)",
        ),
        (
            "channels:\n    slack: {channel: '#a'}",
            '3: the key "webhook_url" is missing in alerts.channels.slack',
        ),
        (
            "channels:\n    slack: {webhook_url: hello-s3cret}",
            "3: alerts.channels.slack.webhook_url: not a URL that begins with http:// or https://",
        ),
        ("channels:\n    a/b: {type: slack}", "3: alerts.channels.a/b: no name for a channel (it has no /"),
        ("channels:\n    nobody: {type: slack}", "3: alerts.channels.nobody: no name for a channel"),
        (
            "channels:\n    pagerduty: {routing_key: a, integration_key: b}",
            "3: alerts.channels.pagerduty: one of routing_key and integration_key is needed, and not both",
        ),
        (
            "channels:\n    email: {smtp_server: a, from_address: b, to_addresses: []}",
            "3: alerts.channels.email.to_addresses: at least one address is needed",
        ),
        (
            "channels: {apprise: {url: a}}\n  rules:\n    a:\n      condition: a\n      channels: [x]",
            '6: alerts.rules.a.channels[0]: the channel "x" is not defined (defined: apprise)',
        ),
        (
            "levels:\n    high: {channels: [x]}",
            '3: alerts.levels.high.channels[0]: the channel "x" is not defined (defined: none)',
        ),
        ("levels:\n    urgent: {}", "3: alerts.levels.urgent: no level (allowed: critical, high, medium, "),
        (
            "levels:\n    high: {escalation: maybe}",
            "3: alerts.levels.high.escalation: input should be 'automatic', 'manual' or 'none'",
        ),
        (
            "levels:\n    high: {response_time: 5 minutes}",
            '3: alerts.levels.high.response_time: not a duration: "5 minutes"',
        ),
        ("rules:\n    a: {}", '3: the key "condition" is missing in alerts.rules.a'),
        ("rules:\n    a: {condition: ' '}", "3: alerts.rules.a.condition: a condition in PromQL is needed"),
        (
            "rules:\n    a: {condition: up, severity: bad}",
            "3: alerts.rules.a.severity: input should be 'critical'",
        ),
        (
            "rules:\n    a: {conditon: up}",
            "3: alerts.rules.a.conditon: unknown key (allowed: channels, condition, for, message, severity)",
        ),
        ("rules:\n    '': {condition: up}", "2: alerts.rules: a rule has an empty name"),
        (
            "rules:\n    a: {condition: up, channels: [a, a]}",
            '3: alerts.rules.a.channels: the channel "a" stands twice',
        ),
        ("rules:\n    a:\n      condition: up >\n", "4: a: expr: "),
        ("rules:\n    a:\n      condition: up\n      message: '{{ $x'\n", "5: a: annotations.summary: "),
    ],
)
def test_a_fault_names_file_line_and_key(tmp_path, text, sentence):
    with pytest.raises(ConfigError) as caught:
        groups(load(tmp_path, f"alerts:\n  {text}\n"))
    assert str(caught.value).startswith(f"{tmp_path}/tocsin.yml:{sentence}")
    assert "s3cret" not in str(caught.value)
