"""What functions of windows mean, written as plainly as can be: one series, one window, one loop."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

Samples = Sequence[tuple[int, float]]


def window(samples: Samples, end_ms: int, range_ms: int) -> Samples:
    return [(time_ms, value) for time_ms, value in samples if end_ms - range_ms < time_ms <= end_ms]


def extrapolated(
    samples: Samples, end_ms: int, range_ms: int, *, is_counter: bool, is_rate: bool
) -> float | None:
    if len(samples) < 2:
        return None
    (first_ms, first), (last_ms, last) = samples[0], samples[-1]
    change = last - first
    if is_counter:
        previous = first
        for _, value in samples[1:]:
            if value < previous:
                change += previous
            previous = value
    to_start, to_end = (first_ms - (end_ms - range_ms)) / 1000, (end_ms - last_ms) / 1000
    sampled = (last_ms - first_ms) / 1000
    average = sampled / (len(samples) - 1)
    if to_start >= average * 1.1:
        to_start = average / 2
    if is_counter and change > 0 and first >= 0:
        to_start = min(to_start, sampled * (first / change))
    if to_end >= average * 1.1:
        to_end = average / 2
    factor = (sampled + to_start + to_end) / sampled
    return change * factor / (range_ms / 1000 if is_rate else 1)


def instantaneous(samples: Samples, *, is_counter: bool) -> float | None:
    if len(samples) < 2:
        return None
    (before_ms, before), (last_ms, last) = samples[-2:]
    if not is_counter:
        return last - before
    return (last if last < before else last - before) / ((last_ms - before_ms) / 1000)


def kahan(values: Sequence[float]) -> float:
    total = lost = 0.0
    for value in values:
        new = total + value
        if math.isinf(new):
            lost = 0.0
        elif abs(total) >= abs(value):
            lost += (total - new) + value
        else:
            lost += (value - new) + total
        total = new
    return total if math.isinf(total) else total + lost


def variance(values: Sequence[float]) -> float:
    count, mean, squares = 0, 0.0, 0.0
    for value in values:
        count += 1
        distance = value - mean
        mean += distance / count
        squares += distance * (value - mean)
    return squares / count


def extreme(values: Sequence[float], better: Callable[[float, float], bool]) -> float:
    best = values[0]
    for value in values:
        if better(value, best) or math.isnan(best):
            best = value
    return best


def quantile(phi: float, values: Sequence[float]) -> float:
    if math.isnan(phi):
        return math.nan
    if phi < 0 or phi > 1:
        return math.copysign(math.inf, phi - 0.5)
    ranked = sorted(values, key=lambda value: (not math.isnan(value), value))
    rank = phi * (len(ranked) - 1)
    lower = int(rank)
    weight = rank - lower
    return ranked[lower] * (1 - weight) + ranked[min(lower + 1, len(ranked) - 1)] * weight


def line(samples: Samples, at_ms: int) -> tuple[float, float] | None:
    """Slope per second and value at a time, by least squares."""
    if len(samples) < 2:
        return None
    first_ms, first = samples[0]
    if all(value == first for _, value in samples):
        return (math.nan, math.nan) if math.isinf(first) else (0.0, first)
    if not all(math.isfinite(value) for _, value in samples):
        return math.nan, math.nan
    xs, ys = [(time_ms - first_ms) / 1000 for time_ms, _ in samples], [value for _, value in samples]
    mean_x, mean_y = math.fsum(xs) / len(xs), math.fsum(ys) / len(ys)
    slope = math.fsum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    slope /= math.fsum((x - mean_x) ** 2 for x in xs)
    return slope, mean_y + slope * ((at_ms - first_ms) / 1000 - mean_x)


def pairs(samples: Samples, counts: Callable[[float, float], bool]) -> float:
    values = [value for _, value in samples]
    return float(sum(counts(before, after) for before, after in itertools.pairwise(values)))


def is_change(before: float, after: float) -> bool:
    return before != after and not (math.isnan(before) and math.isnan(after))


def evaluate(function: str, samples: Samples, end_ms: int, range_ms: int) -> float | None:
    """What ``function(series[range])`` is at a time; None where it has no value."""
    samples = window(samples, end_ms, range_ms)
    if not samples:
        return None
    values = [value for _, value in samples]
    match function:
        case "rate" | "increase" | "delta":
            is_counter, is_rate = function != "delta", function == "rate"
            return extrapolated(samples, end_ms, range_ms, is_counter=is_counter, is_rate=is_rate)
        case "irate" | "idelta":
            return instantaneous(samples, is_counter=function == "irate")
        case "deriv":
            fitted = line(samples, end_ms)
            return None if fitted is None else fitted[0]
        case "predict_linear":
            fitted = line(samples, end_ms + 600_000)
            return None if fitted is None else fitted[1]
    return _OVER_TIME[function](samples, values)


_OVER_TIME: dict[str, Callable[[Samples, Sequence[float]], float]] = {
    "sum_over_time": lambda _, values: kahan(values),
    "avg_over_time": lambda _, values: kahan(values) / len(values),
    "min_over_time": lambda _, values: extreme(values, lambda a, b: a < b),
    "max_over_time": lambda _, values: extreme(values, lambda a, b: a > b),
    "count_over_time": lambda _, values: float(len(values)),
    "last_over_time": lambda _, values: values[-1],
    "first_over_time": lambda _, values: values[0],
    "stdvar_over_time": lambda _, values: variance(values),
    "stddev_over_time": lambda _, values: math.sqrt(variance(values)),
    "present_over_time": lambda _, values: 1.0,
    "quantile_over_time": lambda _, values: quantile(0.3, values),
    "changes": lambda samples, _: pairs(samples, is_change),
    "resets": lambda samples, _: pairs(samples, lambda before, after: after < before),
    "ts_of_first_over_time": lambda samples, _: samples[0][0] / 1000,
    "ts_of_last_over_time": lambda samples, _: samples[-1][0] / 1000,
}

FUNCTIONS = (*_OVER_TIME, "rate", "increase", "delta", "irate", "idelta", "deriv", "predict_linear")
