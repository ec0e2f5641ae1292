"""A group of rules: evaluated one after the other, at one time, again and again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from tocsin.errors import TocsinError
from tocsin.model import STALE_NAN, Clock, Labels, SampleBatch
from tocsin.model.alert import Alert, fingerprint
from tocsin.rules.alerting import AlertingRule
from tocsin.rules.files import GroupDefinition
from tocsin.rules.metrics import RuleMetrics
from tocsin.rules.restore import GRACE_PERIOD_MS, restore
from tocsin.rules.rule import Evaluation, Health, Rule, Samples, stages
from tocsin.rules.template import Context, QueryFunction
from tocsin.rules.template.humanize import graph_link
from tocsin.storage.interface import Storage

Notify: TypeAlias = Callable[[Sequence[Alert]], Awaitable[None] | None]
"""Takes alerts that somebody should hear of; called on the event loop."""

RESEND_DELAY_MS: Final = 60_000
"""How long after the last time a firing alert is sent again."""

_EVALUATIONS_BEFORE_RESTORE: Final = 2
"""After a restart scrapes and recording rules come first, then alerts are compared with what they were."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the groups of one process share."""

    query: QueryFunction
    storage: Storage
    clock: Clock
    notify: Notify
    metrics: RuleMetrics
    executor: Executor | None = None
    external_labels: Labels = field(default_factory=Labels)
    external_url: str = ""
    interval_ms: int = 60_000
    query_offset_ms: int = 0


class RuleGroup:
    """The rules of one group, and what their last evaluation yielded.

    Evaluations never overlap. A rule that fails keeps its error in its status and stops no other.
    """

    def __init__(
        self, definition: GroupDefinition, surroundings: Surroundings, *, is_after_restart: bool = False
    ) -> None:
        config = definition.config
        self.definition = definition
        self.interval_ms = config.interval_ms or surroundings.interval_ms
        self.rules = definition.rules()
        self._stages = stages(self.rules)
        self._storing_error = ""
        self.last_evaluation_ms: int | None = None
        self.duration_s = 0.0
        self.surroundings = surroundings
        self._query_offset_ms = (
            surroundings.query_offset_ms if config.query_offset_ms is None else config.query_offset_ms
        )
        self._written: dict[Rule, frozenset[Labels]] = {}
        self._abandoned: frozenset[Labels] = frozenset()
        for rule in self.alerting_rules:
            rule.is_restored = not is_after_restart or rule.hold_ms < GRACE_PERIOD_MS

    @property
    def name(self) -> str:
        """The name of the group."""
        return self.definition.config.name

    @property
    def alerting_rules(self) -> list[AlertingRule]:
        """Those of the rules that raise alerts."""
        return [rule for rule in self.rules if isinstance(rule, AlertingRule)]

    # Time.

    async def run(self) -> None:
        """Evaluate at every slot until cancelled; slots that were missed are left out."""
        clock = self.surroundings.clock
        self.surroundings.metrics.defined(self.name, self.interval_ms, len(self.rules))
        at_ms = self.slot_after(clock.now_ms())
        evaluations = 0
        while True:
            await clock.sleep(max(0, at_ms - clock.now_ms()) / 1000)
            await self.evaluate(at_ms)
            evaluations += 1
            if evaluations == _EVALUATIONS_BEFORE_RESTORE:
                await self.restore(clock.now_ms())
            missed = max(0, clock.now_ms() - at_ms) // self.interval_ms
            self.surroundings.metrics.missed(self.name, max(0, missed - 1))
            at_ms += max(1, missed) * self.interval_ms

    def slot_after(self, now_ms: int) -> int:
        """The next time of evaluation: multiples of the interval, moved by an offset that spreads groups."""
        file, name = self.definition.key
        offset_ms = fingerprint({"file": file, "name": name}) % self.interval_ms
        return now_ms - (now_ms - offset_ms) % self.interval_ms + self.interval_ms

    # Evaluation.

    async def evaluate(self, at_ms: int) -> None:
        """Evaluate all rules, store what they yield and send the alerts that are due."""
        started_s = time.perf_counter()
        samples = sum([await self._evaluate_stage(stage, at_ms) for stage in self._stages])
        self.last_evaluation_ms = at_ms
        self.duration_s = time.perf_counter() - started_s
        self.surroundings.metrics.group_evaluated(self.name, at_ms, self.duration_s, samples)

    async def _evaluate_stage(self, stage: Sequence[Rule], at_ms: int) -> int:
        """Evaluate rules that do not read each other; returns how many samples they yield."""
        evaluation = self._evaluation(at_ms)
        loop = asyncio.get_running_loop()
        outcomes = await loop.run_in_executor(
            self.surroundings.executor, lambda: [self._evaluate_rule(rule, evaluation) for rule in stage]
        )
        succeeded = {
            rule: samples for rule, samples in zip(stage, outcomes, strict=True) if samples is not None
        }
        self.surroundings.metrics.rules_evaluated(self.name, len(stage), len(stage) - len(succeeded))
        try:
            await self._store(succeeded, evaluation.data_at_ms)
        except TocsinError as error:
            self._not_stored(succeeded, str(error))
        else:
            self._storing_error = ""
        for rule in succeeded:
            if isinstance(rule, AlertingRule):
                await self._send(rule, at_ms)
        return sum(map(len, succeeded.values()))

    def _evaluation(self, at_ms: int) -> Evaluation:
        around = self.surroundings
        context = Context(around.query, at_ms, around.external_url, around.external_labels)
        return Evaluation(context, self._query_offset_ms, self.definition.config.limit)

    def _evaluate_rule(self, rule: Rule, evaluation: Evaluation) -> Samples | None:
        """Evaluate one rule and note how it went; None when it failed."""
        started_s = time.perf_counter()
        samples = self._guarded(rule, evaluation)
        rule.status.last_evaluation_ms = evaluation.at_ms
        rule.status.duration_s = time.perf_counter() - started_s
        return samples

    def _guarded(self, rule: Rule, evaluation: Evaluation) -> Samples | None:
        """The guard that keeps one rule from stopping the others; only TocsinError is expected."""
        try:
            samples = rule.evaluate(evaluation)
        except TocsinError as error:
            self._failed(rule, str(error))
            return None
        except Exception as error:  # noqa: BLE001 - this is the named guard
            _log.exception('group "%s", rule "%s": unexpected error', self.name, rule.name)
            self._failed(rule, f"unexpected {type(error).__name__}: {error}")
            return None
        rule.status.health, rule.status.last_error = Health.OK, ""
        return samples

    def _not_stored(self, rules: Iterable[Rule], error: str) -> None:
        """Note it with each rule, and say it once for all until the store works again."""
        if error != self._storing_error:
            _log.warning('group "%s": %s', self.name, error)
        self._storing_error = error
        for rule in rules:
            rule.status.health, rule.status.last_error = Health.ERROR, error

    def _failed(self, rule: Rule, error: str) -> None:
        if rule.status.last_error != error:
            _log.warning('group "%s", rule "%s": %s', self.name, rule.name, error)
        rule.status.health, rule.status.last_error = Health.ERROR, error

    async def _store(self, results: Mapping[Rule, Samples], at_ms: int) -> None:
        """Write results by rule, and staleness markers for series that are no longer among them."""
        samples: Samples = {}
        for result in results.values():
            samples.update(result)
        for rule in results:
            for series in self._written.get(rule, ()):
                samples.setdefault(series, STALE_NAN)
        for series in self._abandoned:
            samples.setdefault(series, STALE_NAN)
        if samples:
            await self.surroundings.storage.append(SampleBatch.at(at_ms, samples))
        self._abandoned = frozenset()
        self._written |= {rule: frozenset(result) for rule, result in results.items()}

    async def _send(self, rule: AlertingRule, at_ms: int) -> None:
        around = self.surroundings
        alerts = rule.alerts_to_send(at_ms, RESEND_DELAY_MS, self.interval_ms)
        if not alerts:
            return
        link = around.external_url + graph_link(rule.expression, as_table=True)
        told = around.notify(
            [
                replace(alert, labels=around.external_labels.merge(alert.labels), generator_url=link)
                for alert in alerts
            ]
        )
        if told is not None:
            await told

    # Going on after something else.

    async def restore(self, at_ms: int) -> None:
        """Give alerts the times at which they became active before a restart."""
        loop = asyncio.get_running_loop()
        for rule in self.alerting_rules:
            if rule.is_restored:
                continue
            try:
                await loop.run_in_executor(
                    self.surroundings.executor, restore, rule, self.surroundings.storage, at_ms
                )
            except TocsinError as error:
                _log.warning(
                    'group "%s", alert "%s": its state is not restored: %s', self.name, rule.name, error
                )

    def adopt(self, old: RuleGroup) -> None:
        """Take over the state of rules that an older version of this group also has."""
        waiting = list(old.rules)
        for rule in self.rules:
            twin = next((other for other in waiting if _is_same(rule, other)), None)
            if twin is None:
                continue
            waiting.remove(twin)
            self._written[rule] = old._written.get(twin, frozenset())
            if isinstance(rule, AlertingRule) and isinstance(twin, AlertingRule):
                rule.active, rule.is_restored = twin.active, twin.is_restored
        self._abandoned = old._abandoned.union(*(old._written.get(rule, ()) for rule in waiting))

    async def abandon(self) -> None:
        """End all series of a group that is no more."""
        self._abandoned = self._abandoned.union(*self._written.values())
        self._written = {}
        await self._store({}, self.surroundings.clock.now_ms())


def _is_same(one: Rule, other: Rule) -> bool:
    return type(one) is type(other) and (one.name, one.labels) == (other.name, other.labels)
