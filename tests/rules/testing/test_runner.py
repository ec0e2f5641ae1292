"""Test files in promtool's format: the verdicts of the suite that came with it, and of files of our own."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from tests.rules.helpers import write
from tests.support.cases import CASES, cases_dir
from tocsin.commands.app import run as tocsin
from tocsin.model.regex import compile_regex
from tocsin.rules.testing import Options, run_file

VERDICTS = CASES / "rule_tests" / "promtool" / "verdicts.json"
RUNS = json.loads(VERDICTS.read_text()) if VERDICTS.is_file() else []

RULES = """
groups:
  - name: second
    rules:
      - {record: c, expr: b + 1}
  - name: first
    rules:
      - {record: b, expr: a * 2}
      - alert: High
        expr: a > 1
        for: 2m
        labels: {severity: page, site: '{{ $externalLabels.site }}'}
        annotations: {summary: '{{ $labels.job }} is at {{ $value }}, see {{ $externalURL }}', empty: ''}
"""


@pytest.mark.parametrize("verdict", RUNS, ids=lambda verdict: f"{verdict['file']}-{verdict.get('run', '')}")
def test_verdicts_of_promtool(verdict):
    patterns = tuple(map(compile_regex, verdict.get("run", ())))
    options = Options(patterns, verdict.get("ignore_unknown_fields", False))
    report = run_file(VERDICTS.parent / verdict["file"], options)
    assert report.is_success is verdict["pass"], report
    assert report.skipped == (3 if verdict.get("native_histograms") else 0)


def test_all_checks_of_thanos_pass():
    report = run_file(cases_dir("rule_tests") / "thanos" / "tests.yaml", Options())
    assert (report.is_success, report.passed, len(report.tests)) == (True, 11, 2)


@pytest.fixture
def check(tmp_path):
    write(tmp_path / "rules.yml", RULES)

    def run(text, **options):
        return run_file(write(tmp_path / "tests.yml", text), Options(**options))

    return run


def failures(report):
    assert not report.error
    return [(failure.what, failure.expected, failure.got, failure.error) for failure in report.failures]


ALERTS = """
rule_files: ['rul*.yml']
evaluation_interval: {interval}
group_eval_order: [first, second]
tests:
  - name: alerts
    interval: 1m
    external_labels: {{site: x}}
    external_url: http://host
    input_series:
      - {{series: 'a{{job="api"}}', values: '0 2x5 0'}}
    alert_rule_test:
      - {{eval_time: 2m59s, alertname: High}}
      - eval_time: {at}
        alertname: High
        exp_alerts:
          - exp_labels: {{severity: page, job: api, site: x}}
            exp_annotations: {{summary: 'api is at 2, see http://host', empty: ''}}
    promql_expr_test:
      - {{expr: c, eval_time: 1m, exp_samples: [{{labels: 'c{{job="api"}}', value: 5}}]}}
      - {{expr: sum(a), eval_time: 3m, exp_samples: [{{value: 2}}]}}
      - {{expr: '1 + 1', exp_samples: [{{labels: '{{}}', value: 0x2}}]}}
"""


@pytest.mark.parametrize("at", ["3m", "3m59s999ms", "6m59s"])
def test_alerts_samples_groups_in_order_and_templates(check, at):
    report = check(ALERTS.format(interval="1m", at=at))
    assert failures(report) == []
    assert report.passed == 5


def test_what_differs_is_shown_beside_each_other(check):
    report = check(ALERTS.format(interval="1m", at="2m"))
    ((what, expected, got, error),) = failures(report)
    assert what == "alert High at 2m"
    assert expected[0].startswith('{alertname="High", job="api", severity="page", site="x"} annotations')
    assert (got, error) == ((), "")


def test_groups_in_the_order_of_their_files_without_a_word(check):
    report = check(ALERTS.format(interval="1m", at="3m").replace("group_eval_order: [first, second]", ""))
    ((what, expected, got, _),) = failures(report)
    assert (what, expected, got) == ("c at 1m", ('c{job="api"} 5.0',), ('c{job="api"} 1.0',))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tests: 5", "1: tests must be a list"),
        ("test: []", '1: unknown key "test"'),
        ("group_eval_order: [a, a]", 'group_eval_order names "a" twice'),
        ("tests: [{interval: 1}]", "tests[0].interval: not a duration"),
        ("tests: [{start_timestamp: soon}]", 'not a time: "soon"'),
        ("tests: [{start_timestamp: 2024-01-01T00:00:00}]", "not a time"),
        ("tests: [{promql_expr_test: [{exp_samples: [{value: x}]}]}]", 'not a number: "x"'),
        ("tests: [{promql_expr_test: [{eval_time: -5m}]}]", "not a duration"),
        ("fuzzy_compare: maybe", "fuzzy_compare must be true or false"),
    ],
)
def test_a_wrong_file_is_one_sentence(check, text, sentence):
    report = check(text)
    assert sentence in report.error
    assert "tests.yml:1: " in report.error
    assert "\n" not in report.error


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        ("alert_rule_test: [{eval_time: 1m}]", "alertname is missing"),
        ("input_series: [{series: 'a{', values: 1}]", 'input_series "a{"'),
        ("promql_expr_test: [{expr: 'a['}]", "parse error"),
        ("promql_expr_test: [{expr: 'a[5m]'}]", "rule result is not a vector or scalar"),
        ("promql_expr_test: [{expr: '\"text\"'}]", "rule result is not a vector or scalar"),
        ("promql_expr_test: [{expr: a, exp_samples: [{labels: 'a{'}]}]", 'the labels "a{" cannot be read'),
        ("promql_expr_test: [{expr: a, eval_time: 5y}]", "evaluations are too many"),
    ],
)
def test_a_wrong_test_is_a_failure_of_its_own(check, test, sentence):
    report = check(f"tests: [{{name: wrong, {test}}}, {{name: right}}]")
    ((_, _, _, error),) = failures(report)
    assert sentence in error
    assert [bool(test.failures) for test in report.tests] == [True, False]


def test_an_input_that_a_rule_writes_otherwise_is_an_error(check):
    report = check(
        "{rule_files: [rules.yml], tests: [{input_series: [{series: a, values: 1}, {series: b, values: 7}]}]}"
    )
    assert {what for what, _, _, _ in failures(report)} == {"rule b at 0s", "rule High at 0s"}
    assert "duplicate sample for timestamp" in failures(report)[0][3]


def test_samples_after_the_last_evaluation_are_not_seen(check):
    report = check(
        "tests: [{interval: 30s, input_series: [{series: a, values: 0 1 2 3}],"
        " promql_expr_test: [{expr: a, eval_time: 90s, exp_samples: [{labels: a, value: 2}]}]}]"
    )
    assert failures(report) == []


def test_not_a_number_equals_nothing(check):
    report = check(
        "tests: [{input_series: [{series: a, values: NaN}],"
        " promql_expr_test: [{expr: a, exp_samples: [{labels: a, value: .nan}]}]}]"
    )
    assert failures(report) == [("a at 0s", ("a nan",), ("a nan",), "")]


def test_a_missing_rule_file_is_told(check):
    assert check("rule_files: [none*.yml]").warnings == ("no file matches none*.yml",)


def test_histograms_are_left_out_with_all_that_is_built_on_them(check, tmp_path):
    write(
        tmp_path / "built.yml",
        "groups: [{name: g, rules: [{record: x, expr: 'h + 1'}, {record: y, expr: x}, {record: z, expr: k},"
        " {alert: A, expr: y > 0}]}]",
    )
    report = check(
        """
rule_files: [built.yml]
tests:
  - input_series: [{series: h, values: '{{count:1}}'}, {series: k, values: 1}]
    alert_rule_test: [{alertname: A, exp_alerts: [{}]}]
    promql_expr_test:
      - {expr: h}
      - {expr: y}
      - {expr: z, exp_samples: [{labels: z, value: 1}]}
      - {expr: '{__name__=~".+"}'}
"""
    )
    assert (failures(report), report.passed, report.skipped) == ([], 1, 4)


# The command.


def test_the_command_tells_and_ends_as_it_should(tmp_path, capsys):
    write(tmp_path / "rules.yml", RULES)
    good = write(tmp_path / "good.yml", ALERTS.format(interval="1m", at="3m"))
    bad = write(tmp_path / "bad.yml", ALERTS.format(interval="1m", at="2m"))
    junit = tmp_path / "out.xml"
    assert tocsin(["test", "rules", str(good)]) == 0
    assert capsys.readouterr().out == f"SUCCESS  {good}: 1 test, 5 checks passed\n"
    assert tocsin(["test", "rules", "--junit", str(junit), str(good), str(bad)]) == 1
    out = capsys.readouterr().out
    assert f"FAILED   {bad}: 1 test, 4 checks passed, 1 failed" in out
    assert "got:      nothing" in out
    root = ET.parse(junit).getroot()  # noqa: S314 - written by ourselves
    assert [suite.get("failures") for suite in root] == ["0", "1"]
    assert tocsin(["test", "rules", "--run", "^nothing$", str(bad)]) == 0
    assert tocsin(["test", "rules", "--run", "(", str(bad)]) == 2
    assert tocsin(["test", "rules", str(tmp_path / "none.yml")]) == 2
    assert tocsin(["test", "rules", "--diff", "--debug", str(bad)]) == 1
    captured = capsys.readouterr()
    assert '- {alertname="High"' in captured.out
    assert 'DEBUG:   2m: pending {alertname="High"' in captured.err


def test_a_failing_rule_is_told_once(tmp_path, capsys):
    write(tmp_path / "rules.yml", "groups: [{name: g, rules: [{record: x, expr: a * on() a}]}]")
    series = """[{series: 'a{x="1"}', values: 1}, {series: a, values: 1}]"""
    text = f"{{rule_files: [rules.yml], tests: [{{input_series: {series}}}]}}"
    assert tocsin(["test", "rules", str(write(tmp_path / "t.yml", text))]) == 1
    captured = capsys.readouterr()
    assert captured.out.count("many-to-many") == 1
