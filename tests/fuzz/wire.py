"""Protobuf messages taken apart without knowing what they mean, changed, and put together again.

Lengths stay right, so that a change deep within a message gets as far as the code that reads it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeAlias

from tests.fuzz.mutations import TEXTS, Mutator, mutated

Field: TypeAlias = "tuple[int, int, int | bytes]"
"""Number, wire type, and value: an integer, or octets."""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_DEPTH = 12

_SMALL_INTEGERS = (0, 1, 2, 7, 127, 128, 255, 2**14, 2**21, 2**28, 2**31 - 1, 2**31, 2**32 - 1)
_INTEGERS = (*_SMALL_INTEGERS, 2**53, 2**63, 2**64 - 1)
_DOUBLES = (
    *(0x7FF0000000000000, 0xFFF0000000000000, 0x7FF8000000000001, 0x7FF0000000000002, 0x8000000000000000),
    *(0x0000000000000001, 0x7FEFFFFFFFFFFFFF, 0x43E0000000000000),
)
_WORDS = (b"__name__", b"job", b"le", b"a", b"service.name", b"{", b"\x00", *TEXTS)


def wire_mutator(compress: Callable[[bytes], bytes] = bytes, *, damaged_share: float = 0.05) -> Mutator:
    """Mutates messages; a small part of the inputs is damaged after ``compress``."""

    def mutate(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
        data = rng.choice(seeds)
        if rng.random() < 0.15:
            data = mutated(rng, data, seeds, _WORDS)
        else:
            for _ in range(rng.choice((1, 1, 2, 3))):
                data = _changed(rng, data, 0)
        body = compress(data)
        return mutated(rng, body, [body], _WORDS) if rng.random() < damaged_share else body

    return mutate


def parse(data: bytes) -> list[Field] | None:
    """The fields of a message, or None when it is none."""
    fields: list[Field] = []
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if at < 0 or not key >> 3 or kind not in {VARINT, FIXED64, BYTES, FIXED32}:
            return None
        value: int | bytes
        if kind == VARINT:
            value, at = _varint(data, at)
        else:
            size = {FIXED64: 8, FIXED32: 4}.get(kind, 0)
            if kind == BYTES:
                size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        if at < 0 or at > len(data):
            return None
        fields.append((key >> 3, kind, value))
    return fields


def encode(fields: Sequence[Field]) -> bytes:
    """The octets of a message."""
    parts = []
    for number, kind, value in fields:
        parts.append(_encoded_varint(number << 3 | kind))
        if isinstance(value, int):
            parts.append(_encoded_varint(value))
        else:
            parts += [_encoded_varint(len(value)), value] if kind == BYTES else [value]
    return b"".join(parts)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(data) and shift < 70:
        number |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return number, at
    return 0, -1


def _encoded_varint(number: int) -> bytes:
    parts = bytearray()
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _changed(rng: random.Random, data: bytes, depth: int) -> bytes:
    fields = parse(data) if depth < MAX_DEPTH else None
    if not fields:
        return mutated(rng, data, [data], _WORDS)
    at = rng.randrange(len(fields))
    number, kind, value = fields[at]
    if isinstance(value, bytes) and kind == BYTES and rng.random() < 0.75:
        fields[at] = (number, kind, _changed(rng, value, depth + 1))
        return encode(fields)
    match rng.randrange(6):
        case 0:
            del fields[at]
        case 1:
            fields.insert(rng.randrange(len(fields) + 1), fields[at])
        case 2:
            fields.extend([fields[at]] * rng.choice((1, 3, 40)))
        case 3:
            rng.shuffle(fields)
        case 4:
            fields[at] = (rng.choice((number, rng.randrange(1, 16))), *_other(rng))
        case _:
            fields[at] = (number, *_similar(rng, kind, value))
    return encode(fields)


def _similar(rng: random.Random, kind: int, value: int | bytes) -> tuple[int, int | bytes]:
    """Another value of the same kind."""
    match kind:
        case 0:
            return kind, rng.choice(_INTEGERS)
        case 1:
            return kind, rng.choice((*_DOUBLES, *_INTEGERS)).to_bytes(8, "little")
        case 5:
            return kind, rng.choice(_SMALL_INTEGERS).to_bytes(4, "little")
        case _:
            return kind, rng.choice((value * 2 if isinstance(value, bytes) else b"", rng.choice(_WORDS)))


def _other(rng: random.Random) -> tuple[int, int | bytes]:
    """A value of any kind."""
    return _similar(rng, rng.choice((VARINT, FIXED64, BYTES, FIXED32)), b"\x08\x01")
