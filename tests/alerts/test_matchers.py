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


@pytest.mark.parametrize(
    ("text", "matchers"),
    [
        ("{ }", []),
        ("{ a = b , }", [("a", "=", "b")]),
        ("a=b\u2003,c!~d", [("a", "=", "b"), ("c", "!~", "d")]),
        ('"a b"!="c,d}"', [("a b", "!=", "c,d}")]),
        (r'a="\a\b\f\n\r\t\v\\\""', [("a", "=", '\a\b\f\n\r\t\v\\"')]),
        (r'a="\xc3\xbc\303\274\u00fc\U000000fc"', [("a", "=", "üüüü")]),
        ("🙂=~[🙂]+", [("🙂", "=~", "[🙂]+")]),
        ('a=""', [("a", "=", "")]),
    ],
)
def test_the_newer_grammar(text, matchers):
    assert parsed(text, parse_utf8) == matchers


@pytest.mark.parametrize(
    "text",
    [
        "a", "a=", "=a", "a=b c=d", "a=b,,c=d", ",", "{", "}", "{a=b", "a=b}", "{{a=b}}", "{a=b}}", "{a=b},",
        "a!b", "a='b'", "a=`b`", 'a="b', 'a="b"c', "a==b", "a~b", r"a=b\n", r'a="\q"', r'a="\400"',
        r'a="\ud800"',
        r'a="\xff"', r'a="\U00110000"', r"""a="\'" """, 'a="b\nc"', "a=~(",
    ],
)  # fmt: skip
def test_what_the_newer_grammar_refuses(text):
    with pytest.raises(ValueError, match=r"\w"):
        parse_utf8(text)


def test_a_comma_ends_no_escape_in_the_classic_grammar():
    assert parsed('a="\\,"', parse_classic) == [("a", "=", "\\,")]
    assert parsed('a=\\,b="c"', parse_classic) == [("a", "=", "\\"), ("b", "=", "c")]


def tokens_slowly(text):
    """The words, quoted texts and signs of a text without escapes, one character at a time."""
    tokens, is_quoted, is_new = [], False, True
    for before, character in zip(f" {text}", text, strict=False):
        if is_quoted or not (is_new or character in ' {},=!"'):
            tokens[-1] += character
            is_quoted = is_quoted and character != '"'
            is_new = tokens[-1][0] == '"' and not is_quoted
        elif character == "=" and before == "!":
            tokens[-1] = "!="
        else:
            tokens += character.strip()
            is_quoted, is_new = character == '"', character in ' {},=!"'
    return ["!"] if is_quoted else tokens


def read_slowly(text):
    """The matchers of a text without escapes and regular expressions; None when it is refused."""
    tokens = tokens_slowly(text)
    if tokens[:1] == ["{"] and tokens[1:][-1:] == ["}"]:
        tokens = tokens[1:-1]
        if not tokens:
            return []
    found = []
    for start in range(0, len(tokens), 4):
        name, operator, value, comma = (*tokens[start : start + 4], "", "", "", "")[:4]
        is_plain = not {name, value} & {"", "{", "}", ",", "=", "!", "!="}
        if not is_plain or operator not in {"=", "!="} or comma not in {",", ""}:
            return None
        found.append((name.strip('"'), operator, value.strip('"')))
    return found


@given(
    st.lists(
        st.sampled_from(["{", "}", ",", " ", "=", "!=", "!", '"', "ab", "ü", '"a,b"', "ab=ü", '""']),
        max_size=9,
    )
)
def test_the_newer_grammar_as_read_slowly(parts):
    text = "".join(parts)
    try:
        found = parsed(text, parse_utf8)
    except ValueError:
        found = None
    assert found == read_slowly(text)


def quoted(text):
    """A text as Go writes it in a program."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@given(
    st.lists(st.tuples(st.text(min_size=1), st.sampled_from(["=", "!="]), st.text()), max_size=3),
    st.booleans(),
)
def test_any_names_and_values_are_read_back(matchers, has_braces):
    text = ",".join(f"{quoted(name)}{operator}{quoted(value)}" for name, operator, value in matchers)
    assert parsed(f"{{{text}}}" if has_braces else text, parse_utf8) == matchers


@given(st.text(min_size=1, max_size=20).filter(lambda text: "\r" not in text and "\x00" not in text))
def test_a_matcher_is_read_back(value):
    matcher = Matcher("name", MatchType.EQUAL, value)
    assert parse_classic(str(matcher)) == (matcher,)
