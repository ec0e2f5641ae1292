"""How much of a run is written while its file fills: all of it at first, then less and less."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tocsin.sdk.columns import Columns
from tocsin.sdk.outlets.outlet import News
from tocsin.sdk.readings import Reading
from tocsin.sdk.thinning import Row, thin

STAGES: Final = ((0.5, 0), (0.75, 2000), (0.9, 10_000), (1.0, 60_000))
"""Up to which share of the file rows are put together over how many milliseconds."""

WHOLE_STATE_EVERY_MS: Final = 60_000
"""In between, only what has changed of the state is written: most of it never does."""

_HELD_ROWS: Final = 2000


class Reduction:
    """Decides what of the news is due; the rest is held back, in bounded memory, and thinned.

    Thinning keeps of each value the last, lowest, highest and first NaN, so that no spike and no NaN is lost.

    >>> reduction = Reduction()
    >>> news = News([(1000, 1, {"loss": 0.5})], [], 1000)
    >>> reduction.due(news, share=0.1) == news
    True
    """

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._state = News([], [], 0)
        self._written: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self._written_ms = self._whole_state_ms = -WHOLE_STATE_EVERY_MS

    def due(self, news: News, share: float) -> News | None:
        """What to write now, when the file is full to this share; None while everything is held back."""
        interval_ms = next((each for most, each in STAGES if share < most), STAGES[-1][1])
        if _is_within(interval_ms, self._written_ms, news.time_ms):
            return None
        latest = news if news.state else self._state
        rows = thin(Columns([*self._rows, *news.rows])) if interval_ms else [*self._rows, *news.rows]
        return News(rows, self._changed(latest), latest.time_ms if latest.state else news.time_ms)

    def hold(self, news: News) -> None:
        """Keep what is not due."""
        self._rows += news.rows
        if len(self._rows) > _HELD_ROWS:
            self._rows = thin(Columns(self._rows))
        if news.state:
            self._state = news

    def written(self, news: News, now_ms: int) -> None:
        """What was due has been written."""
        self._rows = []
        self._state = News([], [], 0)
        self._written_ms = now_ms
        if not _is_within(WHOLE_STATE_EVERY_MS, self._whole_state_ms, now_ms) and news.state:
            self._whole_state_ms = now_ms
        self._written.update({(name, labels): value for name, value, labels in news.state})

    def rest(self) -> News:
        """What is still held back."""
        return News(thin(Columns(self._rows)), self._state.state, self._state.time_ms)

    def _changed(self, news: News) -> Sequence[Reading]:
        if not _is_within(WHOLE_STATE_EVERY_MS, self._whole_state_ms, news.time_ms):
            return news.state
        return [each for each in news.state if self._written.get((each.name, each.labels)) != each.value]


def _is_within(interval_ms: int, since_ms: int, now_ms: int) -> bool:
    """Whether less than the interval is over; a clock that was set back counts as over."""
    return 0 <= now_ms - since_ms < interval_ms
