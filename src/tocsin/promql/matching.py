"""Vector matching: which series of the two sides belong together, and what the results are called."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tocsin.errors import QueryError
from tocsin.model import METRIC_NAME, Labels
from tocsin.promql.ast import Binary, Cardinality, Matching
from tocsin.promql.labelsets import LabelSets
from tocsin.promql.values import Bools, Floats, Ints, Vector, where_both

_COMPARING: Final = frozenset({"==", "!=", ">", "<", ">=", "<="})
_EXPLICIT: Final = (
    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
)
_GROUPING: Final = "multiple matches for labels: grouping labels must ensure unique matches"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Matched series: results' labels, operands ``(pairs, steps)``, where both exist (None: everywhere)."""

    labels: LabelSets
    left: Floats
    right: Floats
    present: Bools | None
    nameless: Bools | None


def match_series(lhs: Vector, rhs: Vector, node: Binary) -> Pairs:
    """Pair the series of two vectors; raises QueryError where a match is ambiguous."""
    matching = node.matching
    is_swapped = matching.cardinality is Cardinality.ONE_TO_MANY
    many, one = (rhs, lhs) if is_swapped else (lhs, rhs)
    many, one = _with_fills(many, one, matching, is_swapped=is_swapped)
    one_groups = one.labels.grouped(matching.on)
    if len(one_groups.labels) < len(one.labels):
        _refuse_ambiguous(many, one, matching, is_swapped=is_swapped)
        one = _collapsed(one, one_groups.ids, len(one_groups.labels))
        row_of_group = np.arange(len(one_groups.labels))
    else:
        row_of_group = one_groups.order
    group_of = {labels: index for index, labels in enumerate(one_groups.labels.sets)}
    many_groups = many.labels.grouped(matching.on)
    joint = np.array([group_of.get(labels, -1) for labels in many_groups.labels.sets], dtype=np.int64)
    target = joint[many_groups.ids] if len(joint) else np.empty(0, dtype=np.int64)
    many_rows = np.flatnonzero(target >= 0)
    one_rows = row_of_group[target[many_rows]]
    many_part, one_part = _part(many, many_rows), _part(one, one_rows)
    pairs = _paired(many_part, one_part, node)
    _refuse_doubles(pairs, target[many_rows], matching)
    return replace(pairs, left=pairs.right, right=pairs.left) if is_swapped else pairs


def _part(vector: Vector, rows: Ints) -> Vector:
    if len(rows) == len(vector.labels) and (rows == np.arange(len(rows))).all():
        return vector
    return vector.take(rows)


def _collapsed(one: Vector, ids: Ints, count: int) -> Vector:
    """Series with one signature that do not overlap, as one; named after the first that exists."""
    mask = one.mask
    values = np.zeros((count, one.values.shape[1]))
    present = np.zeros(values.shape, dtype=bool)
    rows, columns = np.nonzero(mask)
    values[ids[rows], columns] = one.values[rows, columns]
    present[ids[rows], columns] = True
    first = np.full(count, -1, dtype=np.int64)
    first[ids[::-1]] = np.arange(len(ids))[::-1]
    nameless = None if one.nameless is None else one.nameless[first]
    return Vector(one.labels.take(first), values, present, nameless)


def _refuse_ambiguous(many: Vector, one: Vector, matching: Matching, *, is_swapped: bool) -> None:
    """Two series of the one side with the same signature at the same step cannot be told apart."""
    groups = one.labels.grouped(matching.on)
    counts = np.zeros((len(groups.labels), one.values.shape[1]), dtype=np.int64)
    np.add.at(counts, groups.ids, one.mask)
    double = (counts > 1) & many.mask.any(axis=0)
    if not double.any():
        return
    group, step = (int(index) for index in np.argwhere(double)[0])
    rows = np.flatnonzero((groups.ids == group) & one.mask[:, step])[:2]
    found = sorted((one.labels.sets[row] for row in rows.tolist()), key=lambda labels: labels.pairs)
    side = "left" if is_swapped else "right"
    raise QueryError(
        f"found duplicate series for the match group {_braced(groups.labels.sets[group])} "
        f"on the {side} hand-side of the operation: [{_braced(found[0])}, {_braced(found[1])}];"
        "many-to-many matching not allowed: matching labels must be unique on one side"
    )


def _braced(labels: Labels) -> str:
    escaped = ((name, value.replace("\\", "\\\\").replace('"', '\\"')) for name, value in labels.pairs)
    return "{" + ", ".join(f'{name}="{value}"' for name, value in escaped) + "}"


def _paired(many: Vector, one: Vector, node: Binary) -> Pairs:
    labels = _result_labels(many, one, node)
    present = where_both(many.present, one.present)
    return Pairs(labels, many.values, one.values, present, many.nameless)


def _result_labels(many: Vector, one: Vector, node: Binary) -> LabelSets:
    matching = node.matching
    source = many.labels if node.op in _COMPARING else many.labels.nameless
    if matching.cardinality is not Cardinality.ONE_TO_ONE:
        return _including(source, one.labels, matching.include)
    names = matching.on.names
    if matching.on.without:
        return source.relabelled(lambda labels: labels.drop(names)) if names else source
    kept = names if node.op in _COMPARING else names - {METRIC_NAME}
    return source.relabelled(lambda labels: labels.keep(kept))


def _including(many: LabelSets, one: LabelSets, include: tuple[str, ...]) -> LabelSets:
    if not include:
        return many
    return LabelSets(
        [
            labels.merge({name: other.get(name, "") for name in include})
            for labels, other in zip(many.sets, one.sets, strict=True)
        ]
    )


def _refuse_doubles(pairs: Pairs, signatures: Ints, matching: Matching) -> None:
    """At one step each match may have one result, or with group_left results that differ in labels."""
    if len(np.unique(signatures)) == len(signatures):
        return
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        keys: list[object] = signatures.tolist()
        message = _EXPLICIT
    else:
        if pairs.labels.distinct:
            return
        keys = list(zip(signatures.tolist(), pairs.labels.sets, strict=True))
        message = _GROUPING
    index_of: dict[object, int] = {}
    ids = np.array([index_of.setdefault(key, len(index_of)) for key in keys], dtype=np.int64)
    if len(index_of) == len(keys):
        return
    counts = np.zeros((len(index_of), pairs.left.shape[1]), dtype=np.int64)
    np.add.at(counts, ids, 1 if pairs.present is None else pairs.present)
    if (counts > 1).any():
        raise QueryError(message)


def _with_fills(many: Vector, one: Vector, matching: Matching, *, is_swapped: bool) -> tuple[Vector, Vector]:
    """Add what is missing on either side with the value given for it."""
    fill_many, fill_one = matching.fill_left, matching.fill_right
    if is_swapped:
        fill_many, fill_one = fill_one, fill_many
    filled_one = one if fill_one is None else _filled(one, many, matching, fill_one)
    filled_many = many if fill_many is None else _filled(many, one, matching, fill_many)
    return filled_many, filled_one


def _filled(vector: Vector, other: Vector, matching: Matching, fill: float) -> Vector:
    """The vector, and for each signature of the other side a series where it has none."""
    mine, theirs = vector.labels.grouped(matching.on), other.labels.grouped(matching.on)
    index_of = {labels: index for index, labels in enumerate(theirs.labels.sets)}
    wanted = np.zeros((len(theirs.labels), other.values.shape[1]), dtype=bool)
    np.logical_or.at(wanted, theirs.ids, other.mask)
    for row, group in enumerate(mine.ids.tolist()):
        theirs_index = index_of.get(mine.labels.sets[group])
        if theirs_index is not None:
            wanted[theirs_index] &= ~vector.mask[row]
    extra = Vector(theirs.labels, np.full(wanted.shape, fill), wanted)
    nameless = None
    if vector.nameless is not None:
        nameless = np.concatenate((vector.nameless, np.zeros(len(theirs.labels), dtype=bool)))
    return Vector(
        LabelSets.concatenated([vector.labels, extra.labels]),
        np.concatenate((vector.values, extra.values)),
        np.concatenate((vector.mask, wanted)),
        nameless,
    ).with_present(np.concatenate((vector.mask, wanted)))
