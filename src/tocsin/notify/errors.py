"""What the answer to a notification says is wrong with it."""

from __future__ import annotations

from tocsin.alerts import DeliveryError


class RefusalError(DeliveryError):
    """A receiver answered, and did not take a notification; ``status`` is that of HTTP."""

    def __init__(
        self, message: str, status: int, *, is_retryable: bool, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, is_retryable=is_retryable, retry_after_s=retry_after_s)
        self.status = status


def failure_reason(error: BaseException | None) -> str:
    """Why a notification was given up, in Alertmanager's words; None stands for no time left.

    >>> failure_reason(RefusalError("no", 404, is_retryable=False)), failure_reason(None)
    ('clientError', 'contextDeadlineExceeded')
    """
    if error is None:
        return "contextDeadlineExceeded"
    if isinstance(error, RefusalError) and error.status // 100 != 3:
        return "serverError" if error.status >= 500 else "clientError"
    return "other"
