"""φ-quantiles of sorted samples."""

from __future__ import annotations

import math

import numpy as np

from tocsin.promql.annotations import Annotations
from tocsin.promql.values import Floats, Ints


def quantile_of_sorted(phi: Floats, ranked: Floats, sizes: Ints, nans: Ints) -> Floats:
    """Interpolate linearly between the samples around rank ``phi * (size - 1)``.

    ``ranked`` is sorted along its last axis with NaN behind; of a row's ``sizes`` samples ``nans``
    are NaN, which count as least. φ below 0 gives -Inf, above 1 +Inf, and NaN gives NaN.
    """
    rank = np.clip(phi, 0, 1) * (sizes - 1)
    lower = np.maximum(np.floor(np.where(np.isnan(rank), 0, rank)), 0).astype(np.int64)
    upper = np.minimum(lower + 1, np.maximum(sizes - 1, 0))
    weight = rank - np.floor(rank)
    low, high = _at_rank(ranked, lower, nans), _at_rank(ranked, upper, nans)
    with np.errstate(invalid="ignore"):
        result = low * (1 - weight) + high * weight
    result = np.where(phi < 0, -np.inf, np.where(phi > 1, np.inf, result))
    return np.where(np.isnan(phi) | (sizes == 0), np.nan, result)


def _at_rank(ranked: Floats, rank: Ints, nans: Ints) -> Floats:
    position = np.maximum(rank - nans, 0)
    values = np.take_along_axis(ranked, position[..., None], axis=-1)[..., 0]
    return np.where(rank < nans, np.nan, values)


def warn_of_quantiles(annotations: Annotations, phi: Floats) -> None:
    """Warn of each φ outside 0 to 1."""
    for value in dict.fromkeys(phi[~((phi >= 0) & (phi <= 1))].tolist()):
        shown = "NaN" if math.isnan(value) else f"{value:g}"
        annotations.warn(f"quantile value should be between 0 and 1, got {shown}")
