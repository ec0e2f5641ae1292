"""The demo on the terminal: one picture that changes, or one line an event where there is no terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tocsin.commands.demo_watch import ALERT, Picture

_BARS: Final = "▁▂▃▄▅▆▇█"
_WIDTH: Final = 48


class View:
    """Shows pictures as they come."""

    def __init__(self, url: str, console: Console | None = None) -> None:
        self._url = url
        self._console = console or Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        self._say("url", f"tocsin runs at {self._url}  (pages: {self._url}/training)")
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, picture: Picture) -> None:
        """Bring the picture up to date, and tell what has happened for the first time."""
        if picture.step:
            self._say("training", "a training runs: a small network learns handwritten digits")
        if picture.spike_age_s is not None:
            self._say("spike", "the learning rate has jumped, and the loss goes up")
        if picture.alert_delay_s is not None:
            self._say("alert", f"{ALERT} fires, {picture.alert_delay_s:.1f} s after the first step with it")
        if self._console.is_terminal:
            self._live.update(drawn(picture, self._url), refresh=True)

    def _say(self, key: str, line: str) -> None:
        if key not in self._told:
            self._told.add(key)
            self._console.print(line, soft_wrap=True, markup=False)


def drawn(picture: Picture, url: str) -> Table:
    """The picture as a small table."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column()
    table.add_row("page", Text(f"{url}/training"))
    table.add_row("step", str(picture.step))
    table.add_row("loss", f"{sparkline(picture.losses, _WIDTH)}  {_number(picture.losses[-1:])}")
    table.add_row("learning rate", _number([picture.learning_rate] if picture.learning_rate else []))
    style = {"firing": "bold red", "pending": "yellow"}.get(picture.alert_state, "green")
    table.add_row("alert", Text(f"{ALERT} is {picture.alert_state}", style))
    table.add_row("", Text("Ctrl-C ends it and leaves nothing behind", "dim"))
    return table


def sparkline(values: Sequence[float], width: int) -> str:
    """The highest value of each of ``width`` stretches, drawn on a logarithmic scale.

    >>> sparkline([1, 10, 100], 3)
    '▁▅█'
    """
    if not values:
        return ""
    size = max(1, math.ceil(len(values) / width))
    highest = [_peak(values[start : start + size]) for start in range(0, len(values), size)]
    known = [value for value in highest if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    return "".join(_bar(value, low, high) for value in highest)


def _peak(values: Sequence[float]) -> float | None:
    """The logarithm of the highest value, or None when none of them can be drawn."""
    drawable = [value for value in values if math.isfinite(value) and value > 0]
    return math.log(max(drawable)) if drawable else None


def _bar(value: float | None, low: float, high: float) -> str:
    if value is None:
        return "!"
    return _BARS[round((value - low) / (high - low) * (len(_BARS) - 1))] if high > low else _BARS[0]


def _number(values: Sequence[float]) -> str:
    return f"{values[-1]:.4g}" if values else "-"
