"""How far clients have moved the model, and whether in the direction of the aggregate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple


class Direction(NamedTuple):
    """The Euclidean norm of an update, and the cosine of the angle between it and the aggregate's."""

    norm: float
    cosine: float | None


def direction(
    before: Mapping[str, Any], update: Mapping[str, Any], aggregate: Mapping[str, Any] | None
) -> Direction | None:
    """Compare a client's arrays and the aggregate's, both less those that were sent out.

    Each layer is read once, in double precision, so that memory grows by the largest layer and not by the
    model. None when the arrays are not those that were sent out; no cosine where one of the two is zero.

    >>> import numpy as np
    >>> zero, up, right = (dict(w=np.array(each)) for each in ([0.0, 0.0], [0.0, 2.0], [2.0, 2.0]))
    >>> norm, cosine = direction(zero, up, right)
    >>> norm, round(cosine, 3)
    (2.0, 0.707)
    """
    import numpy as np  # noqa: PLC0415

    if not before or before.keys() != update.keys() or (aggregate and aggregate.keys() != before.keys()):
        return None
    squares = products = aggregate_squares = 0.0
    # A poisoned update may hold infinities; the norm then says so.
    with np.errstate(all="ignore"):
        for name, old in before.items():
            base = np.asarray(old, dtype=np.float64).ravel()
            new = np.asarray(update[name], dtype=np.float64).ravel()
            if new.shape != base.shape:
                return None
            moved = new - base
            squares += float(moved @ moved)
            if aggregate:
                whole = np.asarray(aggregate[name], dtype=np.float64).ravel() - base
                products += float(moved @ whole)
                aggregate_squares += float(whole @ whole)
    length = math.sqrt(squares) * math.sqrt(aggregate_squares)
    return Direction(math.sqrt(squares), products / length if length > 0 else None)
