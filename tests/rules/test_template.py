"""Templates: each case is also checked by Prometheus itself where promtool is there."""
# ruff: noqa: E501 - each case stands on one line

from __future__ import annotations

import subprocess
from contextlib import suppress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.support.peers import require_peer
from tocsin.errors import TocsinError
from tocsin.model import Labels
from tocsin.rules import TemplateError
from tocsin.rules.template import AlertExpander, AlertTemplate, Context

SAMPLE = Labels({"__name__": "m", "a": "b", "c": "d"})
VALUE = 123456789.0

EXPANSIONS = {
    "plain text": "plain text",
    "{{ $value }} {{ .Value }} {{ $labels.a }} {{ .Labels.c }}": "1.23456789e+08 1.23456789e+08 b d",
    "{{$labels}} {{ . }}": "map[__name__:m a:b c:d] {map[__name__:m a:b c:d] map[]  1.23456789e+08}",
    "|{{ $labels.missing }}|{{ $externalLabels.missing }}|": "|||",
    # Numbers, as Go writes them.
    "{{ 1e20 }} {{ 1000000.0 }} {{ 100000.0 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1.5 }} {{ -5 }} {{ +5 }}": (
        "1e+20 1e+06 100000 0.0001 1e-05 1.5 -5 5"
    ),
    "{{ 0x10 }} {{ 1_000 }} {{ 'a' }} {{ 0.0 }}": "16 1000 97 0",
    # printf.
    '{{ printf "%.2f" $value }} {{ $value | printf "%.1f" }} {{ printf "%g %v" 1234567.0 1e22 }}': (
        "123456789.00 123456789.0 1.234567e+06 1e+22"
    ),
    '{{ printf "%5.1f|%-6s|%06.2f|%x|%q|%t|%+d|%+.1f|%e|%.3g|%6s|%%" 3.14159 "ab" 3.14159 255 "a\\"b" true 5 5.5 1234.5 1234.5 "x" }}': (
        '  3.1|ab    |003.14|ff|"a\\"b"|true|+5|+5.5|1.234500e+03|1.23e+03|     x|%'
    ),
    '{{ printf "%s" $labels }} {{ printf "%x %X" "hi" 255 }}': "map[__name__:m a:b c:d] 6869 FF",
    '{{ printf "%d %s" 1.5 2 }} {{ printf "%s" $value }} {{ printf "%d" }} {{ printf "a" 1 2.5 "s" }}': (
        "%!d(float64=1.5) %!s(int=2) %!s(float64=1.23456789e+08) %!d(MISSING)"
        " a%!(EXTRA int=1, float64=2.5, string=s)"
    ),
    # humanize.
    "{{ humanize $value }} {{ 0.00012345 | humanize }} {{ humanize 0.0 }} {{ humanize -1234.5 }}": (
        "123.5M 123.4u 0 -1.234k"
    ),
    "{{ humanize1024 $value }} {{ humanize1024 1024.0 }} {{ humanize1024 -5.5 }}": "117.7Mi 1ki -5.5",
    "{{ humanizeDuration 90061.5 }} {{ humanizeDuration 0.01 }} {{ humanizeDuration 12.3456 }}": (
        "1d 1h 1m 1s 10ms 12.35s"
    ),
    "{{ humanizeDuration -90.5 }} {{ humanizeDuration 3600.0 }} {{ humanizeDuration 0.0 }}": "-1m 30s 1h 0m 0s 0s",
    '{{ humanizePercentage 0.1234567 }} {{ humanizePercentage "0.5" }}': "12.35% 50%",
    "{{ humanizeTimestamp 1435065584.128 }} {{ toTime 1435065584.0 }}": (
        "2015-06-23 13:19:44.128 +0000 UTC 2015-06-23 13:19:44 +0000 UTC"
    ),
    # Text.
    '{{ title "hello wORLD" }} {{ toUpper "a" }} {{ toLower "A" }} {{ "a\\tb" }} {{ `raw\\n` }}': (
        "Hello WORLD A a a\tb raw\\n"
    ),
    '{{ match "a.*" "xab" }} {{ match "^b" "ab" }} {{ reReplaceAll "(a)b" "<$1>-${1}c$1d" "xabx" }}': (
        "true false x<a>-acx"
    ),
    '{{ stripPort "a:80" }} {{ stripPort "a" }} {{ stripDomain "a.b.c:80" }} {{ stripDomain "10.0.0.1:80" }}': (
        "a a a:80 10.0.0.1:80"
    ),
    '{{ parseDuration "1h30m" }} {{ args 1 "x" }} {{ urlquery "a b&" }} {{ html "<a>" }}': (
        "5400 map[arg0:1 arg1:x] a+b%26 &lt;a&gt;"
    ),
    '{{ graphLink "up > 1" }} {{ tableLink "up" }}': "/graph?g0.expr=up+%3E+1&g0.tab=0 /graph?g0.expr=up&g0.tab=1",
    # Go's own functions.
    '{{ len "abc" }} {{ len $labels }} {{ index $labels "a" }} {{ slice "abcdef" 1 3 }} {{ print 1 2 "a" "b" 3 }}': (
        "3 3 b bc 1 2ab3"
    ),
    '{{ and 1 0 }} {{ or 0 "x" }} {{ not 1 }} {{ eq 1 2 1 }} {{ ne "a" "b" }} {{ lt "a" "b" }} {{ ge 2 2 }}': (
        "0 x false true true true true"
    ),
    # Queries.
    '{{ query "m" | first | value }} {{ (query "m" | first).Labels.a }} {{ label "c" (query "m" | first) }}': (
        "1.23456789e+08 b d"
    ),
    '{{ range query "m" }}{{ .Labels.a }}={{ .Value }};{{ end }}{{ range query "none" }}x{{ else }}nothing{{ end }}': (
        "b=1.23456789e+08;nothing"
    ),
    '{{ with query "m" }}{{ . | first | value | humanize }}{{ end }}{{ len (query "none") }}': "123.5M0",
    # Blocks and variables.
    '{{ if gt $value 5.0 }}high{{ else if true }}low{{ end }} {{ if eq $labels.a "x" }}x{{ else }}y{{ end }}': "high y",
    "{{ with $labels.zz }}some{{ else }}none{{ end }} {{ with $x := $labels.a }}{{ $x }}{{ . }}{{ end }}": "none bb",
    '{{ $x := 1 }}{{ range $i, $e := query "m" }}{{ $x = 2 }}{{ $i }}{{ $e.Labels.c }}{{ end }}{{ $x }}': "0d2",
    "{{ range $name, $v := $labels }}{{ $name }}={{ $v }};{{ end }}": "__name__=m;a=b;c=d;",
    '{{ range $labels }}{{ if eq . "b" }}{{ continue }}{{ end }}{{ . }}{{ break }}{{ end }}': "m",
    '{{ define "T" }}[{{ . }}]{{ end }}{{ template "T" $value }}{{ block "B" 5 }}b{{ . }}{{ end }}': (
        "[1.23456789e+08]b5"
    ),
    'a {{- " b " -}} c {{/* note */}}| {{- /* note */ -}} d': "a b c |d",
}

FAILURES = {
    "{{ if gt $value 5 }}x{{ end }}": "incompatible types for comparison",
    '{{ first (query "none") }}': "no elements",
    "{{ .Nope }}": "can't evaluate field Nope",
    "{{ $labels.a.b }}": "can't evaluate field b in type string",
    "{{ toUpper 5 }}": "expected string; got int",
    "{{ humanize }}": "wrong number of args for humanize: want 1 got 0",
    '{{ humanize "x" }}': 'not a number: "x"',
    '{{ match "(" "x" }}': "invalid regular expression",
    "{{ index $labels 1 }}": "cannot index",
    '{{ template "absent" }}': "is not defined",
    '{{ query "broken(" }}': "no PromQL",
    '{{ define "T" }}{{ template "T" }}{{ end }}{{ template "T" }}': "deep",
}

MALFORMED = {
    "{{ $value": "not closed",
    "{{ if true }}x": "{{end}} is missing",
    "{{ end }}": "unexpected {{end}}",
    "{{ $nope }}": "undefined variable $nope",
    "{{ nope $value }}": 'function "nope" is not defined',
    "{{ }}": "a value is missing",
    "{{ $value | }}": "a value is missing",
    '{{ humanize("x") }}': "after an operand",
    "{{ ? }}": 'unexpected "? }}"',
    "{{ break }}": "outside {{range}}",
    '{{ "a | b }}': "in an action",
    "{{ range $a, $b := . }}": "{{end}} is missing",
}


def query(expression, _at_ms):
    if expression == "broken(":
        raise TocsinError("this is no PromQL")
    return [(SAMPLE, VALUE)] if expression == "m" else []


def expand(text, value=VALUE):
    expander = AlertExpander(Context(query, 1_700_000_000_000))
    return expander.expand(AlertTemplate.parse(text), SAMPLE, value)


@pytest.mark.parametrize(("text", "expected"), EXPANSIONS.items())
def test_expansion(text, expected):
    assert expand(text) == expected


@pytest.mark.parametrize(("text", "reason"), FAILURES.items())
def test_a_value_that_does_not_fit_is_an_error(text, reason):
    with pytest.raises(TemplateError, match=reason.replace("(", r"\(")):
        expand(text)


@pytest.mark.parametrize(("text", "reason"), MALFORMED.items())
def test_a_malformed_template_is_refused_when_it_is_read(text, reason):
    with pytest.raises(TemplateError) as caught:
        AlertTemplate.parse(text)
    assert reason in str(caught.value)


def test_numbers_that_are_not_finite():
    assert expand("{{ $value }} {{ humanize $value }}", float("nan")) == "NaN NaN"
    assert expand('{{ $value }} {{ printf "%.1f" $value }}', float("inf")) == "+Inf +Inf"
    assert expand("{{ humanizePercentage $value }}", float("-inf")) == "-Inf%"


def test_who_we_are():
    context = Context(query, 5_000, "http://host/tocsin", Labels({"site": "x"}))
    text = "{{ $externalLabels.site }} {{ $externalURL }} {{ externalURL }} {{ pathPrefix }} {{ now }}"
    expanded = AlertExpander(context).expand(AlertTemplate.parse(text), SAMPLE, 1.0)
    assert expanded == "x http://host/tocsin http://host/tocsin /tocsin 5"


@given(st.text(alphabet='{}$.|()"`\\- ifendrange:=1aé', max_size=30))
def test_any_text_is_a_template_or_one_error(text):
    with suppress(TemplateError):
        expand(text)


@pytest.mark.peer
def test_prometheus_expands_them_alike(tmp_path):
    """All expansions become annotations of one alert, and promtool is asked whether ours are right."""
    promtool = require_peer("promtool")
    texts = {f"t{index}": text for index, text in enumerate(EXPANSIONS)}
    expected = {f"t{index}": expanded for index, expanded in enumerate(EXPANSIONS.values())}
    rule = {"alert": "A", "expr": "m", "annotations": texts}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [rule]}]}))
    alert = {"exp_labels": {"a": "b", "c": "d"}, "exp_annotations": expected}
    test = {
        "interval": "1m",
        "input_series": [{"series": 'm{a="b",c="d"}', "values": "123456789"}],
        "alert_rule_test": [{"eval_time": "0m", "alertname": "A", "exp_alerts": [alert]}],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "tests": [test]}))
    done = subprocess.run(
        [promtool, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
