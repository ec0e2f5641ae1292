"""Plateaus: a loss, or a score, that does not become better any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import ClassVar, Final

from tocsin.sdk.health.detector import Detector, Finding

_MOST_BLOCKS: Final = 128
_SHARE_OF_RUN: Final = 0.25
_LEAST_VALUES: Final = 2

_STUDENT: Final = (6.31, 2.92, 2.35, 2.13, 2.02, 1.94, 1.89, 1.86, 1.83, 1.81)
"""The 95th percentile of Student's distribution, of 1 degree of freedom, 2, …"""

_NORMAL: Final = 1.645

_MOST: Final = 1e150
"""Larger values have no square."""


@dataclass(slots=True)
class _Block:
    """Values of steps in a row: their number, mean, and sum of squared distances from it."""

    first_step: int
    count: int
    mean: float
    squares: float

    def add(self, other: _Block) -> None:
        """Take the values of another block (T. Chan, G. Golub, R. LeVeque, 1979)."""
        count = self.count + other.count
        distance = other.mean - self.mean
        self.squares += other.squares + distance * distance * self.count * other.count / count
        self.mean += distance * other.count / count
        self.count = count


class Plateau(Detector):
    """Finds that the newest quarter of the run, and at least ``patience_steps``, brought nothing.

    That stretch is cut into halves. It is a plateau when the mean of the second half is better than that
    of the first by less than ``most_gain`` (a ratio of the level) and the difference is not significant
    (one-sided t-test, 5 %), or is better by less than a tenth of that in any case. A half needs two
    values, and the run has to be twice ``patience_steps`` old. So a steep part is never a plateau, and a
    loss that falls slowly, but surely, is not one either. False alarms: where values are few and noisy
    (evaluations), a rise below the noise cannot be told from none; the next values correct it.

    ``is_score`` says that higher is better. Values are kept as at most 128 blocks, which become
    coarser as the run grows; under 1 µs a step on average, 50 µs where a block is complete.

    >>> plateau = Plateau(patience_steps=100)
    >>> found = [plateau.observe(step, max(1.0, 10.0 - step * 0.01)) is not None for step in range(2000)]
    >>> found.index(True)
    1183
    """

    check: ClassVar[str] = "plateau"

    def __init__(
        self, *, patience_steps: int = 1000, most_gain: float = 0.02, is_score: bool = False
    ) -> None:
        self._patience_steps = patience_steps
        self._most_gain = most_gain
        self._sign = -1.0 if is_score else 1.0
        self._blocks: list[_Block] = []
        self._block_size = 1
        self._first_step: int | None = None
        self._finding: Finding | None = None

    def observe(self, step: int, value: float) -> Finding | None:
        """Take the value of a step."""
        if not isfinite(value) or abs(value) > _MOST:
            return self._finding
        if self._first_step is None:
            self._first_step = step
        self._put(_Block(step, 1, self._sign * value, 0.0))
        if self._blocks[-1].count >= self._block_size:
            self._finding = self._judged(step)
        return self._finding

    def _put(self, block: _Block) -> None:
        if self._blocks and self._blocks[-1].count < self._block_size:
            self._blocks[-1].add(block)
            return
        if len(self._blocks) == _MOST_BLOCKS:
            self._coarsen()
        self._blocks.append(block)

    def _coarsen(self) -> None:
        for even, odd in zip(self._blocks[::2], self._blocks[1::2], strict=True):
            even.add(odd)
        self._blocks = self._blocks[::2]
        self._block_size *= 2

    def _judged(self, step: int) -> Finding | None:
        age_steps = step - (self._first_step or 0)
        if age_steps < 2 * self._patience_steps:
            return None
        stretch_steps = max(self._patience_steps, _SHARE_OF_RUN * age_steps)
        newest = [block for block in self._blocks if block.first_step > step - stretch_steps]
        before, after = _halves(newest)
        if before is None or after is None or not self._is_flat(before, after):
            return None
        text = f"has not become better than {self._sign * before.mean:.4g} for {stretch_steps:.0f} steps"
        return Finding(self._sign * after.mean, self._sign * before.mean, text)

    def _is_flat(self, before: _Block, after: _Block) -> bool:
        gain = before.mean - after.mean
        most = self._most_gain * abs(before.mean)
        if gain <= most / 10:
            return True
        freedom = before.count + after.count - 2
        variance = (before.squares + after.squares) / freedom
        error = sqrt(variance * (1 / before.count + 1 / after.count))
        return gain < most and gain < _critical(freedom) * error


def _halves(blocks: Sequence[_Block]) -> tuple[_Block | None, _Block | None]:
    middle = len(blocks) // 2
    return _joined(blocks[:middle]), _joined(blocks[middle:])


def _joined(blocks: Sequence[_Block]) -> _Block | None:
    if not blocks:
        return None
    whole = _Block(blocks[0].first_step, 0, 0.0, 0.0)
    for block in blocks:
        whole.add(block)
    return whole if whole.count >= _LEAST_VALUES else None


def _critical(freedom: int) -> float:
    return _STUDENT[freedom - 1] if freedom <= len(_STUDENT) else _NORMAL
