"""Push: remote write and text import."""

from tocsin.receive.received import Received
from tocsin.receive.remote_write import (
    WriteRequestDecoder,
    decode_write_request,
    encode_write_request,
    unsupported_reason,
)
from tocsin.receive.text_import import decode_text_import

__all__ = [
    "Received",
    "WriteRequestDecoder",
    "decode_text_import",
    "decode_write_request",
    "encode_write_request",
    "unsupported_reason",
]
