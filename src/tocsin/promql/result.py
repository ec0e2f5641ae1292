"""What a query answers, as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tocsin.model import Labels
from tocsin.promql.ast import ValueType
from tocsin.promql.limits import QueryStats
from tocsin.promql.values import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to a query.

    ``values`` has one row for each of ``labels`` and one column for each of ``timestamps_ms``;
    ``present`` says which of them exist and is None when all do. A scalar is one value with empty
    labels. The ranges that an instant query of a range vector answers with have times of their
    own: ``timestamps_ms`` then has the shape of ``values``. The series of a range query are sorted
    by their labels, those of an instant query stand in the order that the query gave them.
    """

    type: ValueType
    labels: Sequence[Labels]
    timestamps_ms: Ints
    values: Floats
    present: Bools | None = None
    string: str = ""
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    stats: QueryStats = field(default_factory=QueryStats)

    @property
    def mask(self) -> Bools:
        """``present``, spelled out."""
        if self.present is None:
            return np.broadcast_to(np.True_, self.values.shape)
        return self.present

    def series(self) -> Iterator[tuple[Labels, Ints, Floats]]:
        """Each series with the times and values that it has."""
        for row, labels in enumerate(self.labels):
            times_ms = self.timestamps_ms if self.timestamps_ms.ndim == 1 else self.timestamps_ms[row]
            values = self.values[row]
            if self.present is not None:
                real = self.present[row]
                times_ms, values = times_ms[real], values[real]
            yield labels, times_ms, values

    def samples(self) -> list[tuple[Labels, float]]:
        """The series of an instant vector (or a scalar) with their values."""
        return list(zip(self.labels, self.values[:, 0].tolist(), strict=True))

    @property
    def scalar(self) -> float:
        """The value of a scalar."""
        return float(self.values[0, 0])


def no_values(steps: int) -> Floats:
    """Values of no series."""
    return np.empty((0, steps))
