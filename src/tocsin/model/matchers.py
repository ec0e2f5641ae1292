"""Label matchers: how a selector names the series it wants."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tocsin.model.labels import METRIC_NAME
from tocsin.model.regex import compile_regex


class MatchType(StrEnum):
    """The four operators of a matcher."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; a label that is absent counts as empty.

    Regular expressions are anchored at both ends, as in Prometheus.

    >>> Matcher("job", MatchType.REGEX, "api|web").matches("api")
    True
    """

    name: str
    type: MatchType
    value: str

    @classmethod
    def metric(cls, name: str) -> Matcher:
        """The matcher for one metric name."""
        return cls(METRIC_NAME, MatchType.EQUAL, name)

    def matches(self, value: str) -> bool:
        """Say whether a label's value (empty when absent) satisfies this condition."""
        match self.type:
            case MatchType.EQUAL:
                return value == self.value
            case MatchType.NOT_EQUAL:
                return value != self.value
            case MatchType.REGEX:
                return compile_regex(self.value).fullmatch(value) is not None
            case MatchType.NOT_REGEX:
                return compile_regex(self.value).fullmatch(value) is None

    @property
    def matches_empty(self) -> bool:
        """Whether a series without this label satisfies it."""
        return self.matches("")

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.type}"{escaped}"'
