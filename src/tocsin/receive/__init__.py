"""Push: remote write, text import and pushed groups."""

from tocsin.receive.pushed_groups import Group, Push, PushedGroups, decode_push
from tocsin.receive.received import Received
from tocsin.receive.remote_write import (
    MESSAGE_V1,
    MESSAGE_V2,
    WriteRequestDecoder,
    decode_write_request,
    encode_write_request,
    message_name,
    unsupported_reason,
)
from tocsin.receive.remote_write_v2 import ReceivedInPart, WriteRequestV2Decoder
from tocsin.receive.text_import import decode_text_import

__all__ = [
    "MESSAGE_V1",
    "MESSAGE_V2",
    "Group",
    "Push",
    "PushedGroups",
    "Received",
    "ReceivedInPart",
    "WriteRequestDecoder",
    "WriteRequestV2Decoder",
    "decode_push",
    "decode_text_import",
    "decode_write_request",
    "encode_write_request",
    "message_name",
    "unsupported_reason",
]
