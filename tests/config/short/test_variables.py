from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.config import parse_source
from tocsin.config.settings import load_settings
from tocsin.config.short import expand_text, expanded, read_expanded
from tocsin.errors import ConfigError

ENVIRONMENT = {"TOKEN": "s3cret", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${TOKEN}", "s3cret"),
        ("a${TOKEN}b${TOKEN}", "as3cretbs3cret"),
        ("${TOKEN:-other}", "s3cret"),
        ("${MISSING:-other: one}", "other: one"),
        ("${MISSING:-}", ""),
        ("${EMPTY}", ""),
        ("${EMPTY:-other}", "other"),
        ("$$TOKEN", "$TOKEN"),
        ("$${TOKEN}", "${TOKEN}"),
        ("{{ $value }} of {{ $labels.run }}", "{{ $value }} of {{ $labels.run }}"),
        ('{a=~"x$"}', '{a=~"x$"}'),
        ("costs 5$", "costs 5$"),
    ],
)
def test_variables_are_replaced_and_lone_dollars_stay(text, expected):
    assert expand_text(text, ENVIRONMENT) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "${MISSING}",
            "the environment variable MISSING is not set (a default is written ${MISSING:-default})",
        ),
        ("${}", '"${}" is no variable (allowed: ${NAME}, ${NAME:-default} and $$, a dollar)'),
        ("${1}", '"${1}" is no variable'),
        ("${TOKEN", '"${TOKEN" is no variable'),
        ("${TOKEN-x}", '"${TOKEN-x}" is no variable'),
    ],
)
def test_what_cannot_be_replaced_is_named(text, sentence):
    with pytest.raises(ConfigError) as caught:
        expanded(parse_source(f"a: 1\nalerts:\n  rules: ['{text}']\n", "t.yml"), ENVIRONMENT)
    assert str(caught.value).startswith(f"t.yml:3: alerts.rules[0]: {sentence}")


@given(st.text(st.characters(exclude_characters="$", exclude_categories=["Cs"])), st.text())
def test_a_value_is_never_expanded_again(text, value):
    assert expand_text(f"{text}${{TOKEN}}", {"TOKEN": value}) == text + value


@given(st.text())
def test_dollars_written_twice_stand_for_themselves(text):
    assert expand_text(text.replace("$", "$$"), {}) == text


def test_only_the_sections_of_the_short_forms_are_expanded():
    source = parse_source("statsd: '${X}'\nalerts: {a: [b, '${TOKEN}']}\non_call: '${TOKEN}'", "t.yml")
    assert expanded(source, ENVIRONMENT).data == {
        "statsd": "${X}",
        "alerts": {"a": ["b", "s3cret"]},
        "on_call": "s3cret",
    }


def test_a_variable_may_stand_in_a_flow_mapping_without_quotes(tmp_path):
    file = tmp_path / "t.yml"
    file.write_text(
        "other: {a: ${1}}\n"
        "alerts: {a: ${TOKEN}, b: [${MISSING:-http://127.0.0.1:9/a,b}, '${TOKEN}'], c: \"#${TOKEN}\"}\n"
        "x: \U0010f041\n"
    )
    source = read_expanded(file, ENVIRONMENT)
    assert source.data["other"] == {"a": "${1}"}
    assert source.data["alerts"] == {
        "a": "s3cret",
        "b": ["http://127.0.0.1:9/a,b", "s3cret"],
        "c": "#s3cret",
    }
    assert source.line_of(("alerts", "b", 0)) == 2


def test_other_faults_of_yaml_stay_what_they_are(tmp_path):
    file = tmp_path / "t.yml"
    file.write_text("a: {b: [}\n")
    with pytest.raises(ConfigError, match=r"t.yml:1: not valid YAML"):
        read_expanded(file, ENVIRONMENT)
    file.write_text("alerts: {a: ${TOKEN}\nb: c\n")
    with pytest.raises(ConfigError, match=r"t.yml:2: not valid YAML"):
        read_expanded(file, ENVIRONMENT)
    file.write_bytes(b"\xff${A}")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        read_expanded(file, ENVIRONMENT)
    with pytest.raises(ConfigError, match="cannot read the file"):
        read_expanded(tmp_path / "missing.yml", ENVIRONMENT)


def test_an_error_shows_the_variable_and_not_its_value(tmp_path, monkeypatch):
    monkeypatch.setenv("MAIL_SECRET", "hunter2")
    file = tmp_path / "t.yml"
    file.write_text(
        "alerts:\n channels:\n  email:\n   smtp_server: a\n   from_address: b\n   to_addresses: [c]\n"
        "   smtp_port: ${MAIL_SECRET}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_settings(file)
    assert str(caught.value) == (
        f'{file}:7: alerts.channels.email.smtp_port must be a whole number, not "${{MAIL_SECRET}}"'
    )
