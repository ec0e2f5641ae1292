"""Globs over the fields of a dotted name, as a tree: finding one takes no longer the more there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

_ANY: Final = "*"

Found: TypeAlias = tuple[int, tuple[str, ...]]
"""The number of a glob, and the fields that its stars stand for."""


@dataclass(slots=True)
class _Node:
    below: dict[str, _Node] = field(default_factory=dict)
    number: int | None = None


class GlobTree:
    """Globs by number; where several match, the lowest number counts.

    Without ``ordered``, the glob counts that has a text where the others have a star, from the left.

    >>> tree = GlobTree()
    >>> tree.add("web.*.hits", 0)
    >>> tree.find("web.a.hits", ordered=True)
    (0, ('a',))
    """

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, glob: str, number: int) -> None:
        """Add a glob; of two that are equal the first counts."""
        node = self._root
        for name in glob.split("."):
            node = node.below.setdefault(name, _Node())
        if node.number is None:
            node.number = number

    def find(self, name: str, *, ordered: bool) -> Found | None:
        """The glob that counts for a name, or None."""
        found = _matching(self._root, name.split("."), 0, ())
        if ordered:
            return min(found, key=lambda each: each[0], default=None)
        return next(found, None)


def _matching(node: _Node, fields: Sequence[str], depth: int, stars: tuple[str, ...]) -> Iterator[Found]:
    """Every glob that matches, those with a text before those with a star."""
    if depth == len(fields):
        if node.number is not None:
            yield node.number, stars
        return
    name = fields[depth]
    if name != _ANY and (literal := node.below.get(name)):
        yield from _matching(literal, fields, depth + 1, stars)
    if star := node.below.get(_ANY):
        yield from _matching(star, fields, depth + 1, (*stars, name))
