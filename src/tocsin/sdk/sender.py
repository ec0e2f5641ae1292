"""The thread that brings rows to the server, four times a second, and keeps what it cannot deliver."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from tocsin.sdk.discovery import Destination
from tocsin.sdk.guard import Guard
from tocsin.sdk.names import Names
from tocsin.sdk.outbox import Outbox
from tocsin.sdk.outlets.choice import chosen_outlet
from tocsin.sdk.outlets.outlet import Fate, News, Outcome, Outlet
from tocsin.sdk.readings import Reading
from tocsin.sdk.thinning import Row

SEND_EVERY_S: Final = 0.25
STATE_EVERY_S: Final = 1.0
BATCH_SAMPLES: Final = 5000
TIMEOUT_S: Final = 2.0
"""How long one request may take while the training runs."""

_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 5.0

_NS_PER_MS: Final = 1_000_000


class Sender:
    """Sends what a recorder holds, and about every second the monitor's ``state``.

    It goes to the outlet that the environment chooses, which is the server of ``destination`` where it
    chooses none. ``attend`` is called at each turn, with an outlet or without; when it says True the state is
    sent at once.

    What the outlet takes is gone from here; what it refuses for good is dropped and counted; after
    anything else the rows wait, and the sender pauses longer and longer.
    """

    def __init__(
        self,
        recorder: Outbox,
        destination: Destination | None,
        names: Names,
        labels: Mapping[str, str],
        state: Callable[[int], Iterable[Reading]],
        guard: Guard,
        attend: Callable[[int], bool],
    ) -> None:
        self._recorder = recorder
        self._outlet: Outlet | None = None
        with guard.around("outlet", "nothing is sent"):
            self._outlet = chosen_outlet(destination, names, labels, guard)
        self._state = state
        self._attend = attend
        self._guard = guard
        self._closing = threading.Event()
        self._deadline_s = 0.0
        self._pause_s = 0.0
        self._resume_at_s = 0.0
        self._state_at_s = 0.0
        self._in_flight = 0
        self._was_taken = False
        self._thread = threading.Thread(target=self._run, name="tocsin-sender", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def close(self, deadline_s: float) -> None:
        """Send the rest, and return after so many seconds at the latest."""
        self._deadline_s = time.monotonic() + deadline_s
        self._closing.set()
        self._thread.join(deadline_s)
        unsent = self._recorder.waiting + self._in_flight
        if unsent and (self._was_taken or (self._outlet is not None and self._outlet.is_named)):
            self._guard.tell_once("rest", f"{unsent} steps could not be sent before the end")

    @property
    def was_served(self) -> bool:
        """Whether a server has taken something, so that there is a place to look at."""
        return self._was_taken and self._outlet is not None and self._outlet.later is None

    @property
    def later(self) -> str | None:
        """The command by which a server gets what was sent, where it went elsewhere."""
        return self._outlet.later if self._was_taken and self._outlet is not None else None

    def _run(self) -> None:
        while not self._closing.wait(SEND_EVERY_S):
            with self._guard:
                self._turn()
        with self._guard:
            self._finish()
        if self._outlet is not None:
            with self._guard:
                self._outlet.close()

    def _turn(self) -> None:
        self._recorder.drain(time.time_ns())
        with self._guard.around("attend", "events are not told"):
            if self._attend(time.time_ns()):
                self._state_at_s = 0.0
        outlet = self._outlet
        if outlet is None or time.monotonic() < self._resume_at_s or not outlet.is_there():
            return
        while self._has_news() and not self._closing.is_set():
            if not self._send(outlet, TIMEOUT_S):
                return

    def _finish(self) -> None:
        self._recorder.drain(time.time_ns(), is_end=True)
        with self._guard.around("attend", "events are not told"):
            self._attend(time.time_ns())
        outlet = self._outlet
        self._state_at_s = 0.0
        while outlet is not None and outlet.is_there() and self._has_news():
            remaining_s = self._deadline_s - time.monotonic()
            if remaining_s <= 0 or not self._send(outlet, remaining_s):
                return

    def _has_news(self) -> bool:
        return self._recorder.waiting > 0 or time.monotonic() >= self._state_at_s

    def _send(self, outlet: Outlet, timeout_s: float) -> bool:
        rows = self._recorder.take_rows(BATCH_SAMPLES)
        self._in_flight = len(rows)
        is_state_due = time.monotonic() >= self._state_at_s
        is_over = False
        try:
            is_over = self._settle(outlet.deliver(self._news(rows, with_state=is_state_due), timeout_s), rows)
        finally:
            if not is_over:
                self._recorder.give_back(rows)
            self._in_flight = 0
        if is_over and is_state_due:
            self._state_at_s = time.monotonic() + STATE_EVERY_S
        return is_over

    def _news(self, rows: list[Row], *, with_state: bool) -> News:
        now_ns = time.time_ns()
        return News(rows, list(self._state(now_ns)) if with_state else [], now_ns // _NS_PER_MS)

    def _settle(self, outcome: Outcome, rows: list[Row]) -> bool:
        """Say whether the rows need not be kept: they were taken, or will never be."""
        if outcome.fate is Fate.LATER:
            self._pause(outcome)
            return False
        if outcome.fate is Fate.REFUSED:
            self._recorder.drop(rows)
        else:
            self._pause_s = 0.0
            self._was_taken = True
        if outcome.reason:
            self._guard.tell_once(outcome.fate.value, outcome.reason)
        return True

    def _pause(self, outcome: Outcome) -> None:
        self._pause_s = min(max(_FIRST_PAUSE_S, 2 * self._pause_s), _LONGEST_PAUSE_S)
        self._resume_at_s = time.monotonic() + max(self._pause_s, outcome.pause_s)
        if self._outlet is not None:
            self._outlet.failed()
        self._guard.tell_once("unreachable", f"{outcome.reason}; what is measured is kept and sent later")
