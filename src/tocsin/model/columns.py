"""Columns of samples: what the store hands to the evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from tocsin.model.labels import Labels

PADDING_MS: Final[int] = np.iinfo(np.int64).max
"""The timestamp behind the last sample of a row that is shorter than its block."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Samples of ``n`` series over one range of time, as NumPy columns; never written to.

    There are two shapes. *Shared*: all series were sampled at the same times, so
    ``timestamps_ms`` has shape ``(t,)``, ``values`` has ``(n, t)`` and every sample exists.
    *Ragged*: each series has times of its own, ``timestamps_ms`` has shape ``(n, t)``, row
    ``i`` holds ``lengths[i]`` samples, and behind them stand ``PADDING_MS`` and NaN.

    Timestamps rise strictly along a row. Staleness markers are samples like others;
    ``has_stale`` is False only where it is certain that there is none.
    """

    labels: Sequence[Labels]
    timestamps_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    lengths: npt.NDArray[np.int64] | None = None
    has_stale: bool = True

    @property
    def is_shared(self) -> bool:
        """Whether all series have the same timestamps."""
        return self.timestamps_ms.ndim == 1

    @property
    def sample_count(self) -> int:
        """How many samples there are, staleness markers included."""
        return self.values.size if self.lengths is None else int(self.lengths.sum())

    @classmethod
    def ragged(
        cls,
        labels: Sequence[Labels],
        rows: Sequence[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]],
        *,
        has_stale: bool = True,
    ) -> Columns:
        """Build the ragged shape from one (timestamps, values) pair a series."""
        lengths = np.array([len(times) for times, _ in rows], dtype=np.int64)
        width = int(lengths.max(initial=0))
        timestamps_ms = np.full((len(rows), width), PADDING_MS, dtype=np.int64)
        values = np.full((len(rows), width), np.nan)
        for row, (row_times, row_values) in enumerate(rows):
            timestamps_ms[row, : len(row_times)] = row_times
            values[row, : len(row_values)] = row_values
        return cls(labels, timestamps_ms, values, lengths, has_stale)
