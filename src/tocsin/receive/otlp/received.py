"""What an OTLP request holds once it is decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tocsin.receive.otlp.signals import Signal
from tocsin.receive.received import Received

_SHOWN_CHARACTERS: Final = 400


@dataclass(frozen=True, slots=True)
class ReceivedExport(Received):
    """What could be taken of a request, and for its answer what could not.

    ``rejected_count`` counts data points (or log records, or spans) and ``fault`` says in one sentence why.
    """

    signal: Signal = Signal.METRICS
    rejected_count: int = 0
    fault: str | None = None


@dataclass(slots=True)
class Rejections:
    """Data points that are not taken, counted by reason; of each reason the first sentence is kept."""

    _counts: Counter[str] = field(default_factory=Counter)
    _sentences: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, sentence: str, count: int = 1) -> None:
        """Note some that are not taken, all for one reason; none of them when only a warning is due."""
        self._counts[reason] += count
        self._sentences.setdefault(reason, sentence[:_SHOWN_CHARACTERS])

    def count(self) -> int:
        """How many are not taken."""
        return self._counts.total()

    def by_reason(self) -> Mapping[str, int]:
        """How many are not taken for each reason."""
        return {reason: count for reason, count in self._counts.items() if count}

    def fault(self) -> str | None:
        """One sentence for whoever sent the request, or None when all is well."""
        parts = [
            f"data points not stored: {self._counts[reason]}, the first because {sentence}"
            if self._counts[reason]
            else sentence
            for reason, sentence in self._sentences.items()
        ]
        return "; ".join(parts) or None
