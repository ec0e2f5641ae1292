"""Rule files, read and compiled: every expression and template is parsed before any is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tocsin.config import Source, read_source
from tocsin.config.rules import RuleConfig, RuleFileConfig, RuleGroupConfig, validate_rules
from tocsin.config.source import Place
from tocsin.errors import ConfigError, QuerySyntaxError
from tocsin.model import METRIC_NAME, Labels, MatchType
from tocsin.promql.ast import Expr, VectorSelector, children
from tocsin.promql.parser import parse
from tocsin.rules.alerting import AlertingRule
from tocsin.rules.errors import TemplateError
from tocsin.rules.recording import RecordingRule
from tocsin.rules.template import AlertTemplate


@dataclass(frozen=True, slots=True)
class GroupDefinition:
    """A group as a file writes it; two with equal definitions do the same."""

    file: str
    config: RuleGroupConfig

    @property
    def key(self) -> tuple[str, str]:
        """What identifies a group: its file and name."""
        return self.file, self.config.name

    def rules(self) -> list[RecordingRule | AlertingRule]:
        """The rules, in their first state, with the labels of the group laid under theirs."""
        return [_rule(config, self.config.labels) for config in self.config.rules]


def read_rule_file(path: Path) -> list[GroupDefinition]:
    """Read one file; raises ConfigError naming file, line and key of the first fault."""
    return compile_rules(read_source(path))


def compile_rules(source: Source) -> list[GroupDefinition]:
    """Validate YAML as a rule file and parse all that is in it; raises ConfigError."""
    config = validate_rules(source)
    for fault in _faults(config, source):
        raise fault
    return [GroupDefinition(source.file, group) for group in config.groups]


def find_faults(source: Source) -> list[ConfigError]:
    """All that is wrong with the expressions and templates of a rule file, or its first fault of form."""
    try:
        config = validate_rules(source)
    except ConfigError as error:
        return [error]
    return list(_faults(config, source))


def _faults(config: RuleFileConfig, source: Source) -> Iterator[ConfigError]:
    for group_index, group in enumerate(config.groups):
        for index, rule in enumerate(group.rules):
            yield from _faults_of(rule, source, ("groups", group_index, "rules", index))


def _faults_of(rule: RuleConfig, source: Source, place: Place) -> Iterator[ConfigError]:
    try:
        parse(rule.expr)
    except QuerySyntaxError as error:
        yield source.error(f"{rule.record or rule.alert}: expr: {error}", (*place, "expr"))
    for part, name, text in _templates(rule):
        try:
            AlertTemplate.parse(text)
        except TemplateError as error:
            yield source.error(f"{rule.alert}: {part}.{name}: {error}", (*place, part, name))


def _templates(rule: RuleConfig) -> Iterator[tuple[str, str, str]]:
    """Part, name and text of everything in an alerting rule that is a template."""
    if rule.alert is not None:
        for part, texts in (("labels", rule.labels), ("annotations", rule.annotations)):
            for name, text in texts.items():
                yield part, name, text


def _rule(config: RuleConfig, group_labels: Mapping[str, str]) -> RecordingRule | AlertingRule:
    labels = Labels({**group_labels, **config.labels})
    reads = metric_names(parse(config.expr))
    if config.record is not None:
        return RecordingRule(config.record, config.expr, labels, reads)
    asks = any("query" in text for _, _, text in _templates(config))
    return AlertingRule(
        str(config.alert),
        config.expr,
        config.hold_ms,
        config.keep_firing_ms,
        labels,
        config.annotations,
        None if asks else reads,
    )


def metric_names(expression: Expr) -> frozenset[str] | None:
    """The metrics that an expression selects, None when it may select any.

    >>> sorted(metric_names(parse("rate(a[5m]) / b")))
    ['a', 'b']
    """
    names: set[str] = set()
    pending = [expression]
    while pending:
        node = pending.pop()
        pending += children(node)
        if isinstance(node, VectorSelector):
            exact = [m.value for m in node.matchers if m.name == METRIC_NAME and m.type is MatchType.EQUAL]
            if not exact:
                return None
            names.add(exact[0])
    return frozenset(names)
