"""Series that have become alike: one series where they follow each other, an error where they overlap."""

from __future__ import annotations

import numpy as np

from tocsin.errors import QueryError
from tocsin.model import METRIC_NAME, Labels
from tocsin.promql.labelsets import LabelSets
from tocsin.promql.values import Vector

SAME_LABELSET = "vector cannot contain metrics with the same labelset"


def merged(vector: Vector, *, strict: bool = False) -> Vector:
    """The vector with each label set once.

    Raises QueryError where two series with the same labels exist at one step, or anywhere when strict.
    """
    if vector.labels.distinct:
        return vector
    if strict:
        raise QueryError(SAME_LABELSET)
    index_of: dict[Labels, int] = {}
    groups = np.array([index_of.setdefault(labels, len(index_of)) for labels in vector.labels.sets])
    values, mask = vector.values, vector.mask
    steps = values.shape[1]
    counts = np.zeros((len(index_of), steps), dtype=np.int64)
    np.add.at(counts, groups, mask)
    if (counts > 1).any():
        raise QueryError(SAME_LABELSET)
    joined = np.zeros((len(index_of), steps))
    rows, columns = np.nonzero(mask)
    joined[groups[rows], columns] = values[rows, columns]
    nameless = None
    if vector.nameless is not None:
        nameless = np.zeros(len(index_of), dtype=bool)
        nameless[groups] = vector.nameless
    return Vector(LabelSets(list(index_of), distinct=True), joined, None, nameless).with_present(counts > 0)


def finally_nameless(vector: Vector) -> Vector:
    """Remove the metric names of the series marked for it."""
    if vector.nameless is None:
        return vector
    if vector.nameless.all():
        return merged(Vector(vector.labels.nameless, vector.values, vector.present))
    marked = iter(vector.nameless.tolist())
    labels = vector.labels.relabelled(lambda each: each.drop((METRIC_NAME,)) if next(marked) else each)
    return merged(Vector(labels, vector.values, vector.present))
