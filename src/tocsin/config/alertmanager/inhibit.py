"""Rules by which an alert is not told while another fires.

Source: prometheus.io/docs/alerting/latest/configuration/#inhibit_rule.
"""

from __future__ import annotations

from pydantic import Field

from tocsin.config.alertmanager.matchers import Equalities, Matchers, Patterns, all_matchers
from tocsin.config.alertmanager.values import AnyLabelName
from tocsin.config.model import ConfigModel
from tocsin.model import Matcher


class InhibitRuleConfig(ConfigModel):
    """Alerts that satisfy ``target`` are not told while one that satisfies ``source`` fires.

    The two have the same values of the labels ``equal``; what is absent counts as empty.
    """

    name: str = ""
    source_match: Equalities = Field(default_factory=dict)
    source_match_re: Patterns = Field(default_factory=dict)
    source_matchers: Matchers = ()
    target_match: Equalities = Field(default_factory=dict)
    target_match_re: Patterns = Field(default_factory=dict)
    target_matchers: Matchers = ()
    equal: tuple[AnyLabelName, ...] = ()

    @property
    def source(self) -> tuple[Matcher, ...]:
        """What the alert that fires must satisfy."""
        return all_matchers(self.source_match, self.source_match_re, self.source_matchers)

    @property
    def target(self) -> tuple[Matcher, ...]:
        """What an alert must satisfy not to be told."""
        return all_matchers(self.target_match, self.target_match_re, self.target_matchers)
