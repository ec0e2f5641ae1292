"""What can go wrong in a template."""

from __future__ import annotations

from tocsin.errors import TocsinError


class TemplateError(TocsinError):
    """A template cannot be read or expanded.

    ``place`` says where, such as ``line 3 of "team.title"``, once that is known.
    """

    def __init__(self, message: str, *, place: str = "") -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.message = message
        self.place = place
