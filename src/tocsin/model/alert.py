"""An alert on its way from a rule, or from outside, to the people it concerns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tocsin.model.labels import Labels

ALERT_NAME: Final = "alertname"

_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3
_SEPARATOR: Final = b"\xff"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, identified by its labels.

    It lasts from ``starts_at_ms`` to ``ends_at_ms``, an instant in the future while it fires: a
    sender that falls silent lets it resolve. None stands for a time that the sender left open.

    >>> Alert(Labels({"alertname": "Down"}), {}, starts_at_ms=0, ends_at_ms=9).is_resolved(10)
    True
    """

    labels: Labels
    annotations: Mapping[str, str]
    starts_at_ms: int | None = None
    ends_at_ms: int | None = None
    generator_url: str = ""

    @property
    def name(self) -> str:
        """The value of ``alertname``, or an empty string."""
        return self.labels.get(ALERT_NAME, "")

    @property
    def fingerprint(self) -> str:
        """Alertmanager's fingerprint of the labels: 64-bit FNV-1a in 16 hexadecimal digits."""
        return f"{known_fingerprint(self.labels):016x}"

    def is_resolved(self, at_ms: int) -> bool:
        """Say whether it is over at a time."""
        return self.ends_at_ms is not None and self.ends_at_ms <= at_ms


def fingerprint(labels: Mapping[str, str]) -> int:
    """64-bit FNV-1a over labels sorted by name, as in prometheus/common's ``LabelSet.Fingerprint``."""
    digest = _FNV_OFFSET
    for name in sorted(labels):
        for byte in name.encode() + _SEPARATOR + labels[name].encode() + _SEPARATOR:
            digest = ((digest ^ byte) * _FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return digest


@lru_cache(maxsize=1 << 16)
def known_fingerprint(labels: Labels) -> int:
    """The same, remembered: an alert is asked for it again and again."""
    return fingerprint(labels)
