"""Samples pushed as text: what ``POST /api/v1/import/prometheus`` takes.

The body is the Prometheus text format; a line without a timestamp gets the time of arrival. The query
parameter ``extra_label=name=value``, which may be repeated, adds a label to every series.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from tocsin.errors import ParseError, SizeLimitError
from tocsin.model import METRIC_NAME, Labels
from tocsin.receive.received import Received
from tocsin.scrape.compression import gunzip
from tocsin.scrape.exposition import ExpositionParser
from tocsin.scrape.text import TextFormat

MAX_BODY_BYTES: Final = 64 * 1024 * 1024

_GZIP: Final = frozenset({"gzip", "x-gzip"})


def decode_text_import(
    body: bytes,
    encoding: str,
    now_ms: int,
    *,
    extra_labels: Iterable[str] = (),
    max_bytes: int = MAX_BODY_BYTES,
) -> Received:
    """Read the body of an import request.

    ``encoding`` is the Content-Encoding (gzip or nothing), ``extra_labels`` are texts ``name=value``,
    and ``max_bytes`` bounds the body once inflated. Raises SizeLimitError above the bound and else
    ParseError, which names the line; nothing of the request should then be stored.

    >>> received = decode_text_import(b"loss 0.5 1000", "", now_ms=0)
    >>> received.batch.timestamps_ms.tolist(), received.batch.values.tolist()
    ([1000], [0.5])
    """
    text = _inflate(body, encoding, max_bytes)
    extra = dict(_extra_label(each) for each in extra_labels)
    parser = ExpositionParser(TextFormat(), lambda labels: _labelled(labels, extra))
    exposition = parser.parse(text)
    return Received(exposition.batch(now_ms), exposition.metadata)


def _inflate(body: bytes, encoding: str, max_bytes: int) -> bytes:
    encoding = encoding.strip().lower()
    if encoding in _GZIP:
        return gunzip(body, max_bytes)
    if encoding not in {"", "identity"}:
        raise ParseError(f'the Content-Encoding "{encoding}" is not known (allowed: gzip, identity)')
    if len(body) > max_bytes:
        raise SizeLimitError(max_bytes)
    return body


def _extra_label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ParseError(f'the parameter extra_label is "{text}" (it must be name=value)')
    if name == METRIC_NAME and not value:
        raise ParseError(f'the parameter extra_label is "{text}" (a series must keep its name)')
    return name, value


def _labelled(labels: Mapping[str, str], extra: Mapping[str, str]) -> Labels:
    return Labels({**labels, **extra})
