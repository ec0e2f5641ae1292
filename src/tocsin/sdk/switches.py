"""The switches of federated learning in the environment (``FL_…``)."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from tocsin.sdk.guard import Guard

DEFAULT_PORT: Final = 9101
_FORBIDDEN_PORTS: Final = range(9091, 9094)
"""Those of the Pushgateway, of Alertmanager and its neighbour."""

_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_YES: Final = "YES"
_NO: Final = "NO"


@dataclass(frozen=True, slots=True)
class Switches:
    """What the environment says; a value that is not allowed is told once, and the default counts."""

    log_format: str = "text"
    log_level: int = logging.INFO
    metrics_enabled: bool = True
    metrics_port: int = DEFAULT_PORT
    gpu_enabled: bool = False
    dcgm_enabled: bool = False

    @classmethod
    def read(cls, guard: Guard, environ: Mapping[str, str] = os.environ) -> Self:
        """Read them all.

        >>> Switches.read(Guard("federated"), {"FL_METRICS_PORT": "9200"}).metrics_port
        9200
        """
        reader = _Reader(guard, environ)
        gpu_enabled = reader.flag("FL_GPU_ENABLED", default=False)
        dcgm_enabled = reader.flag("FL_DCGM_ENABLED", default=False)
        if dcgm_enabled and not gpu_enabled:
            guard.tell_once("FL_DCGM_ENABLED", "FL_DCGM_ENABLED needs FL_GPU_ENABLED=YES and is left out")
            dcgm_enabled = False
        return cls(
            log_format=reader.choice("FL_LOG_FORMAT", ("text", "json")),
            log_level=logging.getLevelName(reader.choice("FL_LOG_LEVEL", _LEVELS, default="INFO")),
            metrics_enabled=reader.flag("FL_METRICS_ENABLED", default=True),
            metrics_port=reader.port("FL_METRICS_PORT"),
            gpu_enabled=gpu_enabled,
            dcgm_enabled=dcgm_enabled,
        )


@dataclass(frozen=True, slots=True)
class _Reader:
    guard: Guard
    environ: Mapping[str, str]

    def choice(self, name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        fallback = default or allowed[0]
        text = self.environ.get(name, "").strip()
        found = next((each for each in allowed if each.lower() == text.lower()), None)
        if found is None and text:
            self._tell(name, text, ", ".join(allowed), fallback)
        return found or fallback

    def flag(self, name: str, *, default: bool) -> bool:
        return self.choice(name, (_YES, _NO), _YES if default else _NO) == _YES

    def port(self, name: str) -> int:
        text = self.environ.get(name, "").strip()
        if not text:
            return DEFAULT_PORT
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
        if not 1024 <= number <= 65535 or number in _FORBIDDEN_PORTS:
            self._tell(name, text, "1024 to 65535, not 9091 to 9093", str(DEFAULT_PORT))
            return DEFAULT_PORT
        return number

    def _tell(self, name: str, text: str, allowed: str, fallback: str) -> None:
        self.guard.tell_once(name, f'{name} is "{text[:40]}" (allowed: {allowed}); {fallback} counts')
