"""Rule files without the keys that are not Prometheus'."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tocsin.config import ConfigModel, Source
from tocsin.config.rules import RuleConfig, RuleFileConfig, RuleGroupConfig
from tocsin.config.source import Data


def without_unknown_keys(source: Source) -> Source:
    """Leave out what no rule file has, so that whatever else a team notes in its files does no harm."""
    data = _known(source.data, _FILE_KEYS)
    if isinstance(data, dict):
        data = {**data, **_each(data, "groups", _group)}
    return replace(source, data=data)


def _group(data: Data) -> Data:
    group = _known(data, _GROUP_KEYS)
    if isinstance(group, dict):
        return {**group, **_each(group, "rules", lambda rule: _known(rule, _RULE_KEYS))}
    return group


def _each(data: dict[str, Data], key: str, change: Callable[[Data], Data]) -> dict[str, Data]:
    items = data.get(key)
    return {key: [change(item) for item in items]} if isinstance(items, list) else {}


def _known(data: Data, keys: frozenset[str]) -> Data:
    if not isinstance(data, dict):
        return data
    return {key: value for key, value in data.items() if key in keys}


def _keys(model: type[ConfigModel]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in model.model_fields.items())


_FILE_KEYS: Final = _keys(RuleFileConfig)
_GROUP_KEYS: Final = _keys(RuleGroupConfig)
_RULE_KEYS: Final = _keys(RuleConfig)
