from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.gotemplate import (
    BUILTINS,
    SHORT_CIRCUITS,
    Object,
    Record,
    Signature,
    TemplateError,
    bind,
    evaluator,
    expand,
    parse_template,
)

KNOWN = {*BUILTINS, *SHORT_CIRCUITS}


class Box(dict, Object):
    go_type = "test.Box"

    def __str__(self):
        return f"box of {len(self)}"

    def method(self, name):
        return bind(METHODS, self, name)


METHODS = {
    "Size": Signature(len),
    "Add": Signature(lambda box, name: Box({**box, name: "new"}), ("string",)),
    "Names": Signature(sorted),
}

DATA = Record("test.Data", {"Box": Box(b="2", a="1", Size="hidden"), "List": ["x", "y", "z"], "Zero": 0})


def filled(text, data=DATA, **more):
    return expand(parse_template(text, KNOWN, name="t"), data, BUILTINS, **more)


EXPANSIONS = {
    "{{ .Box }}": "box of 3",
    "{{ .Box.a }} {{ .Box.none }}|": "1 |",
    "{{ .Box.Size }}": "3",
    '{{ (.Box.Add "c").Size }} {{ .Box.Add "c" | len }}': "4 4",
    '{{ "c" | .Box.Add | len }}': "4",
    "{{ .Box.Names }} {{ index .Box.Names 0 }}": "[Size a b] Size",
    "{{ range .Box.Names }}<{{ . }}>{{ end }}": "<Size><a><b>",
    "{{ range $k, $v := .Box }}{{ $k }}={{ $v }} {{ end }}": "Size=hidden a=1 b=2 ",
    "{{ with .Box }}{{ .Size }}{{ end }}": "3",
    "{{ if .Zero }}a{{ else if .Box }}b{{ else }}c{{ end }}": "b",
    "{{ with .Zero }}a{{ else with .List }}{{ len . }}{{ end }}": "3",
    '{{ range .List }}{{ if eq . "y" }}{{ continue }}{{ end }}{{ . }}{{ end }}': "xz",
    '{{ range .List }}{{ if eq . "y" }}{{ break }}{{ end }}{{ . }}{{ end }}': "x",
    "{{ range .Zero }}x{{ else }}none{{ end }}": "none",
    "{{ $x := 1 }}{{ range .List }}{{ $x = . }}{{ end }}{{ $x }}": "z",
    '{{ define "T" }}[{{ . }}]{{ end }}{{ range .List }}{{ template "T" . }}{{ end }}': "[x][y][z]",
    '{{ block "B" .Zero }}<{{ . }}>{{ end }}{{ template "B" 7 }}': "<0><7>",
    "a {{- /* a comment */ -}} b": "ab",
    "a{{/* two\nlines */}}b": "ab",
    "a \n{{- 1 -}}\n b": "a1b",
    "{{ `raw \\n` }}{{ \"q\\t\" }}{{ 'a' }}": "raw \\nq\t97",
    '{{ and 1 0 }} {{ or 0 "x" }} {{ not .Zero }}': "0 x true",
    '{{ printf "%05d|%-4s|%.2f|%q|%v" 42 "ab" 1.0 "x" .List }}': '00042|ab  |1.00|"x"|[x y z]',
    "{{ $ }}": "{box of 3 [x y z] 0}",
}

FAILURES = {
    "{{ .Nope }}": "t, line 1: can't evaluate field Nope in type test.Data",
    "\n{{ .Box.Add }}": "t, line 2: wrong number of args for Add: want 1 got 0",
    "{{ .Box.Add 1 }}": "wrong type for value of Add; expected string; got int",
    '{{ .Box.a "x" }}': "can't give argument to non-function 1",
    "{{ range .Zero.x }}{{ end }}": "can't evaluate field x in type int",
    '{{ if true }}\n{{ template "absent" . }}{{ end }}': 't, line 2: template "absent" is not defined',
    '{{ define "T" }}{{ template "T" }}{{ end }}{{ template "T" }}': "deep",
    '{{ printf "%999999999d" 1 }}': "more than 100000",
    '{{ printf "%*d" 999999999 1 }}': "more than 100000",
    '{{ define "D" }}\n\n{{ .x }}{{ end }}{{ template "D" 5 }}': "t, line 3: can't evaluate field x in type",
}

MALFORMED = {
    "\n\n{{ nope }}": 't, line 3: function "nope" is not defined',
    "a\n{{ if }}": "t, line 2: a value is missing",
    "\n{{ 'x": "t, line 2: unexpected",
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}": "nested too deeply",
    "{{ if 1 }}" * 5000: "t, line 1: it is nested too deeply",
}


@pytest.mark.parametrize(("text", "expected"), EXPANSIONS.items())
def test_expansion(text, expected):
    assert filled(text) == expected


@pytest.mark.parametrize(("text", "reason"), FAILURES.items())
def test_a_failure_names_template_and_line(text, reason):
    with pytest.raises(TemplateError) as caught:
        filled(text)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "reason"), MALFORMED.items(), ids=range(len(MALFORMED)))
def test_a_malformed_template_names_the_line(text, reason):
    with pytest.raises(TemplateError) as caught:
        filled(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ range 1000000000 }}{{ end }}", "more than 1000 steps"),
        ("{{ range 1000000000 }}{{ range 1000000000 }}x{{ end }}{{ end }}", "more than 1000 steps"),
        ("{{ range 300 }}0123456789{{ end }}", "longer than 2000 characters"),
        (
            '{{ $x := "0123456789" }}{{ range 9 }}{{ $x = print $x $x }}{{ end }}',
            "longer than 2000 characters",
        ),
    ],
)
def test_it_is_bounded(text, reason, monkeypatch):
    monkeypatch.setattr(evaluator, "MAX_STEPS", 1000)
    monkeypatch.setattr(evaluator, "MAX_OUTPUT_CHARACTERS", 2000)
    with pytest.raises(TemplateError, match=reason):
        filled(text)


def test_a_library_is_called_and_ones_own_definition_counts_for_more():
    library = parse_template(
        '{{ define "A" }}theirs {{ template "B" . }}{{ end }}{{ define "B" }}b{{ end }}', KNOWN
    )
    assert filled('{{ template "A" . }}', library=library.defined) == "theirs b"
    own = '{{ define "B" }}mine{{ end }}{{ template "A" . }}'
    assert filled(own, library=library.defined) == "theirs mine"


@given(st.text(alphabet='{}$.|()"`\\-/* ifendrangetmpl:=1aé\n', max_size=40))
def test_any_text_is_a_template_or_one_error(text):
    with suppress(TemplateError):
        filled(text)


@given(st.text(max_size=60))
def test_text_without_actions_stays(text):
    if "{{" not in text:
        assert filled(text) == text
