"""A grid of Flower that tells what was sent to which node, and what came back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol


class Traffic(Protocol):
    """Who is told."""

    def sending(self, messages: list[Any]) -> None:
        """These messages are about to be sent."""

    def received(self, messages: list[Any], replies: list[Any]) -> None:
        """What came back for messages until the time-out; what is missing will not come."""

    def arrived(self, replies: list[Any]) -> None:
        """Some answers came back; others may follow."""


class WatchedGrid:
    """Passes everything on to a grid, and tells about messages and answers on the way."""

    def __init__(self, grid: Any, traffic: Traffic) -> None:
        self._grid = grid
        self._traffic = traffic

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """That of the grid, so that ``isinstance`` says what it says without a monitor."""
        return type(self._grid)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._grid, name)

    def send_and_receive(self, messages: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
        """As the grid does it; answers and time-outs are told when it returns."""
        sent = list(messages)
        self._traffic.sending(sent)
        replies = list(self._grid.send_and_receive(sent, *args, **kwargs))
        self._traffic.received(sent, replies)
        return replies

    def push_messages(self, messages: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
        """As the grid does it, for strategies that do not wait for all answers at once."""
        sent = list(messages)
        self._traffic.sending(sent)
        return self._grid.push_messages(sent, *args, **kwargs)

    def pull_messages(self, *args: Any, **kwargs: Any) -> Any:
        """As the grid does it."""
        replies = list(self._grid.pull_messages(*args, **kwargs))
        self._traffic.arrived(replies)
        return replies


def watched_grid(grid: Any, traffic: Traffic) -> Any:
    """The grid, watched; one that is watched already is watched by this one alone."""
    inner = object.__getattribute__(grid, "_grid") if type(grid) is WatchedGrid else grid
    return WatchedGrid(inner, traffic)
