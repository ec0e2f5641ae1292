"""What is no fault in a rule file, and most likely not meant either."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tocsin.config import Source
from tocsin.model import Labels
from tocsin.rules.files import GroupDefinition


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A rule whose name and labels an earlier one of the file also has: both write the same series."""

    name: str
    labels: Labels
    file: str
    line: int | None
    first_line: int | None

    def __str__(self) -> str:
        labels = f" with the labels {self.labels}" if self.labels else ""
        place = f"{self.file}:{self.line}"
        return (
            f'{place}: the rule "{self.name}"{labels} stands already in line {self.first_line}; '
            "the two may write different values into the same series"
        )


def find_duplicates(source: Source, groups: Sequence[GroupDefinition]) -> Iterator[Duplicate]:
    """The rules of a file that stand there twice, labels of their groups included."""
    seen: dict[tuple[str, Labels], int | None] = {}
    for group_number, group in enumerate(groups):
        for number, rule in enumerate(group.config.rules):
            name = rule.record or rule.alert or ""
            labels = Labels({**group.config.labels, **rule.labels})
            line = source.line_of(("groups", group_number, "rules", number))
            if (name, labels) in seen:
                yield Duplicate(name, labels, source.file, line, seen[name, labels])
            seen.setdefault((name, labels), line)
