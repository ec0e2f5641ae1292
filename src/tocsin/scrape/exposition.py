"""From the bytes of an exposition to columns of samples, fast from the second time on.

A target answers every scrape with nearly the same text: only the values differ. A parser therefore
belongs to one source and remembers what it has read: the part of a line before the value leads through a
dictionary straight to a label set that was parsed, relabelled and checked before. In the steady state a line
costs one split, one look-up and one conversion to a number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from tocsin.errors import ParseError
from tocsin.model import Labels, MetricMetadata, MetricType, SampleBatch
from tocsin.scrape.syntax import Comment, Sample, parse_series

NO_TIMESTAMP: Final = np.iinfo(np.int64).min
"""Stands in a column of timestamps for "none was given"."""

_DROPPED: Final = -1
_UNKNOWN: Final = -2
_HASH: Final = ord("#")
_PLAIN_NUMBER: Final = b"0123456789+-.eENaInf"

# What is remembered may outgrow the last exposition by this much before it is forgotten.
_SPARE_FACTOR: Final = 2
_SPARE_SERIES: Final = 1000


class Format(Protocol):
    """How the lines of one text format are read."""

    def lines(self, body: bytes) -> list[bytes]:
        """The lines of a body."""
        ...

    def sample(self, line: bytes) -> Sample:
        """Read a line that is neither blank nor a comment."""
        ...

    def comment(self, line: bytes) -> Comment | None:
        """Read a line that begins with ``#``."""
        ...


Resolve = Callable[[dict[str, str]], Labels | None]
"""Turns the labels as written into the label set to be stored, or into None when it is not to be."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which samples of an exposition are kept and whose they are; shared by expositions that look alike."""

    rows: list[int] = field(default_factory=list)
    series: Sequence[Labels] = ()
    series_index: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    kept: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    relabelled_count: int = 0

    @property
    def duplicate_count(self) -> int:
        """How many samples repeat a series at the same time; the first one counts, as in Prometheus."""
        return self.relabelled_count - len(self.kept)


@dataclass(frozen=True, slots=True)
class Exposition:
    """The samples of one exposition.

    ``values[i]`` belongs to ``layout.series[layout.series_index[i]]``; ``timestamps_ms`` is None when no
    line has one, and holds NO_TIMESTAMP where a line has none. ``layout`` and ``metadata`` are the
    very objects of the exposition before while nothing but values changes.
    """

    layout: Layout
    values: npt.NDArray[np.float64]
    timestamps_ms: npt.NDArray[np.int64] | None
    metadata: Mapping[str, MetricMetadata]

    @property
    def scraped_count(self) -> int:
        """How many samples the text holds."""
        return len(self.layout.rows)

    def batch(self, now_ms: int) -> SampleBatch:
        """The samples ready to be stored; those without a time get ``now_ms``."""
        if self.timestamps_ms is None:
            timestamps_ms = np.full(len(self.values), now_ms, dtype=np.int64)
        else:
            timestamps_ms = np.where(self.timestamps_ms == NO_TIMESTAMP, now_ms, self.timestamps_ms)
        return SampleBatch(self.layout.series, self.layout.series_index, timestamps_ms, self.values)


class ExpositionParser:
    r"""Reads the expositions of one source.

    >>> from tocsin.scrape.text import TextFormat
    >>> parser = ExpositionParser(TextFormat())
    >>> parser.parse(b"up 1\n").batch(0).values.tolist()
    [1.0]
    """

    def __init__(self, text_format: Format, resolve: Resolve = Labels) -> None:
        self._format = text_format
        self._resolve = resolve
        self._comments: list[bytes] = []
        self._metadata: Mapping[str, MetricMetadata] = {}
        self._forget()

    def parse(self, body: bytes) -> Exposition:
        """Read one exposition; raises ParseError naming the line of the first fault."""
        lines = self._format.lines(body)
        samples = [line for line in lines if line and line[0] != _HASH]
        try:
            columns = self._columns(samples)
            self._describe([line for line in lines if line[:1] == b"#"])
        except _LineError as error:
            raise ParseError(error.message, line=lines.index(error.line) + 1) from error
        layout = self._lay_out(columns)
        if len(self._row_of_text) > _SPARE_FACTOR * len(samples) + _SPARE_SERIES:
            self._forget()
        return Exposition(
            layout,
            columns.values[layout.kept],
            None if columns.timestamps_ms is None else columns.timestamps_ms[layout.kept],
            self._metadata,
        )

    def _forget(self) -> None:
        self._row_of_text: dict[bytes, int] = {}
        self._row_of_labels: dict[Labels, int] = {}
        self._series: list[Labels] = []
        self._layout = Layout()

    def _columns(self, samples: list[bytes]) -> _Columns:
        parts = [line.rpartition(b" ") for line in samples]
        rows = [self._row_of_text.get(text, _UNKNOWN) for text, _, _ in parts]
        unknown = [index for index, row in enumerate(rows) if row == _UNKNOWN] if _UNKNOWN in rows else []
        values = [value for _, _, value in parts]
        try:
            return self._fill(samples, rows, values, unknown)
        except (ValueError, _LineError):
            # A line that was known may be at fault as well, and before the one that was read.
            return self._fill(samples, rows, values, range(len(samples)))

    def _fill(
        self, samples: list[bytes], rows: list[int], values: list[bytes], by_line: Sequence[int]
    ) -> _Columns:
        """Make columns, reading the lines named by index one by one.

        Raises ValueError when one of the other lines does not end in a plain number.
        """
        exact = {index: self._read(samples[index]) for index in by_line}
        for index, (row, _) in exact.items():
            rows[index] = row
            values[index] = b"0"
        columns = _Columns(rows, _plain_numbers(values), None)
        for index, (_, sample) in exact.items():
            columns.values[index] = sample.value
        if any(sample.timestamp_ms is not None for _, sample in exact.values()):
            columns.timestamps_ms = np.full(len(samples), NO_TIMESTAMP, dtype=np.int64)
            for index, (_, sample) in exact.items():
                if sample.timestamp_ms is not None:
                    columns.timestamps_ms[index] = sample.timestamp_ms
        return columns

    def _read(self, line: bytes) -> tuple[int, Sample]:
        try:
            sample = self._format.sample(line)
            row = self._row_of_text.get(sample.series)
            if row is None:
                row = self._row_of_text[sample.series] = self._new_row(sample.series)
        except ParseError as error:
            raise _LineError(error.message, line) from error
        return row, sample

    def _new_row(self, series: bytes) -> int:
        labels = self._resolve(parse_series(series))
        if labels is None:
            return _DROPPED
        row = self._row_of_labels.setdefault(labels, len(self._series))
        if row == len(self._series):
            self._series.append(labels)
        return row

    def _lay_out(self, columns: _Columns) -> Layout:
        """Choose the samples that count: none that relabelling dropped, and the first of equals."""
        timed = columns.timestamps_ms is not None
        if not timed and columns.rows == self._layout.rows:
            return self._layout
        rows = np.array(columns.rows, dtype=np.int64)
        relabelled = np.flatnonzero(rows != _DROPPED)
        used, first, index = np.unique(rows[relabelled], return_index=True, return_inverse=True)
        layout = Layout(
            columns.rows,
            [self._series[row] for row in used],
            index if timed else np.arange(len(used)),
            relabelled if timed else relabelled[first],
            len(relabelled),
        )
        if not timed:
            self._layout = layout
        return layout

    def _describe(self, comments: list[bytes]) -> None:
        if comments == self._comments:
            return
        metadata: dict[str, MetricMetadata] = {}
        for line in comments:
            try:
                comment = self._format.comment(line)
            except ParseError as error:
                raise _LineError(error.message, line) from error
            if comment is not None:
                known = metadata.get(comment.family, MetricMetadata())
                metadata[comment.family] = _with(known, comment)
        self._metadata = metadata
        self._comments = comments


@dataclass(slots=True)
class _Columns:
    """The samples in the order of their lines."""

    rows: list[int]
    values: npt.NDArray[np.float64]
    timestamps_ms: npt.NDArray[np.int64] | None


class _LineError(Exception):
    """A line cannot be read; its number is looked up only then."""

    def __init__(self, message: str, line: bytes) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def _plain_numbers(texts: list[bytes]) -> npt.NDArray[np.float64]:
    """Numbers in their usual notation; raises ValueError when one is not, which Python alone is lax about."""
    if b"".join(texts).translate(None, _PLAIN_NUMBER):
        raise ValueError
    numbers = np.fromiter(map(float, texts), dtype=np.float64, count=len(texts))
    if any(texts[index][:1] in {b"+", b"-"} for index in np.flatnonzero(np.isnan(numbers)).tolist()):
        raise ValueError
    return numbers


def _with(known: MetricMetadata, comment: Comment) -> MetricMetadata:
    match comment.keyword:
        case "TYPE":
            return replace(known, type=MetricType(comment.text))
        case "UNIT":
            return replace(known, unit=comment.text)
        case _:
            return replace(known, help=comment.text)
