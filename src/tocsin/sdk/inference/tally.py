"""Everything counted of one route, since the monitor was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from tocsin.sdk.inference.batch import Batch
from tocsin.sdk.inference.histogram import Histogram
from tocsin.sdk.inference.outcomes import TIMEOUT
from tocsin.sdk.readings import Reading

# OpenTelemetry's limits for generative AI are among these, and so are the limits of the shipped rules: a
# quantile is interpolated between two limits, and must not pass one that no request has passed.
LATENCY_LIMITS_S: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.28, 2.0, 2.56, 5.12, 10.24, 20.48,
    40.96, 81.92,
)  # fmt: skip
FIRST_TOKEN_LIMITS_S: Final = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
PER_TOKEN_LIMITS_S: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5,
)  # fmt: skip
WAIT_LIMITS_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SIZE_LIMITS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
TOKEN_LIMITS: Final = tuple(4**power for power in range(14))


class Tally:
    """Counters and histograms. Not for several threads."""

    def __init__(
        self, route: str | None, latency_limits_s: Sequence[float], *, with_token_histograms: bool = False
    ) -> None:
        self._own = () if route is None else (("route", route),)
        self._requests: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._cache_queries = 0
        self._cache_hits = 0
        self._histograms = {
            "inference_request_duration_seconds": Histogram(latency_limits_s),
            "inference_time_to_first_token_seconds": Histogram(FIRST_TOKEN_LIMITS_S),
            "inference_time_per_output_token_seconds": Histogram(PER_TOKEN_LIMITS_S),
            "inference_queue_wait_seconds": Histogram(WAIT_LIMITS_S),
            "inference_batch_size": Histogram(SIZE_LIMITS),
        }
        self._tokens = {"input": 0.0, "output": 0.0}
        kinds = self._tokens if with_token_histograms else ()
        self._token_histograms = {kind: Histogram(TOKEN_LIMITS) for kind in kinds}

    def take(self, batch: Batch) -> None:
        """Add what requests told."""
        lists = (batch.latencies, batch.first_tokens, batch.per_tokens, batch.waits, batch.sizes)
        for histogram, values in zip(self._histograms.values(), lists, strict=True):
            histogram.take(values)
        for kind, tokens in (("input", batch.input_tokens), ("output", batch.tokens)):
            self._tokens[kind] += sum(tokens)
            if kind in self._token_histograms:
                self._token_histograms[kind].take(sorted(tokens))
        for (status, error), count in batch.outcomes.items():
            self._requests[status] += count
            if error is not None:
                self._errors[error] += count
        self.count_cache(batch.cache_queries, batch.cache_hits)

    def count_cache(self, queries: int, hits: int) -> None:
        """Add questions to a cache, and how many of them it answered."""
        self._cache_queries += queries
        self._cache_hits += hits

    def readings(self) -> Iterator[Reading]:
        """All series; those of what nobody has told yet are left out."""
        for status, count in self._requests.items():
            yield Reading("inference_requests_total", float(count), (*self._own, ("status", status)))
        for error, count in self._errors.items():
            yield Reading("inference_errors_total", float(count), (*self._own, ("error", error)))
        if self._requests:
            yield Reading("inference_timeouts_total", float(self._errors[TIMEOUT]), self._own)
        for name, histogram in self._histograms.items():
            yield from histogram.readings(name, self._own)
        for kind, tokens in self._tokens.items():
            if tokens:
                yield Reading("inference_tokens_total", tokens, (*self._own, ("type", kind)))
        if self._cache_queries:
            yield Reading("inference_cache_queries_total", float(self._cache_queries), self._own)
            yield Reading("inference_cache_hits_total", float(self._cache_hits), self._own)

    def token_readings(self, name: str, label: str) -> Iterator[Reading]:
        """How many tokens requests had, as one histogram for each type."""
        for kind, histogram in self._token_histograms.items():
            yield from histogram.readings(name, (*self._own, (label, kind)))
