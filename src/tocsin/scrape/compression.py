"""Gzip that stops at a limit, so that a small body cannot fill the memory."""

from __future__ import annotations

import zlib
from typing import Final

from tocsin.errors import ParseError, SizeLimitError

_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS


class GzipReader:
    """Inflates a gzip body piece by piece; several members in a row count as one body."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)

    def feed(self, data: bytes) -> bytes:
        """Inflate a piece; raises ParseError when it is not gzip and SizeLimitError above the limit."""
        parts = []
        while data:
            if self._stream.eof:
                self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)
            parts.append(self._inflate(data))
            data = self._stream.unused_data
        return b"".join(parts)

    def finish(self) -> None:
        """Raise ParseError when the body ended too early."""
        if not self._stream.eof:
            raise ParseError("the gzip body is cut off")

    def _inflate(self, data: bytes) -> bytes:
        try:
            out = self._stream.decompress(data, self._limit_bytes - self._size_bytes + 1)
        except zlib.error as error:
            raise ParseError(f"the body is not gzip: {error}") from error
        self._size_bytes += len(out)
        if self._size_bytes > self._limit_bytes:
            raise SizeLimitError(self._limit_bytes)
        return out


def gunzip(body: bytes, limit_bytes: int) -> bytes:
    """Inflate a whole gzip body; raises ParseError when it is not one, and SizeLimitError above the limit."""
    reader = GzipReader(limit_bytes)
    text = reader.feed(body)
    reader.finish()
    return text
