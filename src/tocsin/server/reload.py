"""Exchanging the configuration of a running server, all of it or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from tocsin.config.settings import Settings
from tocsin.errors import TocsinError
from tocsin.model import Clock

_APPLIED: Final = frozenset(
    {
        "alerting",
        "alertmanager",
        "alerts",
        "disabled_rules",
        "drills",
        "escalations",
        "global_",
        "heartbeat",
        "incidents",
        "maintenance",
        "monitoring",
        "on_call",
        "rule_files",
        "scrape_configs",
    }
)
# The file behind alertmanager_config has been read into alertmanager.
_HAS_NO_EFFECT: Final = frozenset({"alertmanager_config"})


class Reloader:
    """Reads the configuration again and hands it to the parts.

    ``load`` reads it and ``apply`` changes the parts; either raises a TocsinError when something is wrong,
    and everything then goes on as before. ``say`` tells a person what came of it.
    """

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Settings],
        apply: Callable[[Settings], Awaitable[None]],
        clock: Clock,
        registry: CollectorRegistry,
        say: Callable[[str], None],
    ) -> None:
        self.settings = settings
        self.has_succeeded = True
        self.succeeded_ms = clock.now_ms()
        self._load = load
        self._apply = apply
        self._clock = clock
        self._say = say
        self._turn = asyncio.Lock()
        self._outcome = Gauge(
            "tocsin_config_last_reload_successful",
            "Whether the configuration was good when it was last read.",
            registry=registry,
        )
        self._time = Gauge(
            "tocsin_config_last_reload_success_timestamp_seconds",
            "When a good configuration was last read.",
            registry=registry,
        )
        self._note(succeeded=True)

    async def reload(self) -> Sequence[str]:
        """Put the configuration in force as it is now; returns the keys whose change needs a restart.

        Raises a TocsinError in one sentence when it cannot be; the old one then stays in force.
        """
        async with self._turn:
            try:
                settings = await asyncio.to_thread(self._load)
                await self._apply(settings)
            except TocsinError as error:
                self._note(succeeded=False)
                self._say(f"configuration not reloaded, the old one stays in force: {error}")
                raise
            waiting = _changed(self.settings, settings)
            self.settings = settings
            self._note(succeeded=True)
        self._say("configuration reloaded" + (f"; needs a restart: {', '.join(waiting)}" if waiting else ""))
        return waiting

    def _note(self, *, succeeded: bool) -> None:
        self.has_succeeded = succeeded
        self._outcome.set(succeeded)
        if succeeded:
            self.succeeded_ms = self._clock.now_ms()
            self._time.set(self.succeeded_ms / 1000)


def _changed(old: Settings, new: Settings) -> list[str]:
    """The keys that differ and are not applied while the server runs."""
    names = set(Settings.model_fields) - _APPLIED - _HAS_NO_EFFECT
    return sorted(name for name in names if getattr(old, name) != getattr(new, name))
