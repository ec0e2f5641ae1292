"""The rules that tocsin brings along, one file a pack; packs and single rules can be left out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from tocsin.config import parse_source
from tocsin.config.settings import Settings
from tocsin.rules.files import GroupDefinition, compile_rules

SHIPPED: Final[Traversable] = resources.files("tocsin.rules") / "shipped"
"""The folder of the packs."""


def builtin_rules(settings: Settings) -> list[GroupDefinition]:
    """The packs that a configuration leaves in force, and the rules that its short forms stand for.

    Raises ConfigError naming file and line where ``disabled_rules`` or a short form is wrong.
    """
    try:
        shipped = shipped_rules(settings.disabled_rules)
    except ValueError as error:
        raise settings.error(f"disabled_rules: {error}", ("disabled_rules",)) from error
    return [*shipped, *compile_rules(settings.short_rules)]


def shipped_rules(disabled: Collection[str] = ()) -> list[GroupDefinition]:
    """The groups of all packs, but for the packs, alerts and recorded series named in ``disabled``.

    Raises ValueError for a name of which there is none.

    >>> {group.file for group in shipped_rules()} - {group.file for group in shipped_rules(["gpu"])}
    {'shipped/gpu.yml'}
    """
    packs = dict(_packs())
    known = {*packs, *(name for groups in packs.values() for group in groups for name in _names(group))}
    for name in disabled:
        if name not in known:
            raise ValueError(f'"{name}" is neither a pack ({", ".join(packs)}) nor a rule of one')
    kept = [group for name, groups in packs.items() if name not in disabled for group in groups]
    return [left for group in kept if (left := _without(group, disabled)).config.rules]


def _packs() -> Iterator[tuple[str, list[GroupDefinition]]]:
    files = (file for file in SHIPPED.iterdir() if file.name.endswith(".yml"))
    for file in sorted(files, key=lambda file: file.name):
        source = parse_source(file.read_text("utf-8"), f"shipped/{file.name}")
        yield file.name.removesuffix(".yml"), compile_rules(source)


def _names(group: GroupDefinition) -> list[str]:
    return [str(rule.alert or rule.record) for rule in group.config.rules]


def _without(group: GroupDefinition, disabled: Collection[str]) -> GroupDefinition:
    rules = tuple(
        rule for rule, name in zip(group.config.rules, _names(group), strict=True) if name not in disabled
    )
    if len(rules) == len(group.config.rules):
        return group
    return GroupDefinition(group.file, group.config.model_copy(update={"rules": rules}))
