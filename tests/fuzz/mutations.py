"""Inputs that are nearly right: seeds with some places cut, doubled, replaced or joined with other seeds."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

Mutator: TypeAlias = Callable[[random.Random, Sequence[bytes]], bytes]
"""Makes one input out of seeds."""

MAX_BYTES = 65_536

_SPECIAL_BYTES = b'\x00\x01\t\n\r "#$,.:=\\{}\x7f\x80\xc0\xed\xff'
NUMBERS = (
    b"0 -0 1 -1 9223372036854775807 -9223372036854775809 18446744073709551616 9007199254740992 "
    b"9007199254740993 1e308 1e309 -1e999 5e-324 1e-400 NaN nan -NaN Inf +inf -Inf Infinity 1_0 0x1p5 "
    b"0x10 1. .5 . +-1 \xd9\xa1 1e 1E+5 1,5"
).split()
LONG_NUMBERS = (b"9" * 400, b"9" * 5000, b"0." + b"0" * 400 + b"1")
TEXTS = (*"|é|💥|\ufeff|\\|\n|\r\n".encode().split(b"|"), b"\xff\xfe", b"\xed\xa0\x80")


def text_mutator(words: Sequence[bytes]) -> Mutator:
    """Mutates texts, with words that mean something to the parser."""
    dictionary = (*words, *NUMBERS, *LONG_NUMBERS, *TEXTS)

    def mutate(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
        return mutated(rng, rng.choice(seeds), seeds, dictionary)

    return mutate


def mutated(rng: random.Random, data: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """A text after one to four changes."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        data = rng.choice(_CHANGES)(rng, data, seeds, words)
    return data[:MAX_BYTES]


def _span(rng: random.Random, data: bytes) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice((0, 1, 1, 2, 3, 5, 8, 20, 100)))


def _replace_byte(rng: random.Random, data: bytes, *_: Any) -> bytes:
    start, _ = _span(rng, data)
    byte = rng.choice(_SPECIAL_BYTES) if rng.random() < 0.7 else rng.randrange(256)
    return data[:start] + bytes((byte,)) + data[start + 1 :]


def _flip_bit(rng: random.Random, data: bytes, *_: Any) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes((data[at] ^ 1 << rng.randrange(8),)) + data[at + 1 :]


def _cut(rng: random.Random, data: bytes, *_: Any) -> bytes:
    start, end = _span(rng, data)
    return data[:start] + data[end:]


def _truncate(rng: random.Random, data: bytes, *_: Any) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _repeat(rng: random.Random, data: bytes, *_: Any) -> bytes:
    start, end = _span(rng, data)
    times = rng.choice((2, 2, 3, 10)) if rng.random() < 0.98 else 5000
    return data[:start] + data[start:end] * times + data[end:]


def _insert_word(rng: random.Random, data: bytes, _seeds: Any, words: Sequence[bytes]) -> bytes:
    start, end = _span(rng, data)
    return data[:start] + rng.choice(words) + data[start if rng.random() < 0.5 else end :]


def _replace_token(rng: random.Random, data: bytes, _seeds: Any, words: Sequence[bytes]) -> bytes:
    """Put a word in the place of a whole number or name."""
    start = rng.randrange(len(data) + 1)
    while start and data[start - 1 : start].isalnum():
        start -= 1
    end = start
    while data[end : end + 1].isalnum() or data[end : end + 1] in (b".", b"_", b"-"):
        end += 1
    return data[:start] + rng.choice(words) + data[end:]


def _splice(rng: random.Random, data: bytes, seeds: Sequence[bytes], _words: Any) -> bytes:
    other = rng.choice(seeds)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _swap(rng: random.Random, data: bytes, *_: Any) -> bytes:
    """Exchange two neighbouring spans."""
    start, middle = _span(rng, data)
    end = min(len(data), middle + rng.randrange(20))
    return data[:start] + data[middle:end] + data[start:middle] + data[end:]


_CHANGES = (
    _replace_byte,
    _flip_bit,
    _cut,
    _truncate,
    _repeat,
    _insert_word,
    _insert_word,
    _replace_token,
    _replace_token,
    _splice,
    _swap,
)

_JSON_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 2**64, 10**400, 0.5, 1e308, "", "a", "a b", "/", "é"),
    *("\x00", "\udc80", "1", "-1", "1e400", "NaN", "Infinity", "0a", "zz", "AAAA", [], {}, [[]], {"": ""}),
    *([None], [{}], {"a": None}, {"stringValue": "x"}, {"intValue": "7"}, {"arrayValue": {"values": [{}]}}),
)


def json_mutator(words: Sequence[bytes]) -> Mutator:
    """Mutates JSON: most times the values within, sometimes the text."""
    change_text = text_mutator((*words, *b'{|}|[|]|,|:|"|null'.split(b"|"), b"[" * 3000))

    def mutate(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
        if rng.random() < 0.4:
            return change_text(rng, seeds)
        document = json.loads(rng.choice(seeds))
        for _ in range(rng.randrange(1, 4)):
            document = _changed(rng, document, words)
        return json.dumps(document, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")

    return mutate


def _changed(rng: random.Random, node: Any, words: Sequence[bytes]) -> Any:
    """A document with one place changed, in place where it can be."""
    if not isinstance(node, dict | list) or not node or rng.random() < 0.1:
        return _other_value(rng, node)
    key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
    match rng.randrange(12):
        case 0:
            node.pop(key)
        case 1 if isinstance(node, list):
            node.extend([node[key]] * rng.choice((1, 2, 50)))
        case 1 | 2 if isinstance(node, dict):
            name = rng.choice(words).decode() if words and rng.random() < 0.7 else rng.choice(("", "x", "é"))
            node[name] = node[key]
        case _:
            node[key] = _changed(rng, node[key], words)
    return node


def _other_value(rng: random.Random, node: Any) -> Any:
    match rng.randrange(6):
        case 0:
            return [node]
        case 1:
            return {rng.choice(("a", "values", "arrayValue", "targets")): node}
        case _:
            return copy.deepcopy(rng.choice(_JSON_VALUES))
