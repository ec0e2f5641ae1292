"""How predictions and the labels that came later agree: accuracy, precision, recall and F1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

Confusion = Counter[tuple[str, str]]
"""How often each pair of predicted and true class occurred."""


class Quality(NamedTuple):
    """Of one class. Precision is None where it was never predicted, recall where it never occurred."""

    precision: float | None
    recall: float | None
    f1: float


def accuracy(pairs: Confusion) -> float | None:
    """The share of pairs that agree; None where there are none.

    >>> accuracy(Confusion({("cat", "cat"): 3, ("cat", "dog"): 1}))
    0.75
    """
    total = pairs.total()
    if not total:
        return None
    return sum(count for (predicted, true), count in pairs.items() if predicted == true) / total


def by_class(pairs: Confusion) -> dict[str, Quality]:
    """Of each class that occurs: TP / (TP + FP), TP / (TP + FN) and 2 TP / (2 TP + FP + FN)."""
    predicted: Counter[str] = Counter()
    true: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    for (guess, truth), count in pairs.items():
        predicted[guess] += count
        true[truth] += count
        hits[guess] += count * (guess == truth)
    return {
        name: Quality(
            hits[name] / predicted[name] if predicted[name] else None,
            hits[name] / true[name] if true[name] else None,
            2 * hits[name] / (predicted[name] + true[name]),
        )
        for name in sorted(predicted.keys() | true.keys())
    }


def macro(classes: dict[str, Quality]) -> Iterator[tuple[str, float]]:
    """The mean over classes of each measure, in which an undefined one counts as 0, as in scikit-learn."""
    if classes:
        for position, name in enumerate(Quality._fields):
            yield name, sum(each[position] or 0.0 for each in classes.values()) / len(classes)
