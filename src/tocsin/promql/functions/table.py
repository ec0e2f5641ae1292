"""The one table of functions; the checker, the documentation and completion read it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tocsin.promql.functions import (
    absence,
    counters,
    histogram,
    labels,
    math,
    over_time,
    regression,
    time,
)
from tocsin.promql.functions.base import Function

FAMILIES: Final = (counters, over_time, regression, absence, math, time, labels, histogram)

TABLE: Final[Mapping[str, Function]] = MappingProxyType(
    {function.name: function for family in FAMILIES for function in family.FUNCTIONS}
)
