"""Plateaus of what is measured on data that the model does not learn from."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import ClassVar, Final

from tocsin.sdk.health.detector import Finding
from tocsin.sdk.health.plateau import Plateau

_PREFIXES: Final = ("val_", "val/", "validation_", "validation/", "eval_", "eval/", "test_", "test/")
_SCORES: Final = ("acc", "f1", "auc", "score", "precision", "recall", "bleu", "rouge", "map", "iou", "r2")
_MOST_VALUES: Final = 16
_MOST_NAMES: Final = 1000


class Evaluations:
    """Finds that no value measured in evaluations becomes better any more.

    Each has a :class:`Plateau` of its own, and it is a finding when all of them are flat: an accuracy
    that rises while the loss on the same data does not fall is no plateau. Names that speak of a score
    (``acc``, ``f1``, ``auc``, …) are better when higher, all others when lower. At most 16 values are
    looked at.

    >>> Evaluations(1000, 0.02).observe(1, {"validation_accuracy": 0.5}) is None
    True
    """

    check: ClassVar[str] = "validation_plateau"

    def __init__(self, patience_steps: int, most_gain: float) -> None:
        self._patience_steps = patience_steps
        self._most_gain = most_gain
        self._plateaus: dict[str, Plateau] = {}
        self._findings: dict[str, Finding | None] = {}
        self._known: dict[str, bool] = {}

    def are_in(self, values: Mapping[str, float]) -> bool:
        """Whether values of a step were measured in an evaluation, by their names."""
        return any(self._is_one(name) for name in values)

    def observe(self, step: int, values: Mapping[str, float]) -> Finding | None:
        """Take the values of an evaluation; others among them are passed over."""
        for name, value in values.items():
            if not self._is_one(name) or not isfinite(value):
                continue
            if name not in self._plateaus and len(self._plateaus) >= _MOST_VALUES:
                continue
            if name not in self._plateaus:
                self._plateaus[name] = Plateau(
                    patience_steps=self._patience_steps, most_gain=self._most_gain, is_score=_is_score(name)
                )
            self._findings[name] = self._plateaus[name].observe(step, value)
        return self._joined()

    def _is_one(self, name: str) -> bool:
        known = self._known.get(name)
        if known is None:
            known = name.startswith(_PREFIXES)
            if len(self._known) < _MOST_NAMES:
                self._known[name] = known
        return known

    def _joined(self) -> Finding | None:
        found = list(self._findings.items())
        if not found or any(finding is None for _, finding in found):
            return None
        name, finding = found[0]
        return None if finding is None else finding._replace(text=f"({name}) {finding.text}")


def _is_score(name: str) -> bool:
    return any(word in name for word in _SCORES)
