"""One collector as the loop sees it: asked in a thread, guarded, and watched for hanging."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from prometheus_client.core import Metric

from tocsin.collect.background import in_background
from tocsin.collect.collector import Collector
from tocsin.collect.families import SeriesTable
from tocsin.collect.guard import guarded
from tocsin.collect.registry import CUSTOM_JOB, JOBS
from tocsin.model import Labels

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one collector in one round; ``failures`` counts its bad rounds so far."""

    name: str
    is_up: bool
    duration_s: float
    failures: int
    families: Sequence[Metric] = ()
    values: Mapping[Labels, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Answer:
    families: Sequence[Metric]
    values: Mapping[Labels, float]
    failure: str
    duration_s: float


class Source:
    """A collector, its series and its state of health."""

    def __init__(self, collector: Collector, instance: str) -> None:
        self._collector = collector
        self._series = SeriesTable(job=JOBS.get(collector.name, CUSTOM_JOB), instance=instance)
        self._asked: Future[_Answer] | None = None
        self._asked_at_s = 0.0
        self._failures = 0
        self._last_failure = ""

    async def collect(self, timeout_s: float) -> Outcome:
        """Ask the collector, unless an earlier question still hangs, and wait that long at most."""
        if self._asked is not None and not self._asked.done():
            return self._hanging()
        self._asked_at_s = time.perf_counter()
        self._asked = in_background(self._answer)
        try:
            answer = await asyncio.wait_for(asyncio.wrap_future(self._asked), timeout_s)
        except TimeoutError:
            return self._hanging()
        self._report(answer.failure)
        return self._outcome(answer)

    def _answer(self) -> _Answer:
        started_s = time.perf_counter()
        answer, failure = guarded(self._ask)
        families, values = answer or ((), {})
        return _Answer(families, values, failure, time.perf_counter() - started_s)

    def _ask(self) -> tuple[list[Metric], dict[Labels, float]]:
        families = list(self._collector.collect())
        return families, self._series.values(families)

    def _hanging(self) -> Outcome:
        self._report("it gives no answer")
        waited_s = time.perf_counter() - self._asked_at_s
        return self._outcome(_Answer((), {}, self._last_failure, waited_s))

    def _outcome(self, answer: _Answer) -> Outcome:
        return Outcome(
            name=self._collector.name,
            is_up=not answer.failure,
            duration_s=answer.duration_s,
            failures=self._failures,
            families=answer.families,
            values=answer.values,
        )

    def _report(self, failure: str) -> None:
        self._failures += bool(failure)
        if failure and failure != self._last_failure:
            _log.warning("the collector %s fails: %s", self._collector.name, failure)
        elif self._last_failure and not failure:
            _log.warning("the collector %s works again", self._collector.name)
        self._last_failure = failure
