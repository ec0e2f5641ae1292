"""The newest samples in memory, as matrices that queries read without a copy where they can."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from tocsin.model import Columns, Labels, Matcher, MetricMetadata, SampleBatch, stale_mask
from tocsin.storage.frame import Frame, Rows, Times, Values, present_mask
from tocsin.storage.index import SeriesIds, SeriesIndex
from tocsin.storage.runs import Runs, columns_from_runs, join_runs, no_runs

_BEGINNING_MS: Final = -(2**62)

# A frame whose rows are complete becomes a block of its own from this size on; smaller ones share
# a ragged block, so that a thousand small targets do not make a thousand blocks.
_MIN_BLOCK_ROWS: Final = 32
_MAX_SHARED_BLOCKS: Final = 16

# A column for a few series of a large frame would be mostly empty, so these series move out.
_SPLIT_ROWS: Final = 8
_SPLIT_RATIO: Final = 4

Bounds: TypeAlias = tuple[int, int]


class Head:
    """An in-memory store of frames; alone it serves tests, behind DuckDB it serves the newest hours.

    It is complete from ``start_ms`` on. All methods may be called from any thread.
    """

    def __init__(self) -> None:
        self.start_ms = _BEGINNING_MS
        self.index = SeriesIndex()
        self._lock = threading.RLock()
        self._frames: list[Frame] = []
        self._frame_of: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._row_of: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._metadata: dict[str, MetricMetadata] = {}

    # Writing

    def append_batch(self, batch: SampleBatch) -> None:
        """Add samples; those before ``start_ms`` are left to the store behind."""
        self.append_samples(self.ids(batch), batch.timestamps_ms, batch.values)

    def ids(self, batch: SampleBatch, limit: int | None = None) -> SeriesIds:
        """The number of the series of each sample of a batch; new series are added up to a limit of all."""
        with self._lock:
            return self.index.ids(batch.series, limit)[batch.series_index]

    def forget_series(self, series_ids: SeriesIds) -> None:
        """Forget series that have no samples any more, neither here nor in the store behind."""
        with self._lock:
            self.index.remove(series_ids)

    def append_samples(self, series_ids: SeriesIds, timestamps_ms: Times, values: Values) -> None:
        """Add samples of series that the index knows, in three parallel arrays."""
        with self._lock:
            recent = timestamps_ms >= self.start_ms
            if not recent.all():
                series_ids, timestamps_ms, values = series_ids[recent], timestamps_ms[recent], values[recent]
            if len(values) == 0:
                return
            order = np.lexsort((np.arange(len(values)), series_ids, timestamps_ms))
            ids, times, values = series_ids[order], timestamps_ms[order], _canonical(values[order])
            last = np.ones(len(ids), dtype=np.bool_)
            last[:-1] = (ids[1:] != ids[:-1]) | (times[1:] != times[:-1])
            ids, times, values = ids[last], times[last], values[last]
            self._place_new_series(ids, times)
            starts = np.flatnonzero(np.r_[True, times[1:] != times[:-1]])
            for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(times)], strict=True):
                self._put(int(times[start]), ids[start:end], values[start:end])

    def load(self, parts: Iterable[Runs]) -> None:
        """Add samples of series that have none yet; series with the same times share a frame.

        Each part has series of its own. What a part takes is let go before the next one is asked for.
        """
        alike: dict[bytes, list[tuple[SeriesIds, Values]]] = {}
        for runs in parts:
            _gather(runs, alike)
        with self._lock:
            self._reserve(len(self.index))
            for axis in list(alike):
                group = alike.pop(axis)
                frame = Frame(np.concatenate([series_ids for series_ids, _ in group]))
                frame.fill(
                    np.frombuffer(axis, dtype=np.int64), np.concatenate([values for _, values in group])
                )
                self._adopt(frame)

    def _place_new_series(self, ids: SeriesIds, times: Times) -> None:
        """Give series without a frame one: that of series with the same first time in this batch."""
        self._reserve(len(self.index))
        unique, first, counts = np.unique(ids, return_index=True, return_counts=True)
        is_new = self._frame_of[unique] < 0
        if not is_new.any():
            return
        arrivals = np.stack([times[first], counts], axis=1)
        for arrival in np.unique(arrivals[is_new], axis=0):
            alike = (arrivals == arrival).all(axis=1)
            placed = self._frame_of[unique[alike & ~is_new]]
            newcomers = unique[alike & is_new]
            self._place(newcomers, int(np.bincount(placed).argmax()) if len(placed) else None)

    def _reserve(self, count: int) -> None:
        missing = count - len(self._frame_of)
        if missing > 0:
            extra = np.full(missing + len(self._frame_of), -1, dtype=np.int64)
            self._frame_of = np.concatenate([self._frame_of, extra])
            self._row_of = np.concatenate([self._row_of, extra])

    def _place(self, series_ids: SeriesIds, frame_number: int | None) -> None:
        if frame_number is None:
            self._adopt(Frame(series_ids))
            return
        self._row_of[series_ids] = self._frames[frame_number].add_rows(series_ids)
        self._frame_of[series_ids] = frame_number

    def _adopt(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._locate(len(self._frames) - 1)

    def _locate(self, frame_number: int) -> None:
        series_ids = self._frames[frame_number].series_ids
        self._frame_of[series_ids] = frame_number
        self._row_of[series_ids] = np.arange(len(series_ids))

    def _put(self, time_ms: int, series_ids: SeriesIds, values: Values) -> None:
        """Write samples of one time, frame by frame."""
        frame_numbers = self._frame_of[series_ids]
        for number in np.unique(frame_numbers).tolist():
            chosen = frame_numbers == number
            rows = self._row_of[series_ids[chosen]]
            frame = self._frames[number]
            if frame.row_count > max(_SPLIT_ROWS, _SPLIT_RATIO * len(rows)):
                self._adopt(frame.split(rows))
                self._locate(number)
                frame, rows = self._frames[-1], np.arange(len(rows))
            frame.put(time_ms, rows, values[chosen])

    def trim(self, start_ms: int) -> None:
        """Forget the samples before ``start_ms``."""
        with self._lock:
            self.start_ms = max(self.start_ms, start_ms)
            for frame in self._frames:
                frame.trim(start_ms)
            self._frames = [frame for frame in self._frames if frame.row_count]
            self._frame_of.fill(-1)
            for number in range(len(self._frames)):
                self._locate(number)

    def describe(self, metadata: Mapping[str, MetricMetadata]) -> None:
        """Remember type, help and unit of metric families."""
        with self._lock:
            self._metadata.update(metadata)

    # Reading

    @property
    def memory_start_ms(self) -> int:
        """From this time on samples are in memory: selecting them waits for no disk and no network."""
        return self.start_ms

    def metadata(self) -> Mapping[str, MetricMetadata]:
        """Type, help and unit by metric family."""
        with self._lock:
            return dict(self._metadata)

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """The label sets that satisfy all matchers and have a sample in the range, sorted."""
        with self._lock:
            found = self.series_ids(matchers, start_ms, end_ms)
            return sorted(self.index.labels_of(found))

    def match(self, matchers: Sequence[Matcher]) -> SeriesIds:
        """The numbers of all known series that satisfy the matchers."""
        with self._lock:
            return self.index.match(matchers)

    def series_ids(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> SeriesIds:
        """The numbers of the series that satisfy all matchers and have a sample in the range."""
        found: list[SeriesIds] = [np.empty(0, dtype=np.int64)]
        with self._lock:
            for frame, rows, (first, end) in self._cuts(matchers, start_ms, end_ms):
                complete = frame.complete(rows, first)
                rest = rows[~complete]
                has_sample = present_mask(frame.values[rest, first:end]).any(axis=1)
                found += [frame.series_ids[rows[complete]], frame.series_ids[rest[has_sample]]]
        return np.concatenate(found)

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Columns]:
        """Samples of the series that satisfy all matchers, with ``start_ms <= t <= end_ms``."""
        blocks: list[Columns] = []
        pool: list[Runs] = []
        with self._lock:
            cuts = self._cuts(matchers, start_ms, end_ms)
            for frame, rows, bounds in sorted(cuts, key=lambda cut: -len(cut[1])):
                complete = frame.complete(rows, bounds[0])
                whole, holed = rows[complete], rows[~complete]
                is_block = len(cuts) == 1 or len(whole) >= _MIN_BLOCK_ROWS
                if len(whole) and is_block and len(blocks) < _MAX_SHARED_BLOCKS:
                    blocks.append(self._shared(frame, whole, bounds))
                else:
                    holed = rows
                if len(holed):
                    pool.append(_runs(frame, holed, bounds))
            return blocks + (columns_from_runs(join_runs(pool), self.index.labels_of) if pool else [])

    def newest(self, series_ids: SeriesIds, start_ms: int, end_ms: int) -> tuple[int, Runs]:
        """From when on everything is here, and the samples of series from then on.

        The samples have ``start_ms <= t <= end_ms``; the series stand in any order.
        """
        with self._lock:
            cuts = self._cuts_of(series_ids, max(start_ms, self.start_ms), end_ms)
            runs = [_runs(frame, rows, bounds) for frame, rows, bounds in cuts]
            return self.start_ms, join_runs([no_runs(), *runs])

    def _cuts(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[tuple[Frame, Rows, Bounds]]:
        """The rows and columns of each frame that may hold what a selector asks for."""
        return self._cuts_of(self.index.match(matchers), start_ms, end_ms)

    def _cuts_of(self, ids: SeriesIds, start_ms: int, end_ms: int) -> list[tuple[Frame, Rows, Bounds]]:
        ids = ids[ids < len(self._frame_of)]
        frame_numbers = self._frame_of[ids]
        cuts = []
        for number in np.unique(frame_numbers[frame_numbers >= 0]).tolist():
            frame = self._frames[number]
            first, end = frame.column_range(start_ms, end_ms)
            if first < end:
                rows = np.sort(self._row_of[ids[frame_numbers == number]])
                cuts.append((frame, rows, (first, end)))
        return cuts

    def _shared(self, frame: Frame, rows: Rows, bounds: Bounds) -> Columns:
        first, end = bounds
        is_slice = len(rows) == rows[-1] - rows[0] + 1
        columns = frame.values[:, first:end]
        values = columns[rows[0] : rows[-1] + 1] if is_slice else columns[rows]
        return Columns(
            self.index.labels_of(frame.series_ids[rows]),
            frame.times[first:end],
            values,
            has_stale=frame.has_stale(rows),
        )


def _gather(runs: Runs, alike: dict[bytes, list[tuple[SeriesIds, Values]]]) -> None:
    """Sort runs by their times: of each time axis, series and matrices of their values."""
    ends = np.cumsum(runs.lengths)
    found: dict[bytes, list[int]] = {}
    for number, (end, length) in enumerate(zip(ends.tolist(), runs.lengths.tolist(), strict=True)):
        found.setdefault(runs.timestamps_ms[end - length : end].tobytes(), []).append(number)
    for axis, numbers in found.items():
        width = len(axis) // runs.timestamps_ms.itemsize
        cells = ends[numbers][:, np.newaxis] + np.arange(-width, 0)
        alike.setdefault(axis, []).append((runs.series_ids[numbers], _canonical(runs.values[cells])))


def _runs(frame: Frame, rows: Rows, bounds: Bounds) -> Runs:
    """Cut rows out of a frame, leaving out the cells and rows without samples."""
    first, end = bounds
    values = frame.values[rows, first:end]
    present = present_mask(values)
    lengths = present.sum(axis=1)
    has_sample = lengths > 0
    times = np.broadcast_to(frame.times[first:end], values.shape)
    return Runs(frame.series_ids[rows[has_sample]], lengths[has_sample], times[present], values[present])


def _canonical(values: Values) -> Values:
    """Give every NaN that is no staleness marker the same bits, so that none can mean "absent"."""
    return np.where(np.isnan(values) & ~stale_mask(values), np.nan, values)
