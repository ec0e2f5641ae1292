"""Which nodes are connected, and how long a strategy has waited for more: a thread that asks the grid."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from time import monotonic
from typing import Any, Final

from tocsin.sdk.federated import FederatedMonitor
from tocsin.sdk.guard import Guard

_LEFT: Final = "no longer among the nodes of the SuperLink"


class Nodes:
    """Reports nodes that come and go, how many there are, and that the training waits for them.

    ``required`` is how many the training needs, None where that is not known. ``clock`` gives seconds that
    never go back.
    """

    def __init__(
        self,
        fl: FederatedMonitor,
        guard: Guard,
        *,
        stalled_after_s: float,
        interval_s: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._fl, self._guard = fl, guard
        self._stalled_after_s, self._interval_s, self._clock = stalled_after_s, interval_s, clock
        self.required: int | None = None
        self._known: frozenset[str] = frozenset()
        self._wait: _Wait | None = None
        self._ending = Event()
        self._thread: Thread | None = None

    def start(self, grid: Any, required: int | None) -> None:
        """Ask this grid from now on; ``required`` is how many nodes the strategy waits for, if known."""
        self.required = required
        self._known = frozenset()
        self._ending = Event()
        self._thread = Thread(
            target=self._run, args=(grid, self._ending), name="tocsin-flower-nodes", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; does not wait for an answer that is on its way."""
        self._ending.set()

    def waiting(self) -> None:
        """The strategy now looks for nodes."""
        self._wait = _Wait(self._clock(), self._stalled_after_s)

    def found(self) -> None:
        """The strategy has the nodes that it looked for."""
        self._wait = None

    def look(self, grid: Any) -> None:
        """Ask once and report what is new."""
        with self._guard.around("nodes", "the nodes are not known"):
            self._take(frozenset(map(str, grid.get_node_ids())))

    def _take(self, nodes: frozenset[str]) -> None:
        for node in sorted(nodes - self._known):
            self._fl.client_join(node)
        for node in sorted(self._known - nodes):
            self._fl.client_leave(node, _LEFT)
        self._known = nodes
        self._fl.clients_connected(len(nodes))
        wait = self._wait
        if wait is not None and wait.is_due(self._clock()):
            waited_s = self._clock() - wait.since_s
            self._fl.stalled(waited_s, connected=len(nodes), required=self.required)

    def _run(self, grid: Any, ending: Event) -> None:
        while not ending.is_set():
            self.look(grid)
            ending.wait(self._interval_s)


class _Wait:
    """One wait, told after a time, and again whenever it has become twice as long."""

    def __init__(self, since_s: float, first_s: float) -> None:
        self.since_s = since_s
        self._next_s = first_s

    def is_due(self, now_s: float) -> bool:
        if now_s - self.since_s < self._next_s:
            return False
        while self._next_s <= now_s - self.since_s:
            self._next_s = max(self._next_s * 2, 1.0)
        return True
