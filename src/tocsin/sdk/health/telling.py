"""Verdicts as events in the log."""

from __future__ import annotations

import logging
from typing import Final

from tocsin.sdk.events import log_event
from tocsin.sdk.health.verdicts import Verdict

logger: Final = logging.getLogger("tocsin.training")


def tell(run: str, verdict: Verdict) -> None:
    """Write ``training_health_bad`` as a warning, or ``training_health_good``, to ``tocsin.training``."""
    log_event(
        logger,
        "training_health_bad" if verdict.is_bad else "training_health_good",
        run=run,
        check=verdict.check,
        step=verdict.step,
        value_name=verdict.value_name,
        value=verdict.finding.value,
        limit=verdict.finding.limit,
        text=f"{verdict.value_name} {verdict.finding.text}",
    )
