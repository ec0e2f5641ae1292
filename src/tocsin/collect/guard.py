"""The named guard: a failure of one source costs its own metrics and nothing else."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tocsin.errors import TocsinError

T = TypeVar("T")


def guarded(work: Callable[[], T]) -> tuple[T | None, str]:
    """What the work gives, and an empty text; or None, and one sentence on what went wrong."""
    try:
        return work(), ""
    except (Exception, SystemExit) as error:  # noqa: BLE001 - drivers, kernels and user code fail in any way
        return None, _sentence(error)


def _sentence(error: BaseException) -> str:
    if isinstance(error, TocsinError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}: {error}".replace("\n", " ")
