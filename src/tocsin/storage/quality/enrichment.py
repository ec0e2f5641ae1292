"""Enrichment: labels that series get on their way in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tocsin.model import Labels
from tocsin.storage.index import satisfies
from tocsin.storage.quality.lookup import Lookup
from tocsin.storage.quality.rules import UNTOUCHED, EnrichmentRule


class Enrichment:
    """Applies rules in their order; each sees the labels that those before it have added."""

    def __init__(self, rules: Sequence[EnrichmentRule]) -> None:
        self._rules = tuple(rules)
        self.lookups: Sequence[Lookup] = [rule.lookup for rule in rules if rule.lookup is not None]

    def rename(self, labels: Labels) -> Labels:
        """What a series is called in the store; the same object when no rule adds anything.

        >>> rule = EnrichmentRule("a", labels={"team": "vision", "job": "x"})
        >>> str(Enrichment([rule]).rename(Labels({"__name__": "up", "job": "api"})))
        'up{job="api",team="vision"}'
        """
        if labels.metric_name in UNTOUCHED:
            return labels
        for rule in self._rules:
            if satisfies(labels, rule.matchers):
                labels = _enriched(labels, rule)
        return labels

    def refresh(self) -> bool:
        """Read the files that have changed, and say whether any did; waits for the disk."""
        has_changed = [lookup.refresh() for lookup in self.lookups]
        return any(has_changed)


def _enriched(labels: Labels, rule: EnrichmentRule) -> Labels:
    added: dict[str, str] = dict(rule.labels or {})
    if rule.lookup is not None:
        added |= rule.lookup.find(labels.get(rule.lookup.key, ""))
    new = {name: value for name, value in added.items() if _is_to_be_set(labels, name, value, rule)}
    return labels.merge(new) if new else labels


def _is_to_be_set(labels: Mapping[str, str], name: str, value: str, rule: EnrichmentRule) -> bool:
    there = labels.get(name, "")
    return there != value and (rule.overwrite or not there)
