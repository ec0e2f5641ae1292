"""What can go wrong in a rule."""

from __future__ import annotations

from tocsin.errors import TocsinError


class TemplateError(TocsinError):
    """A template of a label or annotation cannot be read or expanded."""


class RuleError(TocsinError):
    """A rule cannot be evaluated."""
