"""Queries answered by the engine that holds the samples, instead of by tocsin's own."""

from __future__ import annotations

import threading
from typing import Final, Protocol

import numpy as np

from tocsin.errors import NotQuickError, QueryError
from tocsin.promql.limits import Budget, QueryLimits
from tocsin.promql.remote_results import instant_result, range_result
from tocsin.promql.result import Result
from tocsin.storage.remote.answers import seconds
from tocsin.storage.remote.client import Answer, QueryClient

DEFAULT_LOOKBACK_MS: Final = 300_000

# Both are VictoriaMetrics': without them it would answer with points at other times than those asked for,
# and leave out the newest 30 s. Other engines ignore them.
_EXACTLY: Final = {"nocache": "1", "latency_offset": "0.001"}


class QueryEngine(Protocol):
    """What answers PromQL: tocsin's own engine, or the one that holds the samples."""

    def instant(
        self,
        query: str,
        at_ms: int,
        *,
        limits: QueryLimits | None = None,
        lookback_ms: int | None = None,
        cancelled: threading.Event | None = None,
        quickly: bool = False,
    ) -> Result:
        """Evaluate a query at one time."""
        ...

    def range(
        self,
        query: str,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        *,
        limits: QueryLimits | None = None,
        lookback_ms: int | None = None,
        cancelled: threading.Event | None = None,
        quickly: bool = False,
    ) -> Result:
        """Evaluate a query at every step from start to end."""
        ...


class RemoteEngine:
    """Hands queries on and reads the answers; one serves any number of threads.

    The language is the engine's, so MetricsQL works where VictoriaMetrics answers. The engine's own
    look-back counts unless ``lookback_ms`` differs from Prometheus' 5 minutes.
    """

    def __init__(
        self,
        client: QueryClient,
        *,
        lookback_ms: int = DEFAULT_LOOKBACK_MS,
        limits: QueryLimits = QueryLimits(),  # noqa: B008 - immutable
    ) -> None:
        self._client = client
        self._lookback_ms = lookback_ms
        self._limits = limits

    def instant(
        self,
        query: str,
        at_ms: int,
        *,
        limits: QueryLimits | None = None,
        lookback_ms: int | None = None,
        cancelled: threading.Event | None = None,
        quickly: bool = False,
    ) -> Result:
        """Evaluate a query at one time.

        Raises as tocsin's own engine does, and StorageError when the engine cannot be reached; with
        ``quickly`` always NotQuickError, because a network is waited for.
        """
        form = {"query": query, "time": seconds(at_ms), **self._looking_back(lookback_ms)}
        answer, budget = self._ask("query", form, limits, cancelled, quickly=quickly)
        return instant_result(answer, at_ms, budget)

    def range(
        self,
        query: str,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        *,
        limits: QueryLimits | None = None,
        lookback_ms: int | None = None,
        cancelled: threading.Event | None = None,
        quickly: bool = False,
    ) -> Result:
        """Evaluate a query at every step from start to end; raises as :meth:`instant` does."""
        if step_ms <= 0:
            raise QueryError(f"zero or negative query resolution step widths are not accepted: {step_ms} ms")
        if end_ms < start_ms:
            raise QueryError(f"end timestamp {end_ms} must not be before start time {start_ms}")
        form = {
            "query": query,
            "start": seconds(start_ms),
            "end": seconds(end_ms),
            "step": seconds(step_ms),
            **self._looking_back(lookback_ms),
        }
        answer, budget = self._ask("query_range", form, limits, cancelled, quickly=quickly)
        return range_result(answer, np.arange(start_ms, end_ms + 1, step_ms), budget)

    def _looking_back(self, lookback_ms: int | None) -> dict[str, str]:
        """The look-back, by Prometheus' name and VictoriaMetrics', which else would guess it."""
        wanted_ms = self._lookback_ms if lookback_ms is None else lookback_ms
        form = {"max_lookback": seconds(wanted_ms)}
        return form if wanted_ms == DEFAULT_LOOKBACK_MS else {**form, "lookback_delta": seconds(wanted_ms)}

    def _ask(
        self,
        path: str,
        form: dict[str, str],
        limits: QueryLimits | None,
        cancelled: threading.Event | None,
        *,
        quickly: bool,
    ) -> tuple[Answer, Budget]:
        if quickly:
            raise NotQuickError("the query is answered over the network")
        budget = Budget(limits or self._limits, cancelled)
        budget.check()
        timeout_s = budget.limits.timeout_s
        form = {**form, **_EXACTLY, "timeout": f"{timeout_s:.3f}"}
        return self._client.ask(path, form, timeout_s=timeout_s, cancelled=cancelled), budget
