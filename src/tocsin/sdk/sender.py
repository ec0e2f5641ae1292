"""The thread that brings rows to the server, four times a second, and keeps what it cannot deliver."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from tocsin.sdk.discovery import Destination
from tocsin.sdk.guard import Guard
from tocsin.sdk.lines import row_lines, state_lines
from tocsin.sdk.names import Names, label_text
from tocsin.sdk.readings import Reading
from tocsin.sdk.recorder import Recorder
from tocsin.sdk.thinning import Row
from tocsin.sdk.transport import Transport

SEND_EVERY_S: Final = 0.25
STATE_EVERY_S: Final = 1.0
BATCH_SAMPLES: Final = 5000
TIMEOUT_S: Final = 2.0
"""How long one request may take while the training runs."""

_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 5.0
_WORTH_RETRYING: Final = frozenset({408, 425, 429})

_NS_PER_MS: Final = 1_000_000


class Sender:
    """Sends what a recorder holds, and about every second the monitor's ``state``.

    ``attend`` is called at each turn, with a server or without; when it says True the state is sent at once.

    What the server acknowledges (2xx) is gone from here; what it refuses for good (other 4xx) is
    dropped and counted; after anything else the rows wait, and the sender pauses longer and longer.
    """

    def __init__(
        self,
        recorder: Recorder,
        destination: Destination | None,
        names: Names,
        labels: Mapping[str, str],
        state: Callable[[int], Iterable[Reading]],
        guard: Guard,
        attend: Callable[[int], bool],
    ) -> None:
        self._recorder = recorder
        self._destination = destination
        self._names = names
        self._labels = labels
        self._state = state
        self._attend = attend
        self._guard = guard
        self._transport = Transport()
        self._closing = threading.Event()
        self._deadline_s = 0.0
        self._pause_s = 0.0
        self._resume_at_s = 0.0
        self._state_at_s = 0.0
        self._in_flight = 0
        self._was_reached = False
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
        if unsent and (self._was_reached or self._is_named()):
            self._guard.tell_once("rest", f"{unsent} steps could not be sent before the end")

    def _run(self) -> None:
        while not self._closing.wait(SEND_EVERY_S):
            with self._guard:
                self._turn()
        with self._guard:
            self._finish()
        self._transport.close()

    def _turn(self) -> None:
        self._recorder.drain(time.time_ns())
        with self._guard.around("attend", "events are not told"):
            if self._attend(time.time_ns()):
                self._state_at_s = 0.0
        if self._destination is None or time.monotonic() < self._resume_at_s:
            return
        url = self._destination.current()
        while url is not None and self._has_news() and not self._closing.is_set():
            if not self._send(url, TIMEOUT_S):
                return

    def _finish(self) -> None:
        self._recorder.drain(time.time_ns(), is_end=True)
        with self._guard.around("attend", "events are not told"):
            self._attend(time.time_ns())
        url = self._destination.current() if self._destination else None
        self._state_at_s = 0.0
        while url is not None and self._has_news():
            remaining_s = self._deadline_s - time.monotonic()
            if remaining_s <= 0 or not self._send(url, remaining_s):
                return

    def _has_news(self) -> bool:
        return self._recorder.waiting > 0 or time.monotonic() >= self._state_at_s

    def _send(self, url: str, timeout_s: float) -> bool:
        rows = self._recorder.take_rows(BATCH_SAMPLES)
        self._in_flight = len(rows)
        is_state_due = time.monotonic() >= self._state_at_s
        is_over = False
        try:
            is_over = self._deliver(url, rows, self._body(rows, with_state=is_state_due), timeout_s)
        finally:
            if not is_over:
                self._recorder.give_back(rows)
            self._in_flight = 0
        if is_over and is_state_due:
            self._state_at_s = time.monotonic() + STATE_EVERY_S
        return is_over

    def _body(self, rows: list[Row], *, with_state: bool) -> bytes:
        lines = row_lines(rows, self._names, label_text(self._labels), self._guard)
        if with_state:
            now_ns = time.time_ns()
            lines += state_lines(self._state(now_ns), self._labels, now_ns // _NS_PER_MS)
        return "".join(lines).encode("utf-8", "replace")

    def _deliver(self, url: str, rows: list[Row], body: bytes, timeout_s: float) -> bool:
        """Say whether the rows need not be kept: they were taken, or will never be."""
        try:
            status, answer = self._transport.post(url, body, timeout_s)
        except (OSError, http.client.HTTPException) as fault:
            self._pause(f"cannot reach {url} ({fault or type(fault).__name__})")
            return False
        if 200 <= status < 300:
            self._pause_s = 0.0
            self._was_reached = True
            return True
        if status >= 500 or status in _WORTH_RETRYING:
            self._pause(f"{url} answers {status}")
            return False
        self._recorder.drop(rows)
        self._guard.tell_once("refused", f"{url} refuses what is sent and it is dropped: {status} {answer}")
        return True

    def _pause(self, reason: str) -> None:
        self._pause_s = min(max(_FIRST_PAUSE_S, 2 * self._pause_s), _LONGEST_PAUSE_S)
        self._resume_at_s = time.monotonic() + self._pause_s
        if self._destination is not None:
            self._destination.failed()
        self._guard.tell_once("unreachable", f"{reason}; steps are kept and sent later")

    def _is_named(self) -> bool:
        return self._destination is not None and self._destination.is_named
