"""A store in memory, and rules over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry

from tests.support.clock import ManualClock
from tocsin.config import parse_source
from tocsin.model import Labels, SampleBatch
from tocsin.model.alert import Alert
from tocsin.promql import Engine
from tocsin.rules import RuleGroup, RuleMetrics, Surroundings, compile_rules, query_by
from tocsin.rules.files import GroupDefinition
from tocsin.rules.rule import Evaluation
from tocsin.rules.template import Context
from tocsin.storage.head import Head

START_MS = 1_700_000_000_000
Vector = Sequence[tuple[Labels, float]]


class MemoryStore(Head):
    """The newest hours, without anything behind them."""

    async def append(self, batch: SampleBatch) -> None:
        self.append_batch(batch)

    def put(self, at_ms: int, values: Mapping[str, float]) -> None:
        """Store samples by series as text, such as ``up{job="a"}``."""
        self.append_batch(SampleBatch.at(at_ms, {series(text): value for text, value in values.items()}))


def series(text: str) -> Labels:
    """Read ``name{label="value",…}``."""
    from tocsin.promql import parse_selector

    return Labels({matcher.name: matcher.value for matcher in parse_selector(text)})


class Scene:
    """Everything that a group needs, and what it said."""

    def __init__(self, **options: object) -> None:
        self.store = MemoryStore()
        self.clock = ManualClock(START_MS)
        self.registry = CollectorRegistry()
        self.engine = Engine(self.store)
        self.told: list[Alert] = []
        self.surroundings = Surroundings(
            query_by(self.engine), self.store, self.clock, self._tell, RuleMetrics(self.registry), **options
        )

    def _tell(self, alerts: Sequence[Alert]) -> None:
        self.told += alerts

    def group(self, text: str, **options: bool) -> RuleGroup:
        return RuleGroup(definitions(text)[0], self.surroundings, **options)

    def values(self, query: str, at_ms: int) -> dict[str, float]:
        """The answer to a query, by series as text."""
        return {str(labels): value for labels, value in self.engine.instant(query, at_ms).samples()}


def definitions(text: str, file: str = "test.yml") -> list[GroupDefinition]:
    return compile_rules(parse_source(text, file))


def evaluation(vector: Vector, at_s: float = 0, *, offset_s: float = 0, limit: int = 0) -> Evaluation:
    """An evaluation of rules whose every query is answered by one vector."""
    context = Context(lambda _query, _at_ms: vector, START_MS + round(at_s * 1000))
    return Evaluation(context, round(offset_s * 1000), limit)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
