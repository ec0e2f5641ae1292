"""Remote write 2.0: requests whose series name their labels by number.

Source: prometheus.io/docs/specs/prw/remote_write_spec_2_0. The numbers point into a table of symbols that is
another in each request. The decoder gives every symbol it has seen a number of its own; the labels of a
series then are a short run of those, by which it is known from the second request on. Series that are
known and hold one sample and nothing rare are read all at once, as columns of bytes; any other is read as
a message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from tocsin.errors import ParseError
from tocsin.model import Labels, MetricMetadata, MetricType, SampleBatch
from tocsin.receive import remote_write_v2_messages as messages
from tocsin.receive.received import Received
from tocsin.receive.remote_write import (
    MAX_BODY_BYTES,
    MAX_REMEMBERED,
    NATIVE_HISTOGRAM,
    UNKNOWN,
    Columns,
    Shape,
    inflate,
    metric_type,
)
from tocsin.scrape.syntax import check_timestamp

EXEMPLAR: Final = "exemplar"
INVALID: Final = "invalid"
"""Reasons, beside NATIVE_HISTOGRAM, for which parts of a request are dropped."""

_LABELS_TAG: Final = 0x0A
_CONTINUES: Final = 0x80
_NO_SYMBOL: Final = np.iinfo(np.int32).max
_TAIL_BYTES: Final = 24
_PADDING: Final = bytes(max(_TAIL_BYTES, *(shape.width for shape in Shape)))

# What is read at once bounds the memory that a request of many series takes beside its own.
_SERIES_AT_ONCE: Final = 10_000

_NO_METADATA: Final = 0
_NOT_PLAIN: Final = -1

_SUFFIXES: Final = {
    MetricType.HISTOGRAM: ("_bucket", "_sum", "_count"),
    MetricType.GAUGE_HISTOGRAM: ("_bucket", "_gsum", "_gcount"),
    MetricType.SUMMARY: ("_sum", "_count"),
}

Integers = npt.NDArray[np.int64]
Narrow = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class ReceivedInPart(Received):
    """What could be taken of a request; ``fault`` says in one sentence what could not, and why.

    Exemplars are dropped without a fault, as Prometheus does where it does not keep them.
    """

    fault: str | None = None


class WriteRequestV2Decoder:
    """Decodes the requests of any number of senders; keep one for as long as the server runs."""

    def __init__(self, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._max_bytes = max_bytes
        self._forget()

    def decode(self, body: bytes, encoding: str = "snappy") -> ReceivedInPart:
        """Read a request; ``encoding`` is its Content-Encoding, snappy or zstd.

        Metadata is given when it is new or has changed. Raises SizeLimitError when the body would inflate
        above ``max_bytes``, and ParseError when it is no request; a single series that is wrong is left out.
        """
        request = _parse(messages.Request, inflate(body, encoding, self._max_bytes))
        if max(len(self._series), len(self._metadata), len(self._id_of_symbol) // 5) > MAX_REMEMBERED:
            self._forget()
        symbols = _Symbols(list(request.symbols), self._id_of_symbol)
        raw_series = list(request.timeseries)
        taken, reads = _Taken(), []
        for start in range(0, len(raw_series), _SERIES_AT_ONCE):
            some = raw_series[start : start + _SERIES_AT_ONCE]
            known, rest = self._take_known(some, symbols)
            reads.append(known)
            for index in rest.tolist():
                self._take_message(some[index], symbols, taken)
        columns, metadata_ids = _joined([*reads, taken.read()])
        metadata = self._described(columns.rows, metadata_ids)
        return ReceivedInPart(self._batch(columns), metadata, taken.dropped(), taken.fault(len(raw_series)))

    def _forget(self) -> None:
        self._id_of_symbol: dict[str, int] = {}
        self._row_of_key: dict[bytes, int] = {}
        self._row_of_labels: dict[Labels, int] = {}
        self._series: list[Labels] = []
        self._metadata: list[MetricMetadata] = [MetricMetadata()]
        self._id_of_metadata: dict[MetricMetadata, int] = {self._metadata[0]: _NO_METADATA}
        self._described_ids: Integers = np.zeros(0, dtype=np.int64)

    def _take_known(self, raw_series: list[bytes], symbols: _Symbols) -> tuple[_Read, Integers]:
        """Read the series that are known and plain at once; return them and the indices of the others."""
        octets = np.frombuffer(b"".join([*raw_series, _PADDING]), dtype=np.uint8)
        ends = np.cumsum(np.fromiter(map(len, raw_series), dtype=np.int64, count=len(raw_series)))
        references = _references(octets, ends)
        rows = self._known_rows(references, symbols)
        metadata_of_tail: dict[bytes, int] = {}
        reads, taken = [], np.zeros(len(raw_series), dtype=bool)
        for shape in Shape:
            tail_sizes = ends - references.ends - shape.width
            at = np.flatnonzero((rows != UNKNOWN) & ~taken & (tail_sizes >= 0) & (tail_sizes < _TAIL_BYTES))
            table = octets[references.ends[at, np.newaxis] + np.arange(shape.width)]
            fits = shape.fits(table)
            at, table = at[fits], table[fits]
            tails = _tails(octets, references.ends[at] + shape.width, tail_sizes[at])
            ids = self._tail_metadata(tails, symbols, metadata_of_tail)
            plain = ids != _NOT_PLAIN
            at = at[plain]
            taken[at] = True
            reads.append(_Read(Columns(rows[at], *shape.read(table[plain])), ids[plain]))
        return _joined(reads), np.flatnonzero(~taken)

    def _known_rows(self, references: _References, symbols: _Symbols) -> Integers:
        """The row of each series, or UNKNOWN."""
        counts = references.counts
        table = np.zeros((len(counts), max(counts.max(initial=0), 1)), dtype=np.uint32)
        table[np.arange(table.shape[1]) < counts[:, np.newaxis]] = symbols.ids_at(references.numbers)
        keys = table.view(f"S{table.itemsize * table.shape[1]}").ravel().tolist()
        get = self._row_of_key.get
        return np.array([get(key, UNKNOWN) for key in keys], dtype=np.int64)

    def _tail_metadata(self, tails: list[bytes], symbols: _Symbols, known: dict[bytes, int]) -> Integers:
        """The number of the metadata in what follows a sample, or _NOT_PLAIN when there is more in it."""
        for tail in set(tails).difference(known):
            known[tail] = self._plain_metadata(tail[: tail[-1] - 1], symbols)
        return np.array([known[tail] for tail in tails], dtype=np.int64)

    def _plain_metadata(self, tail: bytes, symbols: _Symbols) -> int:
        try:
            message = _parse(messages.TimeSeries, tail)
            if message.labels_refs or message.samples or message.histograms or message.exemplars:
                return _NOT_PLAIN
            return self._metadata_id(message.metadata, symbols)
        except (ParseError, _SeriesError):
            return _NOT_PLAIN

    def _metadata_id(self, message: Any, symbols: _Symbols) -> int:
        help_text, unit = symbols.texts_at([message.help_ref, message.unit_ref])
        metadata = MetricMetadata(metric_type(message.type), help_text, unit)
        number = self._id_of_metadata.setdefault(metadata, len(self._metadata))
        if number == len(self._metadata):
            self._metadata.append(metadata)
        return number

    def _take_message(self, raw: bytes, symbols: _Symbols, taken: _Taken) -> None:
        """Read a series of any kind and remember its labels."""
        message = _parse(messages.TimeSeries, raw)
        try:
            row = self._row(message, symbols)
            metadata_id = self._metadata_id(message.metadata, symbols)
            _check_content(message, self._series[row])
        except _SeriesError as error:
            taken.refuse(message, str(error))
        else:
            taken.take(message, row, metadata_id)

    def _row(self, message: Any, symbols: _Symbols) -> int:
        references = list(message.labels_refs)
        texts = symbols.texts_at(references)
        labels = _labels(texts)
        row = self._row_of_labels.setdefault(labels, len(self._series))
        if row == len(self._series):
            self._series.append(labels)
        # NumPy ends a text at its last byte that is not 0, which is one of the last number.
        self._row_of_key[symbols.ids[references].tobytes().rstrip(b"\0")] = row
        return row

    def _described(self, rows: Integers, metadata_ids: Integers) -> dict[str, MetricMetadata]:
        """The metadata, by metric family, that differs from what was last said of a series."""
        missing = len(self._series) - len(self._described_ids)
        self._described_ids = np.pad(self._described_ids, (0, missing))
        is_new = (metadata_ids != _NO_METADATA) & (self._described_ids[rows] != metadata_ids)
        self._described_ids[rows[is_new]] = metadata_ids[is_new]
        new = zip(rows[is_new].tolist(), metadata_ids[is_new].tolist(), strict=True)
        described = {}
        for row, number in new:
            metadata = self._metadata[number]
            described[_family(self._series[row].metric_name, metadata.type)] = metadata
        return described

    def _batch(self, columns: Columns) -> SampleBatch:
        used, index = np.unique(columns.rows, return_inverse=True)
        series = [self._series[row] for row in used.tolist()]
        return SampleBatch(series, index, columns.timestamps_ms, columns.values)


class _SeriesError(Exception):
    """One series of a request is wrong; the message says why."""


class _Symbols:
    """The table of symbols of one request; raises ParseError when it does not begin as it must."""

    def __init__(self, texts: list[str], id_of_symbol: dict[str, int]) -> None:
        if texts[:1] not in ([], [""]):
            raise ParseError(f'the first symbol is "{texts[0][:80]}" (it must be an empty text)')
        self._texts = texts
        numbers = [id_of_symbol.setdefault(text, len(id_of_symbol) + 1) for text in texts]
        self.ids = np.array([*numbers, _NO_SYMBOL], dtype=np.uint32)

    def ids_at(self, references: Narrow) -> npt.NDArray[np.uint32]:
        """The decoder's numbers of symbols; a number that no symbol has where there is none."""
        ids: npt.NDArray[np.uint32] = self.ids[np.minimum(references, len(self._texts))]
        return ids

    def texts_at(self, references: Sequence[int]) -> list[str]:
        """The symbols referred to; a request without any still has the empty text at 0."""
        count = max(len(self._texts), 1)
        beyond = next((reference for reference in references if reference >= count), None)
        if beyond is not None:
            raise _SeriesError(f"refers to the symbol {beyond}, and the last one is {count - 1}")
        return [self._texts[reference] if self._texts else "" for reference in references]


class _References(NamedTuple):
    """The numbers of all series one after the other, how many each has, and where they end in the body.

    A series that is not plain has none.
    """

    numbers: Narrow
    counts: Integers
    ends: Integers


class _Read(NamedTuple):
    """Samples, and the number of the metadata of each."""

    columns: Columns
    metadata_ids: Integers


@dataclass(slots=True)
class _Taken:
    """What reading series as messages gives, one by one."""

    samples: list[tuple[int, int, float, int]] = field(default_factory=list)
    histogram_count: int = 0
    exemplar_count: int = 0
    refused_samples: int = 0
    faults: list[str] = field(default_factory=list)

    def take(self, message: Any, row: int, metadata_id: int) -> None:
        """Take the samples; count what cannot be kept."""
        self._count(message)
        self.samples += [(row, each.timestamp, each.value, metadata_id) for each in message.samples]

    def refuse(self, message: Any, fault: str) -> None:
        """Take nothing of a series."""
        self._count(message)
        self.refused_samples += len(message.samples)
        self.faults.append(fault)

    def _count(self, message: Any) -> None:
        self.histogram_count += len(message.histograms)
        self.exemplar_count += len(message.exemplars)

    def read(self) -> _Read:
        """The samples as columns."""
        rows, timestamps_ms, values, metadata_ids = (
            zip(*self.samples, strict=True) if self.samples else [()] * 4
        )
        columns = Columns(
            np.array(rows, dtype=np.int64),
            np.array(timestamps_ms, dtype=np.int64),
            np.array(values, dtype=np.float64),
        )
        return _Read(columns, np.array(metadata_ids, dtype=np.int64))

    def dropped(self) -> dict[str, int]:
        """How much could not be taken, by reason."""
        counts = {
            NATIVE_HISTOGRAM: self.histogram_count,
            EXEMPLAR: self.exemplar_count,
            INVALID: self.refused_samples,
        }
        return {reason: count for reason, count in counts.items() if count}

    def fault(self, series_count: int) -> str | None:
        """One sentence for whoever sent the request, or None when all is well."""
        parts = []
        if self.faults:
            parts.append(
                f"{len(self.faults)} of {series_count} series are refused, the first {self.faults[0]}"
            )
        if self.histogram_count:
            parts.append(f"{self.histogram_count} native histograms are dropped (allowed: float samples)")
        return "; ".join(parts) + "; all other samples are stored" if parts else None


def _parse(message_class: Any, data: bytes) -> Any:
    try:
        return message_class.FromString(data)
    except DecodeError as error:
        raise ParseError("the body is not a request of remote write 2.0") from error


def _references(octets: npt.NDArray[np.uint8], ends: Integers) -> _References:
    """Find the references of every series that begins with them, in one field shorter than 128 bytes."""
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64) if len(ends) else ends
    first = starts + 2
    sizes = octets[starts + 1].astype(np.int64)
    last = np.minimum(first + sizes, ends)
    plain = (octets[starts] == _LABELS_TAG) & (sizes < _CONTINUES) & (first + sizes == last)
    plain &= (sizes > 0) & (octets[last - 1] < _CONTINUES)
    sizes = np.where(plain, sizes, 0)
    ends_in_run = np.cumsum(sizes)
    # A body is far smaller than what 32 bits can count, and half as wide is nearly twice as fast.
    offsets = (first - (ends_in_run - sizes)).astype(np.int32)
    run = np.repeat(offsets, sizes) + np.arange(sizes.sum(), dtype=np.int32)
    numbers, is_last = _varints(octets[run])
    seen = np.concatenate([[0], np.cumsum(is_last, dtype=np.int32)])
    return _References(numbers, seen[ends_in_run] - seen[ends_in_run - sizes], np.where(plain, last, starts))


def _varints(octets: npt.NDArray[np.uint8]) -> tuple[Narrow, npt.NDArray[np.bool_]]:
    """Read a run of varints, and say which octets end one; one of more than three octets is _NO_SYMBOL."""
    continues = octets >= _CONTINUES
    numbers = (octets & 0x7F).astype(np.int32)
    longer = np.flatnonzero(continues[:-1] & ~continues[1:]) + 1
    before = longer - 1
    numbers[longer] = (numbers[longer] << 7) | numbers[before]
    still = (before > 0) & continues[before - 1]
    longer, before = longer[still], before[still] - 1
    numbers[longer] = (numbers[longer] << 7) | numbers[before]
    numbers[longer[(before > 0) & continues[before - 1]]] = _NO_SYMBOL
    return numbers[~continues], ~continues


def _tails(octets: npt.NDArray[np.uint8], starts: Integers, sizes: Integers) -> list[bytes]:
    """What follows the samples, filled up to one width, with the size plus 1 as the last byte."""
    columns = np.arange(_TAIL_BYTES)
    table = octets[starts[:, np.newaxis] + columns]
    table[columns >= sizes[:, np.newaxis]] = 0
    table[:, -1] = sizes + 1
    tails: list[bytes] = table.view(f"S{_TAIL_BYTES}").ravel().tolist()
    return tails


def _labels(texts: Sequence[str]) -> Labels:
    """Pair names and values; the label set must be one that a series can have."""
    if len(texts) % 2:
        raise _SeriesError(f"has {len(texts)} references to labels (it must be an even number)")
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    labels = Labels(pairs)
    if not labels.metric_name:
        raise _SeriesError(f"has no metric name: {labels}")
    for (before, _), (name, _) in zip([("", ""), *pairs], pairs, strict=False):
        if not name:
            raise _SeriesError(f"has a label without a name: {labels}")
        if name == before:
            raise _SeriesError(f'has the label "{name}" twice: {labels}')
        if name < before:
            raise _SeriesError(f'has its labels out of order, "{name}" after "{before}": {labels}')
    return labels


def _check_content(message: Any, labels: Labels) -> None:
    if not message.samples and not message.histograms:
        raise _SeriesError(f"has neither samples nor histograms: {labels}")
    try:
        for sample in message.samples:
            check_timestamp(sample.timestamp)
    except ParseError as error:
        raise _SeriesError(f"has a sample of which {error}: {labels}") from error


def _family(name: str, kind: MetricType) -> str:
    """The metric family of a series: its name without the suffix that its type adds."""
    suffix = next((each for each in _SUFFIXES.get(kind, ()) if name.endswith(each)), "")
    return name.removesuffix(suffix)


def _joined(reads: Sequence[_Read]) -> _Read:
    columns = zip(*(read.columns for read in reads), strict=True)
    return _Read(
        Columns(*(np.concatenate(parts) for parts in columns)),
        np.concatenate([read.metadata_ids for read in reads]),
    )
