"""Functions of labels: rewriting them and sorting by them or by value."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np

from tocsin.errors import QueryError
from tocsin.model import METRIC_NAME, Labels
from tocsin.model.regex import compile_regex, expand
from tocsin.promql.ast import Call
from tocsin.promql.functions.base import STRING, VECTOR, Evaluation, Function, text
from tocsin.promql.merging import merged
from tocsin.promql.values import Vector

_INEFFECTIVE: Final = "is ineffective for range queries since results are always ordered by labels"
_NUMBERS: Final = re.compile(r"(\d+)")


def is_label_name(name: str) -> bool:
    """Whether a string may name a label: any UTF-8 text but the empty one."""
    return bool(name) and "\N{REPLACEMENT CHARACTER}" not in name


def _label_replace(evaluation: Evaluation, call: Call) -> Vector:
    target, template, source, pattern = map(text, call.arguments[1:])
    try:
        regex = compile_regex(pattern)
    except ValueError:
        raise QueryError(f"invalid regular expression in label_replace(): {pattern}") from None
    if not is_label_name(target):
        raise QueryError(f"invalid destination label name in label_replace(): {target}")

    def change(labels: Labels) -> Labels:
        match = regex.fullmatch(labels.get(source, ""))
        return labels if match is None else labels.merge({target: expand(template, match)})

    return _relabelled(evaluation.vector(call.arguments[0]), target, change)


def _label_join(evaluation: Evaluation, call: Call) -> Vector:
    target, separator, *sources = map(text, call.arguments[1:])
    for source in sources:
        if not is_label_name(source):
            raise QueryError(f"invalid source label name in label_join(): {source}")
    if not is_label_name(target):
        raise QueryError(f"invalid destination label name in label_join(): {target}")

    def change(labels: Labels) -> Labels:
        return labels.merge({target: separator.join(labels.get(source, "") for source in sources)})

    return _relabelled(evaluation.vector(call.arguments[0]), target, change)


def _relabelled(vector: Vector, target: str, change: Callable[[Labels], Labels]) -> Vector:
    labels = vector.labels.relabelled(change)
    nameless = vector.nameless
    if nameless is not None and target == METRIC_NAME:
        same = [old is new for old, new in zip(vector.labels.sets, labels.sets, strict=True)]
        nameless = nameless & np.array(same, dtype=bool)
    return merged(replace(vector, labels=labels, nameless=nameless))


def _sort(*, descending: bool) -> Callable[[Evaluation, Call], Vector]:
    def evaluate(evaluation: Evaluation, call: Call) -> Vector:
        vector = evaluation.vector(call.arguments[0])
        if not _is_sortable(evaluation, call):
            return vector
        # NaN stays last either way.
        values = vector.values[:, 0]
        return vector.take(np.argsort(-values if descending else values, kind="stable"))

    return evaluate


def _sort_by_label(*, descending: bool) -> Callable[[Evaluation, Call], Vector]:
    def evaluate(evaluation: Evaluation, call: Call) -> Vector:
        vector = evaluation.vector(call.arguments[0])
        names = [text(argument) for argument in call.arguments[1:]]
        if not _is_sortable(evaluation, call):
            return vector

        def key(row: int) -> tuple[Any, ...]:
            labels = vector.labels.sets[row]
            return ([_natural(labels.get(name, "")) for name in names], labels.pairs)

        rows = sorted(range(len(vector.labels)), key=key, reverse=descending)
        return vector.take(np.array(rows, dtype=np.int64))

    return evaluate


def _is_sortable(evaluation: Evaluation, call: Call) -> bool:
    if evaluation.span.step_ms:
        evaluation.annotations.warn(f"{call.function} {_INEFFECTIVE}")
    return evaluation.steps.count == 1


def _natural(value: str) -> list[tuple[int, int, str]]:
    """A sort key by which ``4m5`` comes before ``4m10``."""
    parts = _NUMBERS.split(value)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


FUNCTIONS: Final[tuple[Function, ...]] = (
    Function(
        "label_replace",
        (VECTOR, STRING, STRING, STRING, STRING),
        VECTOR,
        "Set a label from a regular expression's groups where it matches another label.",
        _label_replace,
    ),
    Function(
        "label_join",
        (VECTOR, STRING, STRING, STRING),
        VECTOR,
        "Set a label to the values of others, joined by a separator.",
        _label_join,
        variadic=-1,
    ),
    Function("sort", (VECTOR,), VECTOR, "Order by value, least first.", _sort(descending=False)),
    Function("sort_desc", (VECTOR,), VECTOR, "Order by value, greatest first.", _sort(descending=True)),
    Function(
        "sort_by_label",
        (VECTOR, STRING),
        VECTOR,
        "Order by labels, numbers in them by size.",
        _sort_by_label(descending=False),
        variadic=-1,
        experimental=True,
    ),
    Function(
        "sort_by_label_desc",
        (VECTOR, STRING),
        VECTOR,
        "Order by labels, numbers in them by size, greatest first.",
        _sort_by_label(descending=True),
        variadic=-1,
        experimental=True,
    ),
)
