"""What a number of requests, taken together, add to counters and histograms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.sdk.guard import Guard
from tocsin.sdk.inference.bounded import Bounded
from tocsin.sdk.inference.numbers import given, numbers
from tocsin.sdk.inference.outcomes import ERROR, SUCCESS, UNKNOWN, error_of, is_failure

Record = tuple[Any, Any, Any, Any, Any, Any, Any, Any, Any, Any]
"""Of one request: route, latency, status, error, time to the first token, tokens, input tokens, time in the
queue, batch size, whether the cache had the answer. All but the latency may be None."""

MOST_ERRORS: Final = 20
MOST_STATUSES: Final = 10


@dataclass(slots=True)
class Batch:
    """Requests of one route. Lists are in order of size, tokens in none; times are seconds."""

    latencies: list[float] = field(default_factory=list)
    outcomes: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    first_tokens: list[float] = field(default_factory=list)
    per_tokens: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)
    tokens: Sequence[float] = ()
    input_tokens: Sequence[float] = ()
    cache_queries: int = 0
    cache_hits: int = 0


class Digester:
    """Turns records, as they were taken, into batches; what cannot be used is left out and told once."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._errors = Bounded(MOST_ERRORS, guard, "kinds of errors")
        self._statuses = Bounded(MOST_STATUSES, guard, "statuses")

    def digest(self, records: Sequence[Record]) -> Batch:
        """Take records of one route."""
        _, durations, statuses, errors, *columns, hits = zip(*records, strict=True)
        latencies = self._numbers(durations, "latency")
        firsts = self._numbers(columns[0], "time to the first token")
        tokens = self._numbers(columns[1], "number of tokens")
        return Batch(
            latencies=_ordered(latencies),
            outcomes=self._outcomes(statuses, errors),
            first_tokens=_ordered(firsts),
            per_tokens=_per_token(latencies, firsts, tokens),
            waits=_ordered(self._numbers(columns[3], "time in the queue")),
            sizes=_ordered(self._numbers(columns[4], "batch size")),
            tokens=given(tokens),
            input_tokens=given(self._numbers(columns[2], "number of input tokens")),
            cache_queries=len(hits) - hits.count(None),
            cache_hits=hits.count(True),
        )

    def _numbers(self, column: Sequence[Any], name: str) -> Sequence[float | None]:
        return numbers(column, name, self._guard)

    def _outcomes(self, statuses: Sequence[Any], errors: Sequence[Any]) -> Counter[tuple[str, str | None]]:
        pairs: Counter[tuple[str | None, str | None]]
        count = len(statuses)
        if statuses.count(None) == errors.count(None) == count:
            pairs = Counter({(None, None): count})
        elif set(map(type, statuses)) | set(map(type, errors)) <= {str, type(None)}:
            pairs = Counter(zip(statuses, errors, strict=True))
        else:
            pairs = Counter(map(self._pair, statuses, errors))
        outcomes: Counter[tuple[str, str | None]] = Counter()
        for (status, error), count in pairs.items():
            outcomes[self._outcome(status, error)] += count
        return outcomes

    def _pair(self, status: Any, error: Any) -> tuple[str | None, str | None]:
        with self._guard.around("outcome", "the status or error of a request cannot be read"):
            return None if status is None else str(status), None if error is None else error_of(error)
        return ERROR, UNKNOWN

    def _outcome(self, status: str | None, error: str | None) -> tuple[str, str | None]:
        known = self._statuses[status or (SUCCESS if error is None else ERROR)]
        if not is_failure(known):
            return known, None
        return known, self._errors[error or UNKNOWN]


def _ordered(column: Sequence[float | None]) -> list[float]:
    return sorted(given(column))


def _per_token(
    latencies: Sequence[float | None], firsts: Sequence[float | None], tokens: Sequence[float | None]
) -> list[float]:
    """Of each request that told of it, the time for each token after the first."""
    if not (latencies and firsts and tokens):
        return []
    return sorted(
        [
            (latency - first if latency > first else 0.0) / (count - 1)
            for latency, first, count in zip(latencies, firsts, tokens, strict=True)
            if latency is not None and first is not None and count is not None and count > 1
        ]
    )
