"""Raw samples and series out of an engine that speaks Prometheus' API.

The API shows no staleness markers: raw samples come as if a series that has ended had merely paused. So
the reader asks twice, for the samples and for the steps at which the series were alive, and puts a marker
behind the last sample of a series that was dead at the next step. VictoriaMetrics shows markers, as NaN.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from tocsin.errors import QueryError
from tocsin.model import STALE_NAN, Columns, Labels, Matcher, MetricMetadata
from tocsin.storage.remote.answers import (
    Samples,
    nan_as_marker,
    read_matrix,
    read_metadata,
    seconds,
    selector_text,
)
from tocsin.storage.remote.client import QueryClient
from tocsin.storage.runs import columns_from_runs, runs_from_sorted

LOOKBACK_MS: Final = 300_000
"""How far back an engine looks for a sample of a series that is alive: Prometheus' default."""

_HOUR_MS: Final = 3_600_000
_CHUNK_MS: Final = 6 * _HOUR_MS
_MAX_CHUNKS: Final = 100

# A marker stands one scrape behind the last sample, so markers within four minutes are noticed. Engines
# answer with at most 11,000 steps.
_STEP_MS: Final = 60_000
_MAX_MARKED_MS: Final = 7 * 24 * _HOUR_MS

# Beyond these times (1970 and the year 2255) engines fail; VictoriaMetrics takes 0 for no beginning.
_FIRST_MS: Final = 1000
_LAST_MS: Final = 9_000_000_000_000

# MetricsQL has this operator, PromQL does not.
_ONLY_METRICSQL: Final = "1 default 2"

Alive: TypeAlias = Mapping[Labels, npt.NDArray[np.int64]]


class RemoteReader:
    """The reading side of an engine; every method may be called from any thread."""

    def __init__(self, client: QueryClient) -> None:
        self._client = client
        self._shows_markers: bool | None = None

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Columns]:
        """Samples of the series that satisfy all matchers, with ``start_ms <= t <= end_ms``.

        A marker that had to be concluded stands 1 ms behind the last sample. Raises StorageError.
        """
        start_ms, end_ms = _bounded(start_ms), _bounded(end_ms)
        selector = selector_text(matchers)
        found = [
            samples
            for chunk_start_ms, chunk_end_ms in chunks(start_ms, end_ms)
            for samples in self._raw(selector, chunk_start_ms, chunk_end_ms)
        ]
        if not found:
            return []
        if self._is_showing_markers():
            return _columns([nan_as_marker(samples) for samples in found])
        return _columns([*found, *self._markers(selector, found, start_ms, end_ms)])

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """The label sets that satisfy all matchers and have a sample about that range, sorted.

        Engines answer from their index, which is exact to a block or a day. Raises StorageError.
        """
        form = {
            "match[]": selector_text(matchers),
            "start": seconds(_bounded(start_ms)),
            "end": seconds(_bounded(end_ms)),
        }
        return sorted({Labels(labels) for labels in self._client.ask("series", form).data})

    def metadata(self) -> Mapping[str, MetricMetadata]:
        """What the engine knows of metric families. Raises StorageError."""
        return read_metadata(self._client.get("metadata").data or {})

    def _raw(self, selector: str, start_ms: int, end_ms: int) -> Iterator[Samples]:
        # From Prometheus 3 on, and in VictoriaMetrics, a range does not hold its beginning; before, it does.
        form = {"query": f"{selector}[{end_ms - start_ms + 1}ms]", "time": seconds(end_ms)}
        for samples in read_matrix(self._client.ask("query", form).data["result"]):
            inside = (samples.timestamps_ms >= start_ms) & (samples.timestamps_ms <= end_ms)
            if inside.any():
                yield Samples(samples.labels, samples.timestamps_ms[inside], samples.values[inside])

    def _markers(
        self, selector: str, found: Sequence[Samples], start_ms: int, end_ms: int
    ) -> Iterator[Samples]:
        last_ms: dict[Labels, int] = {}
        for samples in found:
            last_ms[samples.labels] = max(int(samples.timestamps_ms[-1]), last_ms.get(samples.labels, 0))
        alive = self._alive(selector, max(start_ms, end_ms - _MAX_MARKED_MS), end_ms)
        for labels, time_ms in last_ms.items():
            if end_ms - time_ms <= _MAX_MARKED_MS and has_ended(time_ms, end_ms, alive.get(labels)):
                yield Samples(labels, np.array([time_ms + 1]), np.array([STALE_NAN]))

    def _alive(self, selector: str, start_ms: int, end_ms: int) -> Alive:
        """The steps, counted back from the end, at which each series was alive."""
        steps = (end_ms - start_ms) // _STEP_MS
        form = {
            "query": selector,
            "start": seconds(end_ms - steps * _STEP_MS),
            "end": seconds(end_ms),
            "step": seconds(_STEP_MS),
            "lookback_delta": seconds(LOOKBACK_MS),
        }
        answer = self._client.ask("query_range", form)
        return {samples.labels: samples.timestamps_ms for samples in read_matrix(answer.data["result"])}

    def _is_showing_markers(self) -> bool:
        """Whether this is an engine whose raw samples hold markers, as NaN; asked once."""
        if self._shows_markers is None:
            try:
                self._client.ask("query", {"query": _ONLY_METRICSQL})
                self._shows_markers = True
            except QueryError:
                self._shows_markers = False
        return self._shows_markers


def chunks(start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
    """A range in pieces, in order; each begins 1 ms behind the one before.

    >>> list(chunks(0, 30_000_000))
    [(0, 21599999), (21600000, 30000000)]
    """
    size_ms = max(_CHUNK_MS, (end_ms - start_ms) // _MAX_CHUNKS + 1)
    for piece_ms in range(start_ms, end_ms + 1, size_ms):
        yield piece_ms, min(piece_ms + size_ms - 1, end_ms)


def has_ended(last_ms: int, end_ms: int, alive_ms: npt.NDArray[np.int64] | None) -> bool:
    """Say whether a series was dead at the last step at which its last sample would have kept it alive.

    >>> has_ended(200_000, 1_000_000, np.array([460_000])), has_ended(200_000, 1_000_000, None)
    (False, True)
    """
    steps_back = max(0, -(-(end_ms - last_ms - LOOKBACK_MS + 1) // _STEP_MS))
    step_ms = end_ms - steps_back * _STEP_MS
    return alive_ms is None or step_ms not in alive_ms


def _bounded(time_ms: int) -> int:
    return min(max(time_ms, _FIRST_MS), _LAST_MS)


def _columns(found: Sequence[Samples]) -> list[Columns]:
    """Blocks out of the pieces of each series."""
    pieces: dict[Labels, list[Samples]] = defaultdict(list)
    for samples in found:
        pieces[samples.labels].append(samples)
    labels = list(pieces)
    lengths = [sum(len(samples.values) for samples in parts) for parts in pieces.values()]
    ordered = [samples for parts in pieces.values() for samples in parts]
    runs = runs_from_sorted(
        np.repeat(np.arange(len(labels)), lengths),
        np.concatenate([samples.timestamps_ms for samples in ordered]),
        np.concatenate([samples.values for samples in ordered]),
    )
    return columns_from_runs(runs, lambda ids: [labels[number] for number in ids.tolist()])
