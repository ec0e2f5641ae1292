"""Collectors that users write, named as ``module:Class`` in the configuration."""

from __future__ import annotations

import asyncio
import importlib
import re
import sys
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, SupportsFloat

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tocsin.errors import ConfigError, ParseError
from tocsin.sdk.collector import MetricsCollector

ANSWER_TIMEOUT_S: Final = 10.0
"""After this time an unfinished ``collect`` is cancelled, so that the next one gets its chance."""

_METRIC_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)


class CustomCollector:
    """A user's collector in an event loop of its own.

    Its values become gauges, or counters where the name ends in ``_total``. Raises ParseError when
    the user's collector gives something else than numbers by metric name, and TimeoutError when it
    takes longer than :data:`ANSWER_TIMEOUT_S`.
    """

    def __init__(self, name: str, collector: MetricsCollector) -> None:
        self.name = name
        self._collector = collector
        # One loop for all rounds, because clients and connections that the user keeps belong to it.
        self._loop = asyncio.new_event_loop()
        weakref.finalize(self, self._loop.close).atexit = False

    def collect(self) -> Iterable[Metric]:
        """One family for each value."""
        values = self._loop.run_until_complete(self._answer())
        if not isinstance(values, Mapping):
            raise ParseError(
                f"the collector {self.name} returned {values!r}; allowed is a dict of numbers by metric name"
            )
        return [self._family(name, value) for name, value in values.items()]

    async def _answer(self) -> object:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S) as limit:
                return await self._collector.collect()
        except TimeoutError as error:
            if limit.expired():
                raise TimeoutError(f"no answer within {ANSWER_TIMEOUT_S:g} s") from error
            raise

    def _family(self, name: object, value: object) -> Metric:
        if not isinstance(name, str) or not _METRIC_NAME.fullmatch(name):
            raise ParseError(
                f"the collector {self.name} returned a value for {name!r}, which is no metric name "
                "(letters, digits, _ and : are allowed, and no digit at the start)"
            )
        if not isinstance(value, SupportsFloat):
            raise ParseError(f"the collector {self.name} returned {value!r} for {name}; allowed is a number")
        family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        return family(name, f"Given by {self.name}.", value=float(value))


def load_custom_collector(spec: str, folder: Path) -> CustomCollector:
    """Make the collector that a configuration names as ``module:Class``.

    The module is searched where Python searches, and then in ``folder``. The class must derive
    from :class:`tocsin.MetricsCollector` and need no arguments. Raises ConfigError otherwise.
    """
    module_name, colon, class_name = spec.partition(":")
    if not (module_name and colon and class_name):
        raise ConfigError(f'"{spec}" names no collector; allowed is module:Class')
    kind = getattr(_import(spec, module_name, folder), class_name, None)
    if not (isinstance(kind, type) and issubclass(kind, MetricsCollector)):
        raise ConfigError(f'the collector "{spec}" is not a subclass of tocsin.MetricsCollector')
    try:
        return CustomCollector(spec, kind())
    except Exception as error:
        raise ConfigError(f'the collector "{spec}" could not be made: {_reason(error)}') from error


def _import(spec: str, module_name: str, folder: Path) -> object:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    try:
        return importlib.import_module(module_name)
    except Exception as error:
        raise ConfigError(f'the collector "{spec}" could not be imported: {_reason(error)}') from error


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".replace("\n", " ")
