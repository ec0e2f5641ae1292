"""Prediction quality from labels that come later, in bounded memory."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from tocsin.sdk.guard import Guard
from tocsin.sdk.inference.bounded import Bounded
from tocsin.sdk.inference.confusion import Confusion, accuracy, by_class, macro
from tocsin.sdk.inference.histogram import Histogram
from tocsin.sdk.readings import Reading

DELAY_LIMITS_S: Final = (1, 10, 60, 600, 3600, 21_600, 86_400, 604_800)

_SLICES: Final = 60
_INTAKE_MOST: Final = 200_000
"""Predictions and labels taken since the sender last looked; further ones are dropped and counted."""

Word = tuple[float, bool, Any, Any]
"""When something was said, whether it is a label rather than a prediction, of what id, which class."""


@dataclass(frozen=True, slots=True)
class QualitySettings:
    """What is kept of predictions and labels.

    ``window_s`` is how long a labelled prediction counts, ``wait_s`` how long a prediction waits for its
    label. At most ``most_waiting`` predictions wait, and those that have waited longest give way.
    ``most_classes`` have series of their own; further ones are one class ``other``. ``positive`` names the
    class that matters where there are two; precision, recall and F1 are then its alone.
    """

    window_s: float = 3600.0
    wait_s: float = 86_400.0
    most_waiting: int = 100_000
    most_classes: int = 50
    positive: str | None = None


USUAL_QUALITY: Final = QualitySettings()


class QualityKeeper:
    """Matches predictions with labels by their id, and says how good the newest were.

    ``said`` is what words are appended to; appending needs no lock.
    """

    def __init__(self, settings: QualitySettings, guard: Guard, monotonic_s: Callable[[], float]) -> None:
        self.said: list[Word] = []
        self._settings = settings
        self._guard = guard
        self._monotonic_s = monotonic_s
        self._lock = Lock()
        self._classes = Bounded(max(1, settings.most_classes), guard, "classes")
        self._slice_s = settings.window_s / _SLICES
        self._waiting: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._slices: deque[tuple[int, Confusion]] = deque()
        self._outcomes: Counter[str] = Counter()
        self._dropped = 0
        self._delays = Histogram(DELAY_LIMITS_S)

    def say(self, word: Word) -> None:
        """Take a prediction or a label."""
        if len(self.said) < _INTAKE_MOST:
            self.said.append(word)
        else:
            self._dropped += 1

    def readings(self) -> list[Reading]:
        """All series; none before there was a prediction or a label."""
        with self._lock:
            self._absorb()
            return list(self._readings()) if self._outcomes or self._waiting else []

    def drain(self) -> None:
        """Match what was said."""
        with self._lock:
            self._absorb()

    def window(self) -> Confusion:
        """The pairs that count now."""
        merged = Confusion()
        first = int(self._monotonic_s() // self._slice_s) - _SLICES
        for number, pairs in self._slices:
            if number > first:
                merged.update(pairs)
        return merged

    def _absorb(self) -> None:
        words = self.said[: len(self.said)]
        del self.said[: len(words)]
        for at_s, is_label, key, value in words:
            with self._guard.around("quality", "a prediction or label is left out"):
                self._hear(at_s, is_label, str(key), _class_of(value))
        self._expire()

    def _hear(self, at_s: float, is_label: bool, key: str, name: str) -> None:  # noqa: FBT001 - part of a word
        if not is_label:
            self._outcomes["replaced"] += self._waiting.pop(key, None) is not None
            self._waiting[key] = (at_s, self._classes[name])
            return
        known = self._waiting.pop(key, None)
        if known is None or at_s - known[0] > self._settings.wait_s:
            self._outcomes["unmatched" if known is None else "late"] += 1
            return
        self._outcomes["matched"] += 1
        self._delays.take([max(0.0, at_s - known[0])])
        self._count(at_s, (known[1], self._classes[name]))

    def _count(self, at_s: float, pair: tuple[str, str]) -> None:
        number = int(at_s // self._slice_s)
        if not self._slices or self._slices[-1][0] < number:
            self._slices.append((number, Confusion()))
        self._slices[-1][1][pair] += 1
        while self._slices[0][0] <= number - _SLICES:
            self._slices.popleft()

    def _expire(self) -> None:
        oldest_s = self._monotonic_s() - self._settings.wait_s
        while self._waiting:
            key, (at_s, _) = next(iter(self._waiting.items()))
            is_over = at_s < oldest_s
            if not is_over and len(self._waiting) <= self._settings.most_waiting:
                return
            del self._waiting[key]
            self._outcomes["expired" if is_over else "displaced"] += 1

    def _readings(self) -> Iterator[Reading]:
        for outcome, count in {**self._outcomes, "dropped": self._dropped}.items():
            if count:
                yield Reading("inference_quality_outcomes_total", float(count), (("outcome", outcome),))
        yield Reading("inference_quality_waiting", float(len(self._waiting)))
        yield from self._delays.readings("inference_quality_label_delay_seconds")
        pairs = self.window()
        yield Reading("inference_quality_pairs", float(pairs.total()))
        share = accuracy(pairs)
        if share is not None:
            yield Reading("inference_quality_accuracy", share)
        positive = self._settings.positive
        classes = by_class(pairs)
        for name, quality in classes.items():
            if positive is None or name == positive:
                for measure, value in zip(quality._fields, quality, strict=True):
                    if value is not None:
                        yield Reading(f"inference_quality_{measure}", value, (("class", name),))
        if positive is None:
            for measure, value in macro(classes):
                yield Reading(f"inference_quality_macro_{measure}", value)


def _class_of(value: Any) -> str:
    """A class as text; of an array or tensor of one element, that element."""
    return str(value.item() if hasattr(value, "item") else value)
