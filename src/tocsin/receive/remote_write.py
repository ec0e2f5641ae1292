"""Remote write 1.0: what Prometheus and its relatives push to ``/api/v1/write``; and what 2.0 shares with it.

Source: prometheus.io/docs/specs/prw/remote_write_spec. A sender repeats the same series in request after
request, nearly always with one sample each. The decoder therefore remembers the serialised labels of
the series it has seen; what follows them in a series is then one sample of fixed width, and all
those samples are read at once as columns. Any other series is read as a message.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple

import cramjam
import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from tocsin.errors import ParseError, SizeLimitError
from tocsin.model import Labels, MetricMetadata, MetricType, SampleBatch
from tocsin.receive import remote_write_messages as messages
from tocsin.receive.received import Received
from tocsin.scrape.syntax import check_timestamp

MAX_BODY_BYTES: Final = 64 * 1024 * 1024

MESSAGE_V1: Final = "prometheus.WriteRequest"
MESSAGE_V2: Final = "io.prometheus.write.v2.Request"
_MESSAGES: Final = (MESSAGE_V1, MESSAGE_V2)

NATIVE_HISTOGRAM: Final = "native_histogram"
"""The reason for which samples of native histograms are dropped."""

_TYPE_BY_NUMBER: Final = (
    MetricType.UNKNOWN,
    MetricType.COUNTER,
    MetricType.GAUGE,
    MetricType.HISTOGRAM,
    MetricType.GAUGE_HISTOGRAM,
    MetricType.SUMMARY,
    MetricType.INFO,
    MetricType.STATESET,
)

MAX_REMEMBERED: Final = 200_000
"""How many series a decoder remembers before it starts anew."""

_MAX_SEQUENCES: Final = 128

UNKNOWN: Final = -1
"""The row of a series that is not remembered."""

_ZSTD_IS_FULL: Final = "failed to write whole buffer"

_TIME_TAG: Final = 0x10
_TIME_BYTES: Final = 6
_TIME_CONTINUATION: Final = np.array([0x80, 0x80, 0x80, 0x80, 0x80, 0], dtype=np.uint8)
_TIME_SHIFTS: Final = np.arange(_TIME_BYTES, dtype=np.int64) * 7


def message_name(content_type: str) -> str:
    """The message that a Content-Type names: that of remote write 1.0 where it names none.

    >>> message_name("application/x-protobuf;proto=io.prometheus.write.v2.Request")
    'io.prometheus.write.v2.Request'
    """
    parameters = (part.strip() for part in content_type.split(";")[1:])
    named = (part.partition("=")[2].strip('" ') for part in parameters if part.lower().startswith("proto="))
    return next(named, "") or MESSAGE_V1


def unsupported_reason(content_type: str, content_encoding: str) -> str | None:
    """Why a write request cannot be read, in one sentence for a 415 answer; None when it can.

    >>> unsupported_reason("application/x-protobuf", "snappy") is None
    True
    """
    media_type, name = content_type.partition(";")[0].strip(), message_name(content_type)
    if media_type.lower() not in {"", "application/x-protobuf"}:
        return f'the Content-Type "{media_type}" is not supported (allowed: application/x-protobuf)'
    if name not in _MESSAGES:
        return f'the message "{name}" is not supported (allowed: {", ".join(_MESSAGES)})'
    if content_encoding.strip().lower() not in _INFLATE:
        return f'the Content-Encoding "{content_encoding}" is not supported (allowed: snappy, zstd)'
    return None


class WriteRequestDecoder:
    """Decodes the requests of any number of senders; keep one for as long as the server runs."""

    def __init__(self, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._max_bytes = max_bytes
        self._forget()

    def decode(self, body: bytes, encoding: str = "snappy") -> Received:
        """Read a request; ``encoding`` is its Content-Encoding, snappy or zstd.

        Raises SizeLimitError when it would inflate above ``max_bytes`` and else ParseError; nothing of
        the request should then be stored.
        """
        request = _parse(messages.WriteRequest, inflate(body, encoding, self._max_bytes))
        if len(self._series) > MAX_REMEMBERED:
            self._forget()
        raw_series = list(request.timeseries)
        columns: list[Columns] = []
        for shape in (Shape.VALUE, Shape.ZERO):
            taken, raw_series = self._take_known(raw_series, shape)
            columns.append(taken)
        taken, histogram_count = self._take_messages(raw_series)
        columns.append(taken)
        dropped = {NATIVE_HISTOGRAM: histogram_count} if histogram_count else {}
        return Received(self._batch(columns), _metadata(request.metadata), dropped)

    def _forget(self) -> None:
        self._row_of_prefix: dict[bytes, int] = {}
        self._row_of_labels: dict[Labels, int] = {}
        self._series: list[Labels] = []
        self._sequences: OrderedDict[bytes, tuple[Labels, ...]] = OrderedDict()

    def _take_known(self, raw_series: list[bytes], shape: Shape) -> tuple[Columns, list[bytes]]:
        """Read the series whose labels are known and that hold one sample of a shape; return the others."""
        get, width = self._row_of_prefix.get, shape.width
        rows = np.array([get(raw[:-width], UNKNOWN) for raw in raw_series], dtype=np.int64)
        known = np.flatnonzero(rows != UNKNOWN)
        tails = np.frombuffer(b"".join([raw_series[index][-width:] for index in known]), dtype=np.uint8)
        table = tails.reshape(len(known), width)
        fits = shape.fits(table)
        rest = np.ones(len(raw_series), dtype=bool)
        rest[known[fits]] = False
        columns = Columns(rows[known[fits]], *shape.read(table[fits]))
        return columns, [raw_series[index] for index in np.flatnonzero(rest)]

    def _take_messages(self, raw_series: list[bytes]) -> tuple[Columns, int]:
        """Read series of any shape, remember their labels, and count the native histograms."""
        samples: list[tuple[int, int, float]] = []
        histogram_count = 0
        for raw in raw_series:
            message = _parse(messages.TimeSeries, raw)
            histogram_count += len(message.histograms)
            if message.samples:
                row = self._row(raw, message)
                samples += [(row, sample.timestamp, sample.value) for sample in message.samples]
        columns = Columns(
            np.array([row for row, _, _ in samples], dtype=np.int64),
            np.array([timestamp_ms for _, timestamp_ms, _ in samples], dtype=np.int64),
            np.array([value for _, _, value in samples], dtype=np.float64),
        )
        return columns, histogram_count

    def _row(self, raw: bytes, message: Any) -> int:
        labels = _labels([(label.name, label.value) for label in message.labels])
        row = self._row_of_labels.setdefault(labels, len(self._series))
        if row == len(self._series):
            self._series.append(labels)
        prefix = messages.TimeSeries(labels=message.labels).SerializeToString()
        if raw.startswith(prefix):
            self._row_of_prefix[prefix] = row
        return row

    def _batch(self, columns: Sequence[Columns]) -> SampleBatch:
        rows, timestamps_ms, values = (np.concatenate(parts) for parts in zip(*columns, strict=True))
        for extreme in (timestamps_ms.min(initial=0), timestamps_ms.max(initial=0)):
            check_timestamp(int(extreme))
        used, index = np.unique(rows, return_inverse=True)
        return SampleBatch(self._series_of(used), index, timestamps_ms, values)

    def _series_of(self, rows: npt.NDArray[np.int64]) -> Sequence[Labels]:
        """The series of rows; of the same rows the same object, which the store need not look at again."""
        key = rows.tobytes()
        series = self._sequences.get(key)
        if series is None:
            series = self._sequences[key] = tuple(self._series[row] for row in rows.tolist())
        self._sequences.move_to_end(key)
        if len(self._sequences) > _MAX_SEQUENCES:
            self._sequences.popitem(last=False)
        return series


def decode_write_request(body: bytes, *, max_bytes: int = MAX_BODY_BYTES) -> Received:
    """Read one request by itself; a server is faster with one :class:`WriteRequestDecoder` for all."""
    return WriteRequestDecoder(max_bytes).decode(body)


def encode_write_request(batch: SampleBatch, metadata: Mapping[str, MetricMetadata] | None = None) -> bytes:
    """Write samples as a request compressed with snappy, one entry for each series."""
    request = messages.WriteRequest()
    order = np.argsort(batch.series_index, kind="stable")
    ends = np.cumsum(np.bincount(batch.series_index, minlength=len(batch.series)))
    times_ms, values = batch.timestamps_ms.tolist(), batch.values.tolist()
    start = 0
    for labels, end in zip(batch.series, ends.tolist(), strict=True):
        message = messages.TimeSeries()
        for name, value in labels.pairs:
            message.labels.add(name=name, value=value)
        for index in order[start:end].tolist():
            message.samples.add(value=values[index], timestamp=times_ms[index])
        request.timeseries.append(message.SerializeToString())
        start = end
    for family, known in (metadata or {}).items():
        number = _TYPE_BY_NUMBER.index(known.type)
        request.metadata.add(type=number, metric_family_name=family, help=known.help, unit=known.unit)
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))


class Columns(NamedTuple):
    """Samples as parallel arrays; rows are those of the decoder."""

    rows: npt.NDArray[np.int64]
    timestamps_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


class Shape(Enum):
    """The two forms of an entry with one sample: with a value, and without because it is 0.

    The head is tag and length of the sample, and the tag of its value; behind it stand the value's eight
    bytes, the tag of the time and the time as a varint of six bytes (any time from 1971 to 2109).
    """

    VALUE = (b"\x12\x10\x09", 8)
    ZERO = (b"\x12\x07", 0)

    def __init__(self, head: bytes, value_width: int) -> None:
        self.head = np.frombuffer(head, dtype=np.uint8)
        self.time_tag_at = len(head) + value_width
        self.width = self.time_tag_at + 1 + _TIME_BYTES

    def fits(self, table: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Which rows are of this form."""
        head_fits = (table[:, : len(self.head)] == self.head).all(axis=1)
        time_bits = table[:, self.time_tag_at + 1 :] & 0x80
        time_fits = (time_bits == _TIME_CONTINUATION).all(axis=1)
        fits: npt.NDArray[np.bool_] = head_fits & time_fits & (table[:, self.time_tag_at] == _TIME_TAG)
        return fits

    def read(self, table: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """The times and values of rows that fit."""
        groups = (table[:, self.time_tag_at + 1 :] & 0x7F).astype(np.int64)
        timestamps_ms = (groups << _TIME_SHIFTS).sum(axis=1)
        if self is Shape.ZERO:
            return timestamps_ms, np.zeros(len(table))
        value_bytes = np.ascontiguousarray(table[:, len(self.head) : self.time_tag_at])
        return timestamps_ms, value_bytes.view("<f8").reshape(len(table)).astype(np.float64)


def inflate(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Undo the compression; raises SizeLimitError above a size, whatever the body claims, or ParseError."""
    return _INFLATE[encoding.strip().lower()](body, max_bytes)


def _inflate_snappy(body: bytes, max_bytes: int) -> bytes:
    """Undo snappy, whose header tells the size before anything is inflated."""
    try:
        if cramjam.snappy.decompress_raw_len(body) > max_bytes:
            raise SizeLimitError(max_bytes)
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise ParseError(f"the body is not compressed with snappy: {error}") from error


def _inflate_zstd(body: bytes, max_bytes: int) -> bytes:
    """Undo zstd into room of the largest size, of which the machine gives only what is written to."""
    room = np.empty(max_bytes, dtype=np.uint8)
    try:
        size_bytes = cramjam.zstd.decompress_into(body, room.data)
    except cramjam.DecompressionError as error:
        if str(error) == _ZSTD_IS_FULL:
            raise SizeLimitError(max_bytes) from error
        raise ParseError(f"the body is not compressed with zstd: {error}") from error
    return room[:size_bytes].tobytes()


def _parse(message_class: Any, data: bytes) -> Any:
    try:
        return message_class.FromString(data)
    except DecodeError as error:
        raise ParseError("the body is not a write request of remote write 1.0") from error


def _labels(pairs: Sequence[tuple[str, str]]) -> Labels:
    names = [name for name, _ in pairs]
    labels = Labels(pairs)
    if not labels.metric_name:
        raise ParseError(f"a series has no metric name: {labels}")
    if "" in names:
        raise ParseError(f"a series has a label without a name: {labels}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ParseError(f'a series has the label "{twice}" twice: {labels}')
    return labels


def _metadata(entries: Iterable[Any]) -> dict[str, MetricMetadata]:
    return {
        entry.metric_family_name: MetricMetadata(metric_type(entry.type), entry.help, entry.unit)
        for entry in entries
    }


def metric_type(number: int) -> MetricType:
    """The type that a number stands for, the same in both versions; unknown for any other number."""
    known = 0 <= number < len(_TYPE_BY_NUMBER)
    return _TYPE_BY_NUMBER[number] if known else MetricType.UNKNOWN


_INFLATE: Final[Mapping[str, Callable[[bytes, int], bytes]]] = {
    "": _inflate_snappy,
    "snappy": _inflate_snappy,
    "zstd": _inflate_zstd,
}
"""How a body is inflated, by Content-Encoding; a sender that names none uses snappy."""
