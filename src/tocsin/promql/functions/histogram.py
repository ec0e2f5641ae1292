"""Quantiles and fractions of classic histograms, whose buckets are series with a label ``le``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from tocsin.errors import QueryError
from tocsin.model import Labels
from tocsin.promql.annotations import Annotations
from tocsin.promql.ast import Call
from tocsin.promql.functions.base import SCALAR, STRING, VECTOR, Evaluation, Function, text
from tocsin.promql.functions.labels import is_label_name
from tocsin.promql.labelsets import LabelSets
from tocsin.promql.merging import merged
from tocsin.promql.quantiles import warn_of_quantiles
from tocsin.promql.values import Bools, Floats, Ints, Value, Vector, empty_vector

_BUCKET: Final = "le"
_INSIGNIFICANT: Final = 1e-12
"""Relative differences between neighbouring buckets up to this are rounding errors, as in Prometheus."""


@dataclass(frozen=True, slots=True)
class _Histograms:
    """Histograms with the same bounds: counts and which exist, ``(histograms, buckets, steps)``."""

    members: Ints
    bounds: Floats
    counts: Floats
    present: Bools


Compute = Callable[[Floats, Floats, "_Scalars"], Floats]
_Scalars = tuple[Floats, ...]


def _bound(labels: Labels) -> float | None:
    written = labels.get(_BUCKET, "")
    try:
        return float(written) if "_" not in written else None
    except ValueError:
        return None


def _collect(
    vector: Vector, annotations: Annotations
) -> tuple[list[_Histograms], list[Labels], Bools | None]:
    """Sort buckets into histograms; returns those with equal bounds together, and all their labels."""
    usable, bounds = [], []
    for row, labels in enumerate(vector.labels.sets):
        bound = _bound(labels)
        if bound is None:
            written = labels.get(_BUCKET, "")
            annotations.warn(f'bucket label "le" is missing or has a malformed value of "{written}"')
        else:
            usable.append(row)
            bounds.append(bound)
    members: dict[Labels, list[tuple[float, int]]] = {}
    for row, bound in zip(usable, bounds, strict=True):
        members.setdefault(vector.labels.sets[row].drop((_BUCKET,)), []).append((bound, row))
    alike: dict[tuple[float, ...], list[tuple[int, list[int]]]] = {}
    for index, buckets in enumerate(members.values()):
        buckets.sort()
        alike.setdefault(tuple(bound for bound, _ in buckets), []).append(
            (index, [row for _, row in buckets])
        )
    nameless = vector.nameless
    if nameless is not None:
        nameless = nameless[[buckets[0][1] for buckets in members.values()]]
    return [_stack(vector, key, found) for key, found in alike.items()], list(members), nameless


def _stack(vector: Vector, bounds: tuple[float, ...], found: list[tuple[int, list[int]]]) -> _Histograms:
    rows = np.array([rows for _, rows in found])
    members = np.array([index for index, _ in found])
    counts, present = vector.values[rows], vector.mask[rows]
    unique, starts = np.unique(bounds, return_index=True)
    if len(unique) < len(bounds):
        # The same bound written in two ways: its counts add up.
        counts = np.add.reduceat(np.where(present, counts, 0.0), starts, axis=1)
        present = np.logical_or.reduceat(present, starts, axis=1)
    return _Histograms(members, unique, counts, present)


def _evaluate(evaluation: Evaluation, vector: Vector, scalars: _Scalars, compute: Compute) -> Vector:
    stacks, labels, nameless = _collect(vector, evaluation.annotations)
    steps = evaluation.steps.count
    if not labels:
        return empty_vector(steps)
    values = np.full((len(labels), steps), np.nan)
    present = np.zeros((len(labels), steps), dtype=bool)
    with np.errstate(all="ignore"):
        for stack in stacks:
            values[stack.members] = _of_stack(stack, scalars, compute)
            present[stack.members] = stack.present.any(axis=1)
    result = Vector(LabelSets(labels, distinct=True), values, None, nameless).with_present(present)
    return evaluation.drop_names(result)


def _of_stack(stack: _Histograms, scalars: _Scalars, compute: Compute) -> Floats:
    if stack.present.all():
        return compute(stack.bounds, stack.counts, scalars)
    # Each combination of buckets that exist together is a histogram of its own.
    flat = np.moveaxis(stack.present, 1, 2).reshape(-1, len(stack.bounds))
    patterns, kinds = np.unique(flat, axis=0, return_inverse=True)
    counts = np.moveaxis(stack.counts, 1, 2).reshape(-1, len(stack.bounds))
    steps = np.tile(np.arange(stack.counts.shape[2]), len(stack.members))
    out = np.full(len(flat), np.nan)
    for kind, pattern in enumerate(patterns):
        cells = np.flatnonzero(kinds.ravel() == kind)
        if pattern.any():
            part = counts[cells][:, pattern].T[None]
            chosen = tuple(scalar[steps[cells]] for scalar in scalars)
            out[cells] = compute(stack.bounds[pattern], part, chosen)[0]
    return out.reshape(len(stack.members), -1)


def _monotonic(counts: Floats) -> tuple[Floats, bool]:
    """Remove decreases and rounding errors along the buckets; says whether a real decrease was removed."""
    fixed, forced = counts.copy(), False
    previous = counts[:, 0]
    for bucket in range(1, counts.shape[1]):
        current = counts[:, bucket]
        same = np.abs(current - previous) <= _INSIGNIFICANT * (np.abs(current) + np.abs(previous))
        less = ~same & (current < previous)
        forced = forced or bool(less.any())
        previous = np.where(same | less, previous, current)
        fixed[:, bucket] = previous
    return fixed, forced


def _quantile_of(annotations: Annotations) -> Compute:
    def compute(bounds: Floats, counts: Floats, scalars: _Scalars) -> Floats:
        (phi,) = scalars
        if not math.isinf(bounds[-1]) or len(bounds) < 2:
            return _outside(phi, np.full((len(counts), counts.shape[2]), np.nan))
        counts, forced = _monotonic(counts)
        if forced:
            annotations.info(
                "input to histogram_quantile needed to be fixed for monotonicity "
                "(see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"
            )
        return _outside(phi, _interpolated(bounds, counts, phi))

    return compute


def _outside(phi: Floats, values: Floats) -> Floats:
    values = np.where(phi < 0, -np.inf, np.where(phi > 1, np.inf, values))
    return np.where(np.isnan(phi), np.nan, values)


def _interpolated(bounds: Floats, counts: Floats, phi: Floats) -> Floats:
    observations = counts[:, -1]
    rank = phi * observations
    bucket = (counts[:, :-1] < rank[:, None]).sum(axis=1)
    last = len(bounds) - 1
    inside = np.minimum(bucket, last - 1)
    before = np.maximum(inside - 1, 0)
    is_first = inside == 0
    start = np.where(is_first, 0.0, bounds[before])
    below = np.where(is_first, 0.0, _of_bucket(counts, before))
    share = (rank - below) / (_of_bucket(counts, inside) - below)
    values = start + (bounds[inside] - start) * share
    values = np.where(is_first & (bounds[0] <= 0), bounds[0], values)
    values = np.where(bucket == last, bounds[-2], values)
    return np.where((observations == 0) | np.isnan(observations), np.nan, values)


def _of_bucket(counts: Floats, bucket: Ints) -> Floats:
    return np.take_along_axis(counts, bucket[:, None], axis=1)[:, 0]


def _fraction_of(bounds: Floats, counts: Floats, scalars: _Scalars) -> Floats:
    lower, upper = scalars
    observations = counts[:, -1]
    shape = observations.shape
    if not math.isinf(bounds[-1]):
        return np.full(shape, np.nan)
    low = _rank_of(bounds, counts, np.broadcast_to(lower, shape))
    high = _rank_of(bounds, counts, np.broadcast_to(upper, shape))
    fraction = np.where(lower >= upper, 0.0, (high - low) / observations)
    return np.where((observations == 0) | np.isnan(lower) | np.isnan(upper), np.nan, fraction)


def _rank_of(bounds: Floats, counts: Floats, value: Floats) -> Floats:
    """How many observations lie below a value, interpolated within its bucket."""
    bucket = np.minimum(np.searchsorted(bounds, value, side="left"), len(bounds) - 1)
    before = np.maximum(bucket - 1, 0)
    is_first = bucket == 0
    lowest = 0.0 if bounds[0] > 0 else -np.inf
    start = np.where(is_first, lowest, bounds[before])
    below = np.where(is_first, 0.0, _of_bucket(counts, before))
    within = _of_bucket(counts, bucket)
    rank = below + (within - below) * (value - start) / (bounds[bucket] - start)
    rank = np.where(np.isinf(start), within, rank)
    rank = np.where(np.isinf(bounds[bucket]), below, rank)
    rank = np.where(value <= start, below, rank)
    return np.minimum(np.where(value == np.inf, counts[:, -1], rank), counts[:, -1])


def _histogram_quantile(evaluation: Evaluation, call: Call) -> Vector:
    phi, vector = evaluation.scalar(call.arguments[0]), evaluation.vector(call.arguments[1])
    warn_of_quantiles(evaluation.annotations, phi)
    return _evaluate(evaluation, vector, (phi,), _quantile_of(evaluation.annotations))


def _histogram_quantiles(evaluation: Evaluation, call: Call) -> Vector:
    vector, name = evaluation.vector(call.arguments[0]), text(call.arguments[1])
    if not is_label_name(name):
        raise QueryError(f"invalid label name in histogram_quantiles(): {name}")
    parts = []
    for argument in call.arguments[2:]:
        phi = evaluation.scalar(argument)
        warn_of_quantiles(evaluation.annotations, phi)
        part = _evaluate(evaluation, vector, (phi,), _quantile_of(evaluation.annotations))
        written = f"{phi[0]:g}"
        written = written if any(sign in written for sign in ".en") else f"{written}.0"
        parts.append((part, part.labels.relabelled(partial(_with_label, name, written))))
    return merged(_joined(parts))


def _with_label(name: str, value: str, labels: Labels) -> Labels:
    return labels.merge({name: value})


def _joined(parts: list[tuple[Vector, LabelSets]]) -> Vector:
    nameless = [part.nameless for part, _ in parts if part.nameless is not None]
    return Vector(
        LabelSets.concatenated([labels for _, labels in parts]),
        np.concatenate([part.values for part, _ in parts]),
        np.concatenate([part.mask for part, _ in parts]),
        np.concatenate(nameless) if nameless else None,
    )


def _histogram_fraction(evaluation: Evaluation, call: Call) -> Vector:
    lower, upper = evaluation.scalar(call.arguments[0]), evaluation.scalar(call.arguments[1])
    return _evaluate(evaluation, evaluation.vector(call.arguments[2]), (lower, upper), _fraction_of)


def _refuse(_: Evaluation, call: Call) -> Value:
    raise QueryError(f'function "{call.function}" needs native histograms, which are not supported')


def _native(name: str, what: str) -> Function:
    return Function(
        name, (VECTOR,), VECTOR, f"{what} of a native histogram.", _refuse, needs_native_histograms=True
    )


FUNCTIONS: Final[tuple[Function, ...]] = (
    Function(
        "histogram_quantile",
        (SCALAR, VECTOR),
        VECTOR,
        "φ-quantile (0 ≤ φ ≤ 1) of a histogram.",
        _histogram_quantile,
    ),
    Function(
        "histogram_quantiles",
        (VECTOR, STRING, SCALAR, SCALAR),
        VECTOR,
        "Up to ten φ-quantiles of a histogram, each with a label that says which.",
        _histogram_quantiles,
        variadic=9,
        experimental=True,
    ),
    Function(
        "histogram_fraction",
        (SCALAR, SCALAR, VECTOR),
        VECTOR,
        "Fraction of a histogram's observations between two bounds.",
        _histogram_fraction,
    ),
    _native("histogram_avg", "Average of the observations"),
    _native("histogram_count", "Number of the observations"),
    _native("histogram_sum", "Sum of the observations"),
    _native("histogram_stddev", "Standard deviation of the observations"),
    _native("histogram_stdvar", "Variance of the observations"),
)
