"""Relabelling: rules that rewrite, keep or drop a set of labels.

Source: prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config. Regular
expressions are anchored at both ends; ``$1`` and ``${name}`` in a replacement stand for groups of the match.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from tocsin.config.relabel import RelabelAction, RelabelConfig
from tocsin.model.regex import Pattern, compile_regex, expand


def relabel(labels: Mapping[str, str], rules: Iterable[RelabelConfig]) -> dict[str, str] | None:
    """Apply rules in their order; None when one of them drops the labels.

    A label with an empty value counts as absent, before and after.

    >>> relabel({"a": "foo"}, [RelabelConfig(source_labels=("a",), target_label="b")])
    {'a': 'foo', 'b': 'foo'}
    """
    current = {name: value for name, value in labels.items() if value}
    for rule in rules:
        source = rule.separator.join(current.get(name, "") for name in rule.source_labels)
        if not _ACTIONS[rule.action](rule, current, source):
            return None
    return current


def _replace(rule: RelabelConfig, labels: dict[str, str], source: str) -> bool:
    match = _regex(rule).fullmatch(source)
    if match is not None and (target := expand(rule.target_label, match)):
        _put(labels, target, expand(rule.replacement, match))
    return True


def _keep(rule: RelabelConfig, _labels: dict[str, str], source: str) -> bool:
    return _regex(rule).fullmatch(source) is not None


def _drop(rule: RelabelConfig, _labels: dict[str, str], source: str) -> bool:
    return _regex(rule).fullmatch(source) is None


def _keep_equal(rule: RelabelConfig, labels: dict[str, str], source: str) -> bool:
    return labels.get(rule.target_label, "") == source


def _drop_equal(rule: RelabelConfig, labels: dict[str, str], source: str) -> bool:
    return labels.get(rule.target_label, "") != source


def _hashmod(rule: RelabelConfig, labels: dict[str, str], source: str) -> bool:
    digest = hashlib.md5(source.encode(), usedforsecurity=False).digest()
    labels[rule.target_label] = str(int.from_bytes(digest[8:], "big") % rule.modulus)
    return True


def _label_map(rule: RelabelConfig, labels: dict[str, str], _source: str) -> bool:
    for name, value in list(labels.items()):
        match = _regex(rule).fullmatch(name)
        if match is not None and (target := expand(rule.replacement, match)):
            labels[target] = value
    return True


def _label_drop(rule: RelabelConfig, labels: dict[str, str], _source: str) -> bool:
    for name in [name for name in labels if _regex(rule).fullmatch(name)]:
        del labels[name]
    return True


def _label_keep(rule: RelabelConfig, labels: dict[str, str], _source: str) -> bool:
    for name in [name for name in labels if not _regex(rule).fullmatch(name)]:
        del labels[name]
    return True


def _lowercase(rule: RelabelConfig, labels: dict[str, str], source: str) -> bool:
    _put(labels, rule.target_label, source.lower())
    return True


def _uppercase(rule: RelabelConfig, labels: dict[str, str], source: str) -> bool:
    _put(labels, rule.target_label, source.upper())
    return True


def _put(labels: dict[str, str], name: str, value: str) -> None:
    if value:
        labels[name] = value
    else:
        labels.pop(name, None)


def _regex(rule: RelabelConfig) -> Pattern:
    return compile_regex(rule.regex)


_ACTIONS: Final[Mapping[RelabelAction, Callable[[RelabelConfig, dict[str, str], str], bool]]] = {
    RelabelAction.REPLACE: _replace,
    RelabelAction.KEEP: _keep,
    RelabelAction.DROP: _drop,
    RelabelAction.KEEP_EQUAL: _keep_equal,
    RelabelAction.DROP_EQUAL: _drop_equal,
    RelabelAction.HASHMOD: _hashmod,
    RelabelAction.LABEL_MAP: _label_map,
    RelabelAction.LABEL_DROP: _label_drop,
    RelabelAction.LABEL_KEEP: _label_keep,
    RelabelAction.LOWERCASE: _lowercase,
    RelabelAction.UPPERCASE: _uppercase,
}
