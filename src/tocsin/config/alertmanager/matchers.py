"""Conditions on labels, as values of keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

from tocsin.config.matchers import parse_matchers
from tocsin.config.model import LabelName
from tocsin.model import Matcher, MatchType
from tocsin.model.regex import checked_regex

_ORDER: Final = tuple(MatchType)


def _matchers(value: object) -> object:
    if not isinstance(value, list):
        return value
    if not all(isinstance(item, str) for item in value):
        raise ValueError("each matcher must be text")
    return tuple(matcher for text in value for matcher in parse_matchers(text))


def _readable(patterns: dict[str, str]) -> dict[str, str]:
    return {name: checked_regex(pattern) for name, pattern in patterns.items()}


Matchers: TypeAlias = Annotated[
    tuple[Matcher, ...],
    BeforeValidator(_matchers),
    PlainSerializer(lambda matchers: [str(matcher) for matcher in matchers], when_used="json"),
]
"""A list of texts, each of which is any number of matchers."""

Equalities: TypeAlias = dict[LabelName, str]
"""Labels and their values; the older way to write matchers."""

Patterns: TypeAlias = Annotated[dict[LabelName, str], AfterValidator(_readable)]
"""Labels and regular expressions for their values; the older way to write matchers."""


def all_matchers(
    match: Mapping[str, str], match_re: Mapping[str, str], matchers: Sequence[Matcher]
) -> tuple[Matcher, ...]:
    """The conditions of all three ways to write them, in Alertmanager's order."""
    equal = (Matcher(name, MatchType.EQUAL, value) for name, value in match.items())
    regex = (Matcher(name, MatchType.REGEX, f"^(?:{value})$") for name, value in match_re.items())
    return tuple(sorted((*equal, *regex, *matchers), key=_rank))


def _rank(matcher: Matcher) -> tuple[str, str, int]:
    return matcher.name, matcher.value, _ORDER.index(matcher.type)
