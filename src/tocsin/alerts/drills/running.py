"""A drill while it runs, from the series to the acknowledgement and its end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tocsin.alerts.dispatcher import named
from tocsin.alerts.drills.drill import Drill, Outcome, Result, Stage, StageKind
from tocsin.alerts.drills.path import DeliveryPath, shown_names
from tocsin.alerts.drills.routing import GROUP_INTERVAL_MS
from tocsin.alerts.errors import DeliveryError
from tocsin.alerts.incidents import IncidentBook
from tocsin.alerts.marks import DRILL_ALERT
from tocsin.alerts.notification import Notification
from tocsin.alerts.route import Route
from tocsin.errors import StorageError
from tocsin.model import STALE_NAN, Clock, Labels, SampleBatch, format_duration_ms
from tocsin.model.alert import Alert
from tocsin.storage.interface import Appendable

_TICK_S: Final = 0.1
_REWRITE_MS: Final = 15_000
"""The series is written again so often: queries look back only so far for the last sample."""

_CLOSING_MS: Final = 2 * GROUP_INTERVAL_MS
"""How long the end may take to be told before nobody waits for it any more."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DrillSurroundings:
    """What drills need of the rest; ``path`` gives None while the configuration is exchanged."""

    storage: Appendable
    clock: Clock
    book: IncidentBook
    path: Callable[[], DeliveryPath | None]


class RunningDrill:
    """Takes one drill from stage to stage, and notes each as it happens."""

    def __init__(self, drill: Drill, around: DrillSurroundings) -> None:
        self.drill = drill
        self._around = around
        self._series = drill.request.series(drill.id)
        self._fired: list[Labels] = []
        self._routed: set[Labels] = set()
        self._acknowledged: set[Labels] = set()
        self._written_ms = 0

    # What happens to it.

    def fired(self, alert: Alert) -> None:
        """The rule has raised an alert of this drill."""
        if alert.labels not in self._fired:
            self._fired.append(alert.labels)
            self._note(StageKind.FIRED)
            self.route()

    def route(self) -> None:
        """Note where its alerts go from here; before a channel answers."""
        path = self._around.path()
        for labels in self._fired:
            if path is not None and labels not in self._routed:
                self._routed.add(labels)
                self._route(path, labels)

    def told(self, notification: Notification, channel: str, error: DeliveryError | None) -> None:
        """A channel took the message, or did not."""
        outcome = self._outcome(notification.receiver, channel)
        if outcome is None:
            return
        if notification.status == "resolved":
            self._told_end(outcome, error)
        elif outcome.accepted_ms is None:
            self._told_alert(outcome, error)

    def _told_alert(self, outcome: Outcome, error: DeliveryError | None) -> None:
        if error is None:
            outcome.accepted_ms, outcome.failure, outcome.is_refused = self._now_ms(), "", False
            self._note(StageKind.ACCEPTED, outcome.receiver, outcome.integration)
            return
        outcome.is_refused = not error.is_retryable
        if outcome.failure != str(error):
            again = "; it is tried again" if error.is_retryable else ""
            self._note(StageKind.REFUSED, outcome.receiver, outcome.integration, f"{error}{again}")
        outcome.failure = str(error)

    def _told_end(self, outcome: Outcome, error: DeliveryError | None) -> None:
        if error is None and outcome.resolved_ms is None:
            outcome.resolved_ms = self._now_ms()
            self._note(StageKind.RESOLVED, outcome.receiver, outcome.integration)

    # How it goes on.

    async def run(self) -> None:
        """Go through all stages until the result is known."""
        try:
            await self._perform()
        except StorageError as error:
            self.drill.reasons.append(f"the series could not be written: {error}")
        drill = self.drill
        muted_or_well = Result.MUTED if drill.muted else Result.SUCCEEDED
        drill.decide(Result.FAILED if drill.reasons else muted_or_well, self._now_ms())

    async def close(self) -> None:
        """Let the alert end, and wait until those who were told know of it."""
        try:
            await self._write(STALE_NAN)
        except StorageError as error:
            _log.warning("drill %s: the end of its series is not written: %s", self.drill.id, error)
        told = [each for each in self.drill.outcomes if each.accepted_ms is not None and each.tells_end]
        await self._until(
            lambda: all(each.resolved_ms is not None for each in told), self._now_ms() + _CLOSING_MS
        )
        self.drill.ended_ms = self._now_ms()

    async def _perform(self) -> None:
        drill = self.drill
        deadline_ms = drill.started_ms + drill.request.timeout_ms
        await self._write(1.0)
        self._note(StageKind.WRITTEN)
        if not await self._until(lambda: len(self._routed) == len(self._series), deadline_ms, alive=True):
            drill.reasons.append(self._why_not_routed())
            return
        await self._until(lambda: all(each.is_settled for each in drill.outcomes), deadline_ms, alive=True)
        for outcome in drill.outcomes:
            if outcome.accepted_ms is None:
                self._give_up(outcome)
        if drill.request.wait_acknowledge_ms and not drill.all_reasons:
            await self._wait_for_acknowledgement(drill.request.wait_acknowledge_ms)

    def _give_up(self, outcome: Outcome) -> None:
        """Note why a channel did not accept; what mutes may have come while a route waited."""
        if muted := self._muted_since(outcome.receiver):
            self.drill.muted.append(f"{outcome.receiver}: {muted}")
        else:
            self.drill.reasons.append(f"{outcome.receiver}, {outcome.integration}: {self._why_not(outcome)}")

    def _muted_since(self, receiver: str) -> str:
        path = self._around.path()
        reasons = (
            path.why_muted(route, labels, self._now_ms())
            for labels in self._fired
            if path is not None
            for route in path.root.match(labels)
            if route.receiver == receiver
        )
        return next(filter(None, reasons), "")

    async def _wait_for_acknowledgement(self, wait_ms: int) -> None:
        def everywhere() -> bool:
            return len(self._acknowledged) == len(self._fired)

        if not await self._until(everywhere, self._now_ms() + wait_ms, alive=True):
            self.drill.reasons.append(f"nobody acknowledged within {format_duration_ms(wait_ms)}")

    async def _until(self, is_done: Callable[[], bool], deadline_ms: int, *, alive: bool = False) -> bool:
        """Look again and again, with ``alive`` keeping the series; says whether it was done in time."""
        while True:
            self._look_for_acknowledgements()
            if is_done():
                return True
            now_ms = self._now_ms()
            if now_ms >= deadline_ms:
                return False
            if alive and now_ms - self._written_ms >= _REWRITE_MS:
                await self._write(1.0)
            await self._around.clock.sleep(_TICK_S)

    def _route(self, path: DeliveryPath, labels: Labels) -> None:
        """Note who is to be told of an alert, or why nobody is."""
        for route in path.root.match(labels):
            channels = dict(named(path.channels.get(route.receiver, ())))
            self._note(StageKind.ROUTED, route.receiver, text=_waits(route))
            if why := path.why_muted(route, labels, self._now_ms()):
                self._note(StageKind.MUTED, route.receiver, text=why)
                self.drill.muted.append(f"{route.receiver}: {why}")
            elif not channels:
                self.drill.reasons.append(_without_channel(path, route))
            else:
                self._expect(route.receiver, {name: each.send_resolved for name, each in channels.items()})

    def _expect(self, receiver: str, channels: dict[str, bool]) -> None:
        shown = shown_names(list(channels))
        self.drill.outcomes += [
            Outcome(receiver, name, shown[name], tells_end)
            for name, tells_end in channels.items()
            if self._outcome(receiver, name) is None
        ]

    def _look_for_acknowledgements(self) -> None:
        for labels in self._fired:
            incident = self._around.book.of_alert(labels)
            acknowledged = incident.acknowledgement if incident is not None else None
            if acknowledged is not None and labels not in self._acknowledged:
                self._acknowledged.add(labels)
                stage = Stage(StageKind.ACKNOWLEDGED, acknowledged.at_ms, who=acknowledged.by)
                self.drill.stages.append(stage)

    # Words.

    def _why_not_routed(self) -> str:
        if self._fired:
            return "the alert was not routed in time, since the configuration was being exchanged"
        within = format_duration_ms(self.drill.request.timeout_ms)
        return (
            f"the rule {DRILL_ALERT} did not fire within {within} "
            "(do the rules run, and is it among disabled_rules?)"
        )

    def _why_not(self, outcome: Outcome) -> str:
        if outcome.failure:
            return outcome.failure
        routed = (
            each.text
            for each in self.drill.stages
            if each.kind is StageKind.ROUTED and each.receiver == outcome.receiver
        )
        waits = next(filter(None, routed), "")
        hint = f" ({waits})" if waits else ""
        return f"not told within {format_duration_ms(self.drill.request.timeout_ms)}{hint}"

    # Small things.

    def _outcome(self, receiver: str, channel: str) -> Outcome | None:
        found = (each for each in self.drill.outcomes if (each.receiver, each.channel) == (receiver, channel))
        return next(found, None)

    async def _write(self, value: float) -> None:
        """Write all series; raises StorageError."""
        self._written_ms = self._now_ms()
        await self._around.storage.append(
            SampleBatch.at(self._written_ms, dict.fromkeys(self._series, value))
        )

    def _note(self, kind: StageKind, receiver: str = "", integration: str = "", text: str = "") -> None:
        self.drill.stages.append(Stage(kind, self._now_ms(), receiver, integration, text=text))

    def _now_ms(self) -> int:
        return self._around.clock.now_ms()


def _without_channel(path: DeliveryPath, route: Route) -> str:
    if not any(path.channels.values()):
        return "no receiver has a channel, so alerts are shown on the page and nobody is told"
    return f'the receiver "{route.receiver}" has no channel, so nobody is told'


def _waits(route: Route) -> str:
    """How long a route keeps a new group waiting, if it does."""
    if not route.group_wait_ms:
        return ""
    return f"its route waits {format_duration_ms(route.group_wait_ms)} for company (group_wait)"
