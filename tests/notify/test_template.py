from __future__ import annotations

import itertools
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.notify.channels import alert, notification
from tests.support.clock import ManualClock
from tocsin.alerts import Alert, Notification
from tocsin.gotemplate import TemplateError
from tocsin.model import Labels
from tocsin.notify.template import Templates

CLOCK = ManualClock(1_700_000_000_000)
TEMPLATES = Templates(CLOCK)


def filled(text, told=None):
    return TEMPLATES.expander("test", told or notification(alert())).text("text", text)


def told(group, *labels, resolved=0):
    alerts = [
        Alert(Labels(each), {}, 0, 1000 if index < resolved else None) for index, each in enumerate(labels)
    ]
    return Notification("r", "{}:{}", Labels(group), alerts)


SUBJECTS = [
    (told({"alertname": "A"}, {"alertname": "A"}), "[FIRING:1] A "),
    (told({"alertname": "A"}, {"alertname": "A", "b": "2", "a": "1"}), "[FIRING:1] A (1 2)"),
    (told({}, {"alertname": "A", "b": "2"}), "[FIRING:1]  (A 2)"),
    (told({}, {"alertname": "A"}, {"alertname": "B"}), "[FIRING:2]  "),
    (told({"z": "9", "alertname": "A"}, {"alertname": "A", "z": "9"}, resolved=1), "[RESOLVED] A 9 "),
    (told({"j": "x"}, {"j": "x", "i": "1"}, {"j": "x", "i": "2"}, resolved=1), "[FIRING:1] x "),
]


@pytest.mark.parametrize(("sent", "subject"), SUBJECTS)
def test_the_subject_is_alertmanagers(sent, subject):
    for name in (
        "__subject",
        "slack.default.title",
        "email.default.subject",
        "pagerduty.default.description",
    ):
        assert filled(f'{{{{ template "{name}" . }}}}', sent) == subject


TEXTS = {
    "slack.default.fallback": False,
    "email.default.text": True,
    "email.default.html": True,
    "telegram.default.message": True,
    "discord.default.message": True,
    "msteams.default.text": True,
    "msteamsv2.default.text": True,
    "opsgenie.default.description": True,
    "pushover.default.message": True,
    "sns.default.message": True,
    "victorops.default.state_message": True,
    "webex.default.message": True,
    "wechat.default.message": True,
    "apprise.default.body": True,
}


@pytest.mark.parametrize(("name", "is_shown"), TEXTS.items())
def test_the_link_to_acknowledge_is_shown(name, is_shown):
    text = f'{{{{ template "{name}" . }}}}'
    shown = filled(text, notification(alert(), acknowledge_url="http://here/ack"))
    assert ("http://here/ack" in shown) is ("Acknowledge" in shown) is is_shown
    assert "Acknowledge" not in filled(text)


FUNCTIONS = {
    '{{ "straße ÿ" | toUpper }}': "STRAßE Ÿ",
    '{{ "ÄB" | toLower }}': "äb",
    '{{ "aLERT name\'s foo_bar a-b" | title }}': "Alert Name's Foo_bar A-B",
    '{{ "  x\\n" | trimSpace }}': "x",
    '{{ stringSlice "a" "b" | join "-" }}': "a-b",
    '{{ match "^a.c$" "abc" }} {{ match "x" "abc" }}': "true false",
    '{{ reReplaceAll "(\\\\w+)@(\\\\w+)" "${2}.$1" "me@here" }}': "here.me",
    '{{ "a%20b+c" | urlUnescape }}': "a b c",
    '{{ "<b>" | safeHtml }}{{ "x:y" | safeUrl }}': "<b>x:y",
    "{{ humanizeDuration 3700.0 }}": "1h 1m 40s",
    "{{ (index .Alerts 0).StartsAt | since }}": "-120ms",
    "{{ (index .Alerts 0).StartsAt | since | humanizeDuration }}": "-120ms",
    '{{ (index .Alerts 0).StartsAt | tz "Asia/Tokyo" | date "15:04 MST" }}': "07:13 JST",
    "{{ (index .Alerts 0).StartsAt }}": "2023-11-14 22:13:20.12 +0000 UTC",
    "{{ (index .Alerts 0).EndsAt }}": "0001-01-01 00:00:00 +0000 UTC",
    "{{ toJson .GroupLabels }} {{ toJson .CommonLabels.SortedPairs }}": (
        '{"job":"node"} [{"Name":"alertname","Value":"A"},{"Name":"job","Value":"node"}]'
    ),
    '{{ (dict "a" 1 "b" (list 1 2)).b }} {{ append (list 1) 2 3 }}': "[1 2] [1 2 3]",
    "{{ .CommonLabels }} {{ .CommonLabels.SortedPairs }}": "alertname=A, job=node alertname=A, job=node",
    '{{ .CommonLabels.Remove (stringSlice "job") }}': "alertname=A",
    "{{ len .Alerts.Firing }} {{ len .Alerts.Resolved }} {{ .Alerts.Firing | len }}": "1 0 1",
    "{{ (index .Alerts 0).Labels.none }}|{{ .CommonAnnotations.none }}": "|",
    "{{ .Receiver }} {{ .ExternalURL }} {{ .AcknowledgeURL }}": "team\\.ml http://here ",
}


@pytest.mark.parametrize(("text", "expected"), FUNCTIONS.items())
def test_functions_and_data(text, expected):
    assert filled(text) == expected


FAILURES = {
    '{{ "x" | tz "Mars/Base" }}': "expected time.Time; got string",
    '{{ (index .Alerts 0).StartsAt | tz "Mars/Base" }}': 'unknown time zone "Mars/Base"',
    '{{ (index .Alerts 0).StartsAt | tz "../etc" }}': "unknown time zone",
    '{{ match "(" "x" }}': "invalid regular expression",
    '{{ dict "a" }}': "a value is missing",
    '{{ "%zz" | urlUnescape }}': 'invalid URL escape "%zz"',
    '{{ list 1 | join "," }}': "expected []string",
}


@pytest.mark.parametrize(("text", "reason"), FAILURES.items())
def test_failures(text, reason):
    with pytest.raises(TemplateError) as caught:
        filled(text)
    assert reason in str(caught.value)
    assert str(caught.value).startswith("test: text, line 1: ")


def test_a_failure_in_a_file_names_it(tmp_path):
    (tmp_path / "team.tmpl").write_text('{{ define "team.x" }}\n{{ .Nope }}{{ end }}')
    templates = Templates(CLOCK, [tmp_path / "team.tmpl", tmp_path / "none.tmpl"])
    with pytest.raises(TemplateError) as caught:
        templates.expander("slack", notification(alert())).text("title", '{{ template "team.x" . }}')
    assert str(caught.value) == (
        "slack: title, in team.tmpl, line 2: can't evaluate field Nope in type template.Data"
    )


def test_an_empty_definition_leaves_the_earlier_one(tmp_path):
    (tmp_path / "a.tmpl").write_text('{{ define "slack.default.title" }} \n {{ end }}')
    templates = Templates(CLOCK, [tmp_path / "*.tmpl"])
    shown = templates.expander("slack", notification(alert())).text(
        "t", '{{ template "slack.default.title" . }}'
    )
    assert shown.startswith("[FIRING:1]")


@given(st.dictionaries(st.sampled_from(string.ascii_lowercase), st.text(min_size=1), max_size=6))
def test_pairs_are_sorted_with_the_name_first(labels):
    sent = told({}, {**labels, "alertname": "A"})
    names = filled('{{ .CommonLabels.SortedPairs.Names | join "," }}', sent).split(",")
    assert names == ["alertname", *sorted(labels)]


@given(st.integers(0, 3), st.integers(0, 3))
def test_firing_and_resolved(firing, resolved):
    if firing + resolved:
        labels = [{"n": str(number)} for number in range(firing + resolved)]
        sent = told({}, *labels, resolved=resolved)
        text = "{{ len .Alerts }} {{ len .Alerts.Firing }} {{ len .Alerts.Resolved }} {{ .Status }}"
        status = "firing" if firing else "resolved"
        assert filled(text, sent) == f"{firing + resolved} {firing} {resolved} {status}"


def test_common_is_what_all_have():
    values = list(itertools.product("ab", "xy"))
    sent = told({}, *({"one": one, "two": two, "same": "s"} for one, two in values))
    assert filled("{{ .CommonLabels }}", sent) == "same=s"
