"""What can go wrong in telling somebody."""

from __future__ import annotations

from tocsin.errors import TocsinError


class DeliveryError(TocsinError):
    """A channel did not take a notification; ``is_retryable`` says whether it may later."""

    def __init__(self, message: str, *, is_retryable: bool) -> None:
        super().__init__(message)
        self.is_retryable = is_retryable
