"""Warnings and infos: what a query says beside its result."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Annotations:
    """Messages in the order they came up, each once."""

    warnings: dict[str, None] = field(default_factory=dict)
    infos: dict[str, None] = field(default_factory=dict)

    def warn(self, message: str) -> None:
        """Say that the result may be wrong."""
        self.warnings[f"PromQL warning: {message}"] = None

    def info(self, message: str) -> None:
        """Say that the query may not mean what its author thinks."""
        self.infos[f"PromQL info: {message}"] = None
