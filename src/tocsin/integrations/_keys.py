"""Under which names frameworks report loss, accuracy and numbers of examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

_LOSS: Final = ("loss", "eval_loss", "val_loss", "test_loss", "train_loss")
_ACCURACY: Final = (
    "accuracy",
    "eval_acc",
    "eval_accuracy",
    "acc",
    "val_acc",
    "val_accuracy",
    "test_acc",
    "test_accuracy",
    "train_acc",
    "train_accuracy",
)


@dataclass(frozen=True)
class Keys:
    """Names of values, of which the first that is there counts."""

    loss: tuple[str, ...] = _LOSS
    accuracy: tuple[str, ...] = _ACCURACY
    examples: tuple[str, ...] = ("num-examples", "num_examples")

    def given(self, loss: Sequence[str] | None, accuracy: Sequence[str] | None) -> Self:
        """With names of the user's where there are any."""
        return replace(
            self,
            loss=self.loss if loss is None else tuple(loss),
            accuracy=self.accuracy if accuracy is None else tuple(accuracy),
        )


def number(records: Iterable[Mapping[str, Any]], keys: Sequence[str]) -> float | None:
    """The first of the keys that one of the records has with a single number.

    >>> number([{"val_loss": 0.5, "train_loss": 0.4}], Keys().loss)
    0.5
    """
    for record in records:
        for key in keys:
            value = record.get(key)
            if isinstance(value, int | float):
                return float(value)
    return None
