"""How long pushed groups are shown, and how many there may be: the section ``push``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tocsin.config.model import ConfigModel, PositiveDurationMs


class PushConfig(ConfigModel):
    """What holds for the Pushgateway's URLs.

    A group is shown for ``ttl`` after its last push, unless that push says how long, and is sampled at
    ``interval``. There may be ``max_groups`` groups of ``max_series`` series each.
    """

    ttl: PositiveDurationMs = 3_600_000
    interval: PositiveDurationMs = 15_000
    max_groups: Annotated[int, Field(gt=0)] = 1000
    max_series: Annotated[int, Field(gt=0)] = 10_000
