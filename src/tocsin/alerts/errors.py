"""What can go wrong in telling somebody."""

from __future__ import annotations

from tocsin.errors import TocsinError


class DeliveryError(TocsinError):
    """A channel did not take a notification; ``is_retryable`` says whether it may later.

    ``retry_after_s`` is how long it wants to be left alone, if it said so.
    """

    def __init__(self, message: str, *, is_retryable: bool, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.is_retryable = is_retryable
        self.retry_after_s = retry_after_s
