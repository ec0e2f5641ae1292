"""Beside a real Alertmanager: the same configuration and alerts through both give the same requests."""

from __future__ import annotations

import asyncio
import re
import shutil
import ssl
import subprocess

import httpx
import pytest
from prometheus_client import CollectorRegistry

from tests.notify.alertmanager import alertmanager
from tests.notify.recorder import recorder
from tocsin.alerts import Alert, Notification
from tocsin.config import parse_source, validate
from tocsin.config.alertmanager import AlertmanagerConfig
from tocsin.model import Labels, SystemClock
from tocsin.model.timestamps import format_timestamp_ms
from tocsin.notify import NotifyMetrics, Receivers

LIST = '{{ range .Alerts }}{{ .Labels.SortedPairs.Names | join "," }}:{{ .Annotations.summary }};{{ end }}'

CONFIG = r"""
templates: ['@TEMPLATES@']
route: {receiver: team.all, group_by: [job], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers:
- name: team.all
  webhook_configs:
  - url: @URL@/hook
  slack_configs:
  - api_url: @URL@/services/T0/B0/x
    send_resolved: true
    channel: '#{{ .CommonLabels.job }}'
    username: '{{ template "mine.name" . }}'
    title: '{{ .Status | toUpper }} {{ .CommonLabels.Values }} "{{ .CommonAnnotations.Names }}"'
    title_link: '{{ .ExternalURL }}/x?{{ .Receiver | urlquery }}'
    pretext: >-
      {{ range $index, $alert := .Alerts }}{{ if $index }}, {{ end }}{{ $alert.Labels.instance }}{{ end }}
    text: @LIST@
    fallback: '{{ len .Alerts.Firing }}/{{ .Alerts.Resolved | len }} {{ template "__subject" . }}'
    callback_id: '{{ (index .Alerts 0).Fingerprint }}'
    footer: '{{ (index .Alerts 0).StartsAt.Format "2006-01-02T15:04:05.000Z07:00 Mon Jan _2 PM" }}'
    icon_emoji: ':bell:'
    image_url: http://images/{{ .GroupLabels.job }}.png
    thumb_url: http://images/thumb.png
    link_names: true
    short_fields: true
    fields:
    - {title: 'a {{ .Status }}', value: '{{ .GroupLabels.SortedPairs.Values | join " " }}'}
    - {title: long, value: '{{ reReplaceAll "(\\w)o" "<$1>" .CommonLabels.job }}', short: false}
    actions:
    - type: button
      text: 'Open {{ .Status | title }}'
      url: '{{ (index .Alerts 0).GeneratorURL }}'
      style: primary
    - type: button
      text: Ask
      name: ask
      value: '{{ .Status }}'
      confirm: {text: 'Sure? {{ .Status }}', title: T, ok_text: Y, dismiss_text: N}
  pagerduty_configs:
  - url: @URL@/v2/enqueue
    routing_key: secret
    description: '@LONG@ {{ .CommonAnnotations.summary }}'
    client: me
    client_url: '{{ .ExternalURL }}'
    severity: '{{ if .CommonLabels.severity }}{{ .CommonLabels.severity }}{{ else }}critical{{ end }}'
    class: 'c {{ .Status }}'
    component: '{{ .CommonLabels.none }}'
    group: '{{ .GroupLabels.job }}'
    details: {firing: '{{ len .Alerts.Firing }} <&>', resolved: @LIST@, extra: '{{ match "^d" "disk" }}'}
    images: [{src: 'http://i/{{ .Status }}.png', alt: A, href: http://i}, {src: '{{ .CommonLabels.none }}'}]
    links: [{href: 'http://l/{{ .Status }}', text: L}, {href: ''}]
  opsgenie_configs:
  - api_url: @URL@/
    api_key: secret
    message: '@LONG@'
    description: @LIST@
    source: '{{ .ExternalURL }}'
    details: {a: '{{ .Status }}', job: 'over {{ .CommonLabels.job }}'}
    entity: e
    actions: 'one, two ,,three'
    tags: 'x,{{ .GroupLabels.job }}'
    note: 'n {{ .Status }}'
    priority: P2
    responders:
    - {name: 'team {{ .GroupLabels.job }}', type: team}
    - {username: u@example.com, type: user}
    - {name: 'one, two', type: teams}
  - api_url: @URL@/updates/
    api_key: secret
    update_alerts: true
    message: short
    description: 'd'
    source: s
  telegram_configs:
  - api_url: @URL@
    bot_token: '1:secret'
    chat_id: -42
    disable_notifications: true
    message: >-
      <b>{{ .Status }}</b> {{ range .Alerts }}{{ .Annotations.summary }} {{ end }}
      <a href="{{ .ExternalURL }}" title='{{ .CommonAnnotations.summary }}'>x</a>
    parse_mode: HTML
  - api_url: @URL@/plain
    bot_token: '1:secret'
    chat_id: 42
    message: '@LONG@ {{ .CommonAnnotations.summary | printf "%q" }}'
    parse_mode: ''
  victorops_configs:
  - api_url: @URL@/
    api_key: secret
    routing_key: 'team {{ .GroupLabels.job }}'
    message_type: '{{ .CommonLabels.severity }}'
    state_message: @LIST@
    entity_display_name: '{{ .GroupLabels.job }}'
    monitoring_tool: m
    custom_fields: {more: '{{ .Status }}'}
  pushover_configs:
  - token: secret
    user_key: user
    title: '@LONG@'
    message: '<b>{{ .Status }}</b> {{ range .Alerts }}{{ .Annotations.summary }}{{ end }}'
    url: '{{ .ExternalURL }}'
    url_title: t
    priority: '1'
    retry: 90s
    expire: 1h30m
    sound: bell
    html: true
    http_config: {proxy_url: '@PROXY@', tls_config: {insecure_skip_verify: true}}
"""

TEMPLATE = """
{{ define "mine.name" }}{{ .Receiver }} & {{ template "mine.status" .Status }}{{ end }}
{{ define "mine.status" }}<{{ . }}>{{ end }}
"""

COUNT = 11
"""Requests for one notification; when it is resolved there are two fewer."""


def pairs():
    """Labels and annotations of two alerts of one group."""
    summary = "quote \" & <tag> it's 1+1"
    return [
        ({"alertname": "Low", "job": "fooboo", "instance": "2"}, {"summary": summary, "x": "1"}),
        ({"alertname": "Höhe", "job": "fooboo", "instance": "1"}, {"summary": summary}),
    ]


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing, which makes a certificate")
    folder = tmp_path_factory.mktemp("tls")
    files = ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *files]
    subprocess.run([*command, "-subj", "/CN=api.pushover.net"], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def config_for(server, folder):
    (folder / "mine.tmpl").write_text(TEMPLATE)
    values = {
        "LONG": "long " * 900 + "{{ .Status }}",
        "LIST": f"'{LIST}'",
        "PROXY": server.url,
        "URL": server.url,
        "TEMPLATES": str(folder / "*.tmpl"),
    }
    return re.sub(r"@(\w+)@", lambda match: values[match[1]], CONFIG)


def posted(starts_ms, ends_ms):
    return [
        {
            "labels": labels,
            "annotations": annotations,
            "startsAt": format_timestamp_ms(starts_ms),
            "generatorURL": "http://here/graph?g0.expr=up&x=1",
            **({"endsAt": format_timestamp_ms(ends_ms)} if ends_ms else {}),
        }
        for labels, annotations in pairs()
    ]


def told(starts_ms, ends_ms):
    """In the order in which Alertmanager tells them: by instance."""
    alerts = [
        Alert(Labels(labels), annotations, starts_ms, ends_ms, "http://here/graph?g0.expr=up&x=1")
        for labels, annotations in reversed(pairs())
    ]
    group = Labels({"job": "fooboo"})
    return Notification("team.all", '{}:{job="fooboo"}', group, alerts, "http://external")


def by_us(server, folder, starts_ms, ends_ms):
    async def send():
        config = validate(AlertmanagerConfig, parse_source(config_for(server, folder), "am.yml"))
        metrics = NotifyMetrics(CollectorRegistry())
        async with Receivers(config.receivers, SystemClock(), metrics, config.templates) as receivers:
            for ends in (None, ends_ms):
                for channel in receivers.channels["team.all"]:
                    await channel.notify(told(starts_ms, ends))

    return send()


@pytest.mark.peer
async def test_requests_are_those_of_alertmanager(tmp_path, context):
    now_ms = SystemClock().now_ms()
    starts_ms, ends_ms = now_ms - 61_120, now_ms - 10
    (tmp_path / "theirs").mkdir()
    with recorder(context) as theirs, recorder(context) as ours:
        config = config_for(theirs, tmp_path)
        with alertmanager(tmp_path / "theirs", config, "http://external") as url:
            post(url, posted(starts_ms, None))
            theirs.wait_for(COUNT)
            await asyncio.sleep(0.3)
            post(url, posted(starts_ms, ends_ms))
            theirs.wait_for(2 * COUNT - 2)
        await by_us(ours, tmp_path, starts_ms, ends_ms)
    expected, found = comparable(theirs), comparable(ours)
    assert set(found) == set(expected)
    differing = {key: (found[key], expected[key]) for key in expected if found[key] != expected[key]}
    assert not differing


def post(url, alerts):
    answer = httpx.post(f"{url}/api/v2/alerts", json=alerts, trust_env=False)
    assert answer.is_success, answer.text


def comparable(server):
    """Each request by its path and how many of the kind came before it."""
    result = {}
    for request in server.requests:
        is_pushover = "messages.json" in request.path
        path = request.path.partition("?")[0] if is_pushover else request.path
        count = sum(key[1] == path for key in result)
        headers = {name: request.headers.get(name) for name in ("Authorization", "Content-Type")}
        if is_pushover:
            headers = {}
        # Later versions of Alertmanager send the device too, even when it is empty.
        body = {**request.query, "device": ""} if is_pushover else request.json
        result[(request.method, path, count)] = (headers, body)
    return result
