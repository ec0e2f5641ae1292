# ruff: noqa: E501 - each case stands on one line

from __future__ import annotations

import pytest
import typer

from tests.rules.helpers import definitions, write
from tests.support.cases import cases_dir
from tocsin.commands import check_rules
from tocsin.errors import ConfigError
from tocsin.model import Labels
from tocsin.rules import AlertingRule, RecordingRule, read_rule_file
from tocsin.rules.files import metric_names
from tocsin.rules.template import AlertExpander, AlertTemplate, Context

MADE_UP = Labels({"__name__": "made_up", "instance": "host:9100", "job": "node", "mountpoint": "/"})


def test_a_whole_file_is_read():
    (group,) = definitions(
        """
groups:
  - name: g
    interval: 30s
    limit: 5
    query_offset: 1m
    labels: {team: ml, severity: low}
    rules:
      - record: a:b
        expr: sum(b)
        labels: {x: "1"}
      - alert: A
        expr: b > 1
        for: 5m
        keep_firing_for: 10m
        labels: {severity: 1}
        annotations: {summary: "{{ $value }}"}
"""
    )
    recording, alerting = group.rules()
    assert isinstance(recording, RecordingRule)
    assert recording.labels == Labels({"severity": "low", "team": "ml", "x": "1"})
    assert isinstance(alerting, AlertingRule)
    assert alerting.labels == Labels({"severity": "1", "team": "ml"})
    assert (alerting.hold_ms, alerting.keep_firing_ms) == (300_000, 600_000)
    config = group.config
    assert (config.interval_ms, config.limit, config.query_offset_ms) == (30_000, 5, 60_000)


HEAD = "groups:\n- name: g\n  rules:\n"

WRONG = {
    "groups:\n- name: g\n- name: g": '3: the group name "g" stands twice in this file',
    "groups:\n- rules: []": '2: the key "name" is missing in groups[0]',
    "groups:\n- name: g\n  intervall: 5s": '3: unknown key "intervall" in groups[0] (allowed: interval, labels,',
    "groups:\n- name: g\n  interval: 5": '3: groups[0].interval: not a duration: "5"',
    "groups:\n- name: g\n  interval: 0s": "3: groups[0].interval: a duration longer than 0 is needed",
    HEAD + "  - alert: A\n    expr: up ==": "5: A: expr: 1:6: parse error:",
    HEAD + "  - alert: A\n    expr: up\n    for: x": '6: groups[0].rules[0].for: not a duration: "x"',
    HEAD
    + "  - alert: A\n    record: B\n    expr: up": "4: groups[0].rules[0]: one of record and alert is needed",
    HEAD + "  - expr: up": "4: groups[0].rules[0]: one of record and alert is needed",
    HEAD + "  - alert: A": "4: groups[0].rules[0]: expr is missing",
    HEAD + "  - record: A\n    expr: up\n    for: 5m": "4: groups[0].rules[0]: a recording rule takes no for",
    HEAD + '  - record: "A{}"\n    expr: up': '4: groups[0].rules[0]: braces in the name "A{}"',
    HEAD
    + "  - alert: A\n    expr: up\n    labels: {__name__: x}": "6: groups[0].rules[0].labels: not allowed as a label",
    HEAD
    + '  - alert: A\n    expr: up\n    annotations:\n      s: "{{ $x }}"': "7: A: annotations.s: undefined variable $x",
    "groups: 5": '1: groups must be a list, not "5"',
    "[": "not valid YAML",
}


@pytest.mark.parametrize(("text", "sentence"), WRONG.items())
def test_what_is_wrong_is_named_with_its_place(text, sentence):
    with pytest.raises(ConfigError) as caught:
        definitions(text)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("test.yml:")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("up", {"up"}),
        ("sum by (job) (rate(a[5m])) / on (job) b unless c offset 5m", {"a", "b", "c"}),
        ("max_over_time(rate(a[1m])[5m:])", {"a"}),
        ('{__name__=~"a.*"}', None),
        ('a + {job="x"}', None),
        ("1 + time()", set()),
    ],
)
def test_what_an_expression_reads_is_known(query, names):
    from tocsin.promql import parse

    assert metric_names(parse(query)) == (None if names is None else frozenset(names))


def test_all_outside_rules_load_and_their_templates_expand():
    rules = [
        rule
        for file in sorted(cases_dir("rules").rglob("*.y*ml"))
        for group in read_rule_file(file)
        for rule in group.rules()
    ]
    assert len(rules) == 446
    expander = AlertExpander(Context(lambda _query, _at_ms: [(MADE_UP, 1.5)], 1_700_000_000_000))
    for rule in rules:
        for text in (*rule.labels.values(), *rule.annotations.values()):
            assert "{{" not in expander.expand(AlertTemplate.parse(text), MADE_UP, 1.5)


def test_the_command_checks_files(tmp_path, capsys):
    good = write(tmp_path / "good.yml", HEAD + "  - {alert: A, expr: up}")
    bad = write(tmp_path / "bad.yml", HEAD + "  - {alert: A, expr: up(}")
    assert check_rules.run([good]) == 0
    assert check_rules.run([good, bad, tmp_path / "none.yml"]) == 1
    out, err = capsys.readouterr()
    assert f"{good}: 1 rules found" in out
    assert f"{bad}:4: A: expr:" in err
    assert "none.yml: cannot read the file" in err


TWICE = """
groups:
  - name: g
    labels: {a: b}
    rules:
      - {record: b, expr: a + 1, labels: {x: "1"}}
      - {record: b, expr: a + 2, labels: {x: "1"}}
      - {record: b, expr: a + 2, labels: {x: "2"}}
      - {alert: A, expr: a > 2}
  - name: h
    labels: {a: b}
    rules:
      - {alert: A, expr: a > 3}
  - name: i
    rules:
      - {alert: A, expr: a > 3}
"""


@pytest.mark.parametrize(
    ("options", "status", "warnings"),
    [
        ([], 0, 2),
        (["--lint-fatal"], 3, 2),
        (["--lint", "all", "--lint-fatal"], 3, 2),
        (["--lint", "none", "--lint-fatal"], 0, 0),
    ],
)
def test_rules_that_stand_twice_are_told(tmp_path, capsys, options, status, warnings):
    file = write(tmp_path / "twice.yml", TWICE)
    assert checked([*options, str(file)]) == status
    out, err = capsys.readouterr()
    assert out == f"{file}: 6 rules found\n"
    said = err.splitlines()
    assert len(said) == warnings
    if said:
        assert said[0].startswith(
            f'warning: {file}:7: the rule "b" with the labels {{a="b",x="1"}} stands already in line 6'
        )
        assert f'{file}:13: the rule "A"' in said[1]


def test_all_faults_of_a_file_are_told_at_once(tmp_path, capsys):
    text = HEAD + "  - {record: a, expr: b(}\n  - {alert: C, expr: up +, annotations: {s: '{{ $x }}'}}\n"
    assert checked([str(write(tmp_path / "bad.yml", text))]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("bad.yml:")[2][:10] for line in lines] == [
        "4: a: expr",
        "5: C: expr",
        "5: C: anno",
    ]


def test_keys_of_ones_own_can_be_let_pass(tmp_path, capsys):
    text = "owner: me\ngroups: [{name: g, namespace: x, rules: [{alert: A, expr: up, ticket: 5}]}]"
    file = write(tmp_path / "own.yml", text)
    assert checked([str(file)]) == 1
    assert 'unknown key "ticket"' in capsys.readouterr().err
    assert checked(["--ignore-unknown-fields", str(file)]) == 0
    assert checked(["--lint", "some", str(file)]) == 2


def checked(arguments):
    """The exit status of the command with its options."""
    app = typer.Typer()
    app.command()(check_rules.command)
    try:
        return app(args=arguments, standalone_mode=False)
    except typer.BadParameter:
        return 2
