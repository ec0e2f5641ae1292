"""Label sets: what identifies a series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Self

METRIC_NAME: Final = "__name__"

_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Labels(Mapping[str, str]):
    """An immutable set of labels, ordered by name.

    Equal sets are equal and hash alike, whatever order they were given in. A label with an
    empty value is the same as no label, as in Prometheus, and is dropped.

    >>> str(Labels({"__name__": "up", "job": "api"}))
    'up{job="api"}'
    """

    __slots__ = ("_hash", "pairs")

    pairs: tuple[tuple[str, str], ...]

    def __init__(self, labels: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        items = labels.items() if isinstance(labels, Mapping) else labels
        self.pairs = tuple(sorted((name, value) for name, value in items if value))
        self._hash = hash(self.pairs)

    @classmethod
    def from_sorted(cls, pairs: tuple[tuple[str, str], ...]) -> Self:
        """Wrap pairs that are already sorted, unique and free of empty values."""
        labels = cls.__new__(cls)
        labels.pairs = pairs
        labels._hash = hash(pairs)  # noqa: SLF001 - this is a constructor
        return labels

    @property
    def metric_name(self) -> str:
        """The value of ``__name__``, or an empty string."""
        return self.get(METRIC_NAME, "")

    def keep(self, names: Iterable[str]) -> Labels:
        """Only the labels named."""
        wanted = frozenset(names)
        return Labels.from_sorted(tuple(pair for pair in self.pairs if pair[0] in wanted))

    def drop(self, names: Iterable[str]) -> Labels:
        """All labels but those named."""
        unwanted = frozenset(names)
        return Labels.from_sorted(tuple(pair for pair in self.pairs if pair[0] not in unwanted))

    def set(self, **labels: str) -> Labels:
        """These labels with some added or replaced; an empty value removes one."""
        return self.merge(labels)

    def merge(self, labels: Mapping[str, str]) -> Labels:
        """These labels overlaid with others; an empty value removes one."""
        return Labels({**dict(self.pairs), **labels})

    def __getitem__(self, name: str) -> str:
        for key, value in self.pairs:
            if key == name:
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Labels):
            return self.pairs == other.pairs
        return NotImplemented

    def __lt__(self, other: Labels) -> bool:
        return self.pairs < other.pairs

    def __str__(self) -> str:
        inside = ",".join(
            f'{name}="{value.translate(_ESCAPES)}"' for name, value in self.pairs if name != METRIC_NAME
        )
        metric_name = self.metric_name
        return f"{metric_name}{{{inside}}}" if inside or not metric_name else metric_name

    def __repr__(self) -> str:
        return f"Labels({dict(self.pairs)!r})"
