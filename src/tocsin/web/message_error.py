"""What Alertmanager's API answers to a message that is not as its description has it.

Such an answer is an object with a code and a message, where all others are a JSON string.

Source: github.com/go-openapi/errors, which checks messages before Alertmanager sees them.
"""

from __future__ import annotations

from typing import Final

from tocsin.errors import ParseError

_MALFORMED: Final = 400
_NOT_VALID: Final = 422
WRONG_TYPE: Final = 601
MISSING: Final = 602
TOO_FEW_ITEMS: Final = 612


class MessageError(ParseError):
    """A message is not as Alertmanager's API describes it: ``status`` is HTTP's, ``code`` go-openapi's.

    >>> str(required("comment"))
    'comment in body is required'
    """

    def __init__(self, message: str, *, status: int, code: int) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def within(self, place: str) -> MessageError:
        """The same of a part of the message."""
        return MessageError(f"{place}: {self}", status=self.status, code=self.code)


def malformed(message: str) -> MessageError:
    """It cannot be read at all, or a value is of another type."""
    return MessageError(message, status=_MALFORMED, code=_MALFORMED)


def required(name: str) -> MessageError:
    """Something is missing."""
    return invalid(f"{name} in body is required", code=MISSING)


def invalid(message: str, *, code: int) -> MessageError:
    """It can be read, and is not valid."""
    return MessageError(message, status=_NOT_VALID, code=code)
