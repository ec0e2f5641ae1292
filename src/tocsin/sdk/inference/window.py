"""The newest minute: rates, quantiles and the share of requests that were answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tocsin.sdk.inference.batch import Batch
from tocsin.sdk.inference.outcomes import ABORT, is_failure
from tocsin.sdk.inference.sketch import Sketch, quantiles, take

SLICE_S: Final = 5.0
SLICES: Final = 12
QUANTILES: Final = (0.5, 0.95, 0.99)

KINDS: Final = ("latency", "time_to_first_token", "time_per_output_token")


@dataclass(slots=True)
class Slice:
    """Some seconds of requests."""

    number: int
    requests: int = 0
    failed: int = 0
    aborted: int = 0
    latency_sum_s: float = 0.0
    tokens: float = 0.0
    input_tokens: float = 0.0
    sketches: tuple[Sketch, ...] = field(default_factory=lambda: tuple(Sketch() for _ in KINDS))

    def take(self, batch: Batch) -> None:
        """Add what requests told."""
        for (status, _), count in batch.outcomes.items():
            self.requests += count
            self.failed += count * is_failure(status)
            self.aborted += count * (status == ABORT)
        self.latency_sum_s += sum(batch.latencies)
        self.tokens += sum(batch.tokens)
        self.input_tokens += sum(batch.input_tokens)
        lists = (batch.latencies, batch.first_tokens, batch.per_tokens)
        for sketch, values in zip(self.sketches, lists, strict=True):
            take(sketch, values)


class Window:
    """The last 55 to 60 seconds. ``begun_s`` and all further times are seconds of one monotonic clock."""

    def __init__(self, begun_s: float) -> None:
        self._begun_s = begun_s
        self._slices: deque[Slice] = deque()

    def take(self, batch: Batch, now_s: float) -> None:
        """Add what requests told until now."""
        number = int(now_s // SLICE_S)
        if not self._slices or self._slices[-1].number < number:
            self._slices.append(Slice(number))
        self._slices[-1].take(batch)
        while len(self._slices) > SLICES:
            self._slices.popleft()

    def rates(self, now_s: float) -> dict[str, float]:
        """Requests, tokens and input tokens a second."""
        slices = self._newest(now_s)
        begun_s = max(self._begun_s, (now_s // SLICE_S - SLICES + 1) * SLICE_S)
        span_s = max(1.0, now_s - begun_s)
        return {
            "requests_per_second": sum(each.requests for each in slices) / span_s,
            "tokens_per_second": sum(each.tokens for each in slices) / span_s,
            "input_tokens_per_second": sum(each.input_tokens for each in slices) / span_s,
        }

    def shares(self, now_s: float) -> dict[str, float]:
        """Of the requests that were not given up, how many were answered and how many failed."""
        slices = self._newest(now_s)
        counted = sum(each.requests - each.aborted for each in slices)
        if not counted:
            return {}
        failed = sum(each.failed for each in slices) / counted
        return {"availability_ratio": 1 - failed, "error_ratio": failed}

    def mean_s(self, now_s: float) -> float | None:
        """The mean latency; None where there was no request."""
        slices = self._newest(now_s)
        count = sum(each.sketches[0].total() for each in slices)
        return sum(each.latency_sum_s for each in slices) / count if count else None

    def quantiles(self, now_s: float) -> Iterator[tuple[str, list[float]]]:
        """Of each kind of time that was told, its values at :data:`QUANTILES`."""
        slices = self._newest(now_s)
        for position, kind in enumerate(KINDS):
            merged = Sketch()
            for each in slices:
                merged.update(each.sketches[position])
            if merged:
                yield kind, quantiles(merged, QUANTILES)

    def _newest(self, now_s: float) -> Sequence[Slice]:
        first = now_s // SLICE_S - SLICES
        return [each for each in self._slices if each.number > first]
