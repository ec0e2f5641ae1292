from __future__ import annotations

import pytest

from tocsin.model.regex import checked_regex, compile_regex, expand


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a|b", "b", True),
        ("a|b", "ab", False),
        ("a.c", "a\nc", True),
        ("((?i)PRO).*", "prod", True),
        ("[[:alpha:]]+", "abc", True),
        (r"\Qa.b\E", "a.b", True),
        (r"\Qa.b\E", "axb", False),
        (r"\pL+", "été", True),
        ("", "", True),
        (".+", "", False),
    ],
)
def test_the_dialect_is_that_of_prometheus(pattern, text, matches):
    assert (compile_regex(pattern).fullmatch(text) is not None) == matches


@pytest.mark.parametrize("pattern", ["(", "(?=a)", r"(a)\1", "x{2,1}", "a**", "\ud800"])
def test_what_is_no_expression_is_one_sentence(pattern):
    with pytest.raises(ValueError, match="invalid regular expression") as caught:
        checked_regex(pattern)
    assert "\n" not in str(caught.value)


def test_a_pattern_that_would_never_end_elsewhere_ends():
    assert compile_regex("(a+)+b").fullmatch("a" * 5000) is None


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("$1", "x"),
        ("${1}2", "x2"),
        ("$12", ""),
        ("$name", "x"),
        ("$$1", "$1"),
        ("$nothing.", "."),
        ("$2", ""),
        ("plain", "plain"),
    ],
)
def test_references_are_filled_as_go_does(template, text):
    match = compile_regex("(?P<name>x)(y)?z").fullmatch("xz")
    assert match is not None
    assert expand(template, match) == text
