"""Text lines, pushed to the import address of a tocsin."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import Final

from tocsin.sdk.discovery import Destination
from tocsin.sdk.guard import Guard
from tocsin.sdk.lines import row_lines, state_lines
from tocsin.sdk.names import Names, label_text
from tocsin.sdk.outlets.outlet import TAKEN, Fate, News, Outcome, refused, unreachable
from tocsin.sdk.transport import Transport

_WORTH_RETRYING: Final = frozenset({408, 425, 429})


class TextPush:
    """Pushes to the server that ``destination`` finds.

    What it acknowledges (2xx) is taken, other 4xx refuse for good, anything else means later.
    """

    later = None

    def __init__(
        self, destination: Destination, names: Names, labels: Mapping[str, str], guard: Guard
    ) -> None:
        self._destination = destination
        self._names = names
        self._labels = labels
        self._text = label_text(labels)
        self._guard = guard
        self._transport = Transport()

    @property
    def is_named(self) -> bool:
        """Whether a URL was given."""
        return self._destination.is_named

    def is_there(self) -> bool:
        """Whether a server is known."""
        return self._destination.current() is not None

    def deliver(self, news: News, timeout_s: float) -> Outcome:
        """Post the lines."""
        url = self._destination.current()
        if url is None:
            return Outcome(Fate.LATER, "there is no server any more")
        try:
            answer = self._transport.post(url, self._body(news), timeout_s)
        except (OSError, http.client.HTTPException) as fault:
            return unreachable(url, fault)
        if 200 <= answer.status < 300:
            return TAKEN
        if answer.status >= 500 or answer.status in _WORTH_RETRYING:
            return Outcome(Fate.LATER, f"{url} answers {answer.status}")
        return refused(url, answer.status, answer.words)

    def failed(self) -> None:
        """Look for another server the next time."""
        self._destination.failed()

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def _body(self, news: News) -> bytes:
        lines = row_lines(news.rows, self._names, self._text, self._guard)
        lines += state_lines(news.state, self._labels, news.time_ms)
        return "".join(lines).encode("utf-8", "replace")
