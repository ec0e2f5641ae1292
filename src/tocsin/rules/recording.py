"""Recording rules: an expression whose result is stored under a new name."""

from __future__ import annotations

from dataclasses import dataclass, field

from tocsin.model import METRIC_NAME, Labels
from tocsin.rules.errors import RuleError
from tocsin.rules.rule import Evaluation, RuleStatus, Samples


@dataclass(slots=True, eq=False)
class RecordingRule:
    """Writes the result of an expression as series called ``name``, with ``labels`` laid over theirs."""

    name: str
    expression: str
    labels: Labels = field(default_factory=Labels)
    reads: frozenset[str] | None = None
    status: RuleStatus = field(default_factory=RuleStatus)

    @property
    def writes(self) -> frozenset[str]:
        """The one name."""
        return frozenset({self.name})

    def evaluate(self, evaluation: Evaluation) -> Samples:
        """The samples of this evaluation; raises RuleError when two series become one by the new labels."""
        overlay = {**self.labels, METRIC_NAME: self.name}
        samples: Samples = {}
        for labels, value in evaluation.query(self.expression):
            series = labels.merge(overlay)
            if series in samples:
                raise RuleError("vector contains metrics with the same labelset after applying rule labels")
            samples[series] = value
        evaluation.check_limit(len(samples), "series")
        return samples
