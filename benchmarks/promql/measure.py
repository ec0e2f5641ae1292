"""Asks the three the same, in turns, and notes how long each took to answer.

A time spans from the request over a connection that is kept alive to the last byte of the answer. Every
repetition asks one step earlier than the one before, and VictoriaMetrics' cache of results is switched off,
so that nobody answers from memory of the same question; caches of series selection count for everybody.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.promql.agree import answer_of, difference, without_names_and_nan
from benchmarks.promql.data import History
from benchmarks.promql.queries import QUERIES, STEPS_S, Query
from benchmarks.promql.servers import PROMETHEUS, TOCSIN, VICTORIA_METRICS, Server, UnexpectedAnswerError

AFTER_SAMPLE_MS = 7000
"""How long after a sample queries are evaluated: between two samples."""

VISIBLE_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Case:
    """A query at one step (0: an instant query); ``newest_ms`` is the time of the newest sample."""

    query: Query
    step_s: int
    newest_ms: int

    @property
    def title(self) -> str:
        """The query's name, and its step."""
        return f"{self.query.title}, {self.step_s} s" if self.step_s else self.query.title

    def ask(self, server: Server, shift: int = 0) -> bytes:
        """The answer of a server, ``shift`` steps before the newest time."""
        step_s = self.step_s or STEPS_S[0]
        end_s = (self.newest_ms + AFTER_SAMPLE_MS) / 1000 - shift * step_s
        parameters: dict[str, object] = {"query": self.query.expression}
        if server.name == VICTORIA_METRICS:
            parameters["nocache"] = 1
        if not self.step_s:
            return server.get("/api/v1/query", {**parameters, "time": end_s})
        span = {"start": end_s - self.query.range_s, "end": end_s, "step": self.step_s}
        return server.get("/api/v1/query_range", {**parameters, **span})


@dataclass(frozen=True)
class Comparison:
    """What the three answered to one case: how much, and in what they differ from tocsin."""

    series: int
    points: int
    differences: dict[str, str]


def cases(history: History) -> Iterator[Case]:
    """Every query at each of its steps."""
    for query in QUERIES:
        for step_s in STEPS_S if query.range_s else (0,):
            yield Case(query, step_s, int(history.times_ms[-1]))


def compare(case: Case, servers: Sequence[Server]) -> Comparison:
    """Ask all and compare the others with tocsin, as far as they mean the same."""
    answers = {server.name: answer_of(case.ask(server)) for server in servers}
    ours = answers[TOCSIN]
    found = {PROMETHEUS: difference(ours, answers[PROMETHEUS])}
    if not case.query.differs_because:
        sides = (without_names_and_nan(answers[name]) for name in (TOCSIN, VICTORIA_METRICS))
        found[VICTORIA_METRICS] = difference(*sides)
    return Comparison(
        series=len(ours),
        points=sum(len(points) for points in ours.values()),
        differences={name: text for name, text in found.items() if text},
    )


def median_times_ms(case: Case, servers: Sequence[Server], repetitions: int) -> dict[str, float]:
    """The median time of each server, in milliseconds, after one question that does not count."""
    times_ms: dict[str, list[float]] = {server.name: [] for server in servers}
    for shift in range(repetitions + 1):
        for server in servers:
            started_s = time.perf_counter()
            case.ask(server, shift)
            times_ms[server.name].append((time.perf_counter() - started_s) * 1000)
    return {name: statistics.median(times[1:]) for name, times in times_ms.items()}


def write(history: History, servers: Sequence[Server]) -> dict[str, float]:
    """Send the history to all; returns samples a second by server, and returns once all show them."""
    took_s = dict.fromkeys((server.name for server in servers), 0.0)
    for body in history.requests():
        for server in servers:
            started_s = time.perf_counter()
            server.write(body)
            took_s[server.name] += time.perf_counter() - started_s
    for server in servers:
        _wait_until_visible(history, server)
    return {name: history.values.size / duration_s for name, duration_s in took_s.items()}


def _wait_until_visible(history: History, server: Server) -> None:
    """VictoriaMetrics shows samples a while after it took them."""
    end_s = (int(history.times_ms[-1]) + AFTER_SAMPLE_MS) / 1000
    parameters = {"query": 'count(last_over_time({job!=""}[15s]))', "time": end_s, "nocache": 1}
    deadline_s = time.monotonic() + VISIBLE_TIMEOUT_S
    seen: list[float] = []
    while seen != [len(history.series)]:
        if time.monotonic() > deadline_s:
            raise UnexpectedAnswerError(f"{server.name} shows {seen} of {len(history.series)} newest samples")
        time.sleep(0.2)
        answer = answer_of(server.get("/api/v1/query", parameters))
        seen = [value for points in answer.values() for value in points.values()]
