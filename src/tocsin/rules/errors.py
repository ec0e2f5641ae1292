"""What can go wrong in a rule."""

from __future__ import annotations

from tocsin.errors import TocsinError
from tocsin.gotemplate import TemplateError

__all__ = ["RuleError", "TemplateError"]


class RuleError(TocsinError):
    """A rule cannot be evaluated."""
