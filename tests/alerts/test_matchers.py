from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import cases_dir
from tocsin.config.matchers import parse_classic, parse_matchers, parse_utf8
from tocsin.model import Matcher, MatchType


def parsed(text, parse=parse_matchers):
    return [(matcher.name, matcher.type.value, matcher.value) for matcher in parse(text)]


@pytest.mark.parametrize(
    ("text", "matchers"),
    [
        ("", []),
        ("{}", []),
        ("severity=critical", [("severity", "=", "critical")]),
        ('{a="b", c!~"d|e",}', [("a", "=", "b"), ("c", "!~", "d|e")]),
        ('a="x,y"', [("a", "=", "x,y")]),
        (r'a="say \"hi\"\n"', [("a", "=", 'say "hi"\n')]),
        ('"label with spaces"="ü"', [("label with spaces", "=", "ü")]),
        ("a=b c=d", [("a", "=", "b c=d")]),
        ("größe=5", [("größe", "=", "5")]),
    ],
)
def test_what_is_read(text, matchers):
    assert parsed(text) == matchers


@pytest.mark.parametrize("text", ["a", '{a="b', 'a="b"c"', "=b", 'a=~"["', "{,}"])
def test_what_is_refused_with_one_sentence(text):
    with pytest.raises(ValueError, match=r"\w"):
        parse_matchers(text)


def test_where_both_grammars_differ_the_classic_one_decides():
    assert parsed('a="\\t"', parse_utf8) == [("a", "=", "\t")]
    assert parsed('a="\\t"') == parsed('a="\\t"', parse_classic) == [("a", "=", "\\t")]


@pytest.mark.parametrize(("kind", "parse"), [("compliance", parse_matchers), ("classic", parse_classic)])
def test_outside_cases(kind, parse):
    cases = json.loads((cases_dir("alertmanager") / "matchers.json").read_text())[kind]
    for case in cases:
        if case.get("error"):
            with pytest.raises(ValueError, match=r"\w"):
                parse(case["input"])
        else:
            wanted = [(m["name"], m["op"], m["value"]) for m in case["matchers"]]
            assert parsed(case["input"], parse) == wanted, case["input"]


@given(st.text(alphabet='{}ab=!~,"\\ ', max_size=20))
def test_any_text_is_matchers_or_a_value_error(text):
    with suppress(ValueError):
        parse_matchers(text)


@given(st.text(min_size=1, max_size=20).filter(lambda text: "\r" not in text and "\x00" not in text))
def test_a_matcher_is_read_back(value):
    matcher = Matcher("name", MatchType.EQUAL, value)
    assert parse_classic(str(matcher)) == (matcher,)
