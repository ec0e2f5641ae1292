from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.config.selectors import parse_selector
from tocsin.errors import QuerySyntaxError
from tocsin.promql.parser import parse_selector as parse_promql_selector

PIECES = [
    *("loss", "a:b", "{", "}", ",", "=", "!=", "=~", "!~", " ", "run", '"a"', "'b'", "`c`", '"a|b"', '""'),
    *(r'"\n\""', r"'\''", r'"é"', '".+"', '"("', "__name__", "\n", r'"\d"', r'"\u00e9"', '"{}"', "'a,b'"),
]


def by_promql(text: str):
    try:
        return parse_promql_selector(text)
    except QuerySyntaxError:
        return None


def here(text: str):
    try:
        return parse_selector(text)
    except ValueError:
        return None


@pytest.mark.parametrize(
    "text",
    [
        "loss",
        "{__name__=~'loss|.*_loss'}",
        'loss{run="a", site!~"b|c",}',
        ' loss { run = "a" } ',
        "a:b{}",
        '{job="node",instance!=""}',
        r'{path="C:\\x\n"}',
        '{a="", b=~".+"}',
        "{}",
        '{a=""}',
        '{a=~".*"}',
        "",
        "loss[5m]",
        "loss offset 5m",
        "sum(loss)",
        '{a="b"',
        '{a="b" c="d"}',
        '{,a="b"}',
        '{a="b",,}',
        '{a=~"("}',
        r'{a="\d"}',
        "{a=b}",
        "1loss",
        '{a.b="c"}',
    ],
)
def test_it_reads_what_promql_reads(text):
    assert here(text) == by_promql(text)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_it_reads_nothing_that_promql_does_not(text):
    found = here(text)
    assert found is None or found == by_promql(text)


def test_between_backticks_everything_stands_for_itself():
    (matcher,) = parse_selector("{a=`\\d\n'`}")
    assert matcher.value == "\\d\n'"


NAME = st.sampled_from(["run", "job", "_a1"])
VALUE = st.text(st.characters(codec="utf-8"), max_size=6)


@given(st.lists(st.tuples(NAME, st.sampled_from(["=", "!="]), VALUE), max_size=4))
def test_it_reads_every_plain_matcher(parts):
    written = ", ".join(
        name + operator + '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
        for name, operator, value in parts
    )
    found = parse_selector(f"loss{{{written}}}")
    assert [(each.name, each.type.value, each.value) for each in found[1:]] == parts


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sum(loss)", '"sum(loss)" is no selector of series (allowed is: name{label="value", …}'),
        ("{a=b, c=d}", '"{a=b, c=d}" is no selector of series: a=b, c=d is no matcher (allowed is: '),
        ("{}", '"{}" must hold at least one matcher that an empty text does not satisfy'),
        (r'{a="\d"}', r"unknown escape \d (a backslash itself is written \\)"),
        ('{a=~"("}', "invalid regular expression '('"),
    ],
)
def test_a_fault_is_one_sentence(text, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}"):
        parse_selector(text)
