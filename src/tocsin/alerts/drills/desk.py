"""The desk at which drills are asked for, followed and looked up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from tocsin.alerts.database import Database
from tocsin.alerts.drills.drill import RESERVED, Drill, DrillRequest, Result
from tocsin.alerts.drills.history import DrillHistory
from tocsin.alerts.drills.metrics import DrillMetrics
from tocsin.alerts.drills.path import DeliveryPath
from tocsin.alerts.drills.running import DrillSurroundings, RunningDrill
from tocsin.alerts.errors import DeliveryError
from tocsin.alerts.incidents import IncidentBook
from tocsin.alerts.marks import DRILL, is_drill
from tocsin.alerts.notification import Notification
from tocsin.errors import StorageError, UsageError
from tocsin.model import STALE_NAN, Clock, SampleBatch
from tocsin.model.alert import Alert
from tocsin.storage.interface import Appendable

_REPLAYED: Final = 1000
"""Drills of before from which the metrics begin after a restart."""

_log = logging.getLogger(__name__)


class DrillDesk:
    """Starts drills and keeps what became of them; all on one event loop.

    ::

        desk = DrillDesk(storage, clock, book, database, DrillMetrics(registry))
        drill = desk.start(DrillRequest(receivers=("pager",)))
        desk.get(drill.id).result
    """

    def __init__(
        self,
        storage: Appendable,
        clock: Clock,
        book: IncidentBook,
        database: Database,
        metrics: DrillMetrics | None = None,
    ) -> None:
        self._around = DrillSurroundings(storage, clock, book, lambda: self._path)
        self._clock = clock
        self._metrics = metrics or DrillMetrics()
        self.history = DrillHistory(database)
        self._path: DeliveryPath | None = None
        self._running: dict[str, RunningDrill] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ours: set[str] = set()
        for drill in reversed(self.history.newest(_REPLAYED)):
            self._ours.add(drill.id)
            self._metrics.note(drill)

    # Asking for one.

    def start(self, request: DrillRequest) -> Drill:
        """Begin a drill.

        Raises UsageError when a receiver is unknown, a label is not its to choose, the configuration is
        being exchanged, or such a drill is running already.
        """
        self._check(request)
        drill = Drill.of(request, self._clock.now_ms())
        self._ours.add(drill.id)
        running = self._running[drill.id] = RunningDrill(drill, self._around)
        self.history.keep(drill, drill.started_ms)
        task = asyncio.create_task(self._run(running), name=f"drill:{drill.id}")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return drill

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.result()  # Only an error of our own ends it; it must not pass unseen.

    def _check(self, request: DrillRequest) -> None:
        if self._path is None:
            raise UsageError("the configuration is being exchanged; ask for the drill again")
        known = self._path.channels
        for name in request.receivers:
            if name not in known:
                raise UsageError(f'there is no receiver "{name}" (configured: {", ".join(known) or "none"})')
        for name in request.labels:
            if name in RESERVED or name.startswith("__"):
                raise UsageError(f'a drill cannot have the label "{name}": its value is not yours to choose')
        for other in (running.drill for running in self._running.values()):
            if other.result is None and set(other.request.targets) & set(request.targets):
                raise UsageError(f"the drill {other.id} to the same receiver still runs; wait for its result")

    # Looking.

    def get(self, drill_id: str) -> Drill | None:
        """One drill, running or over; None when there is none of that id."""
        running = self._running.get(drill_id)
        return running.drill if running is not None else self.history.get(drill_id)

    def newest(self, limit: int) -> Sequence[Drill]:
        """The last drills, running ones included, the newest first."""
        return [self.get(each.id) or each for each in self.history.newest(limit)]

    # What the rest of alerting reports.

    def open(self, path: DeliveryPath) -> None:
        """Go by these routes and channels from now on; to be called before any alert takes them."""
        self._path = path
        self._metrics.keep(path.channels)
        for running in self._running.values():
            running.route()

    def shut(self) -> None:
        """Wait for the next routes."""
        self._path = None

    def ours(self, alerts: Sequence[Alert]) -> Sequence[Alert]:
        """Alerts without those of drills of another tocsin, whose series were forwarded to this one."""
        return [alert for alert in alerts if not is_drill(alert.labels) or alert.labels[DRILL] in self._ours]

    def fired(self, alerts: Sequence[Alert]) -> None:
        """Rules have raised alerts, of drills or not."""
        for alert in alerts:
            if is_drill(alert.labels) and not alert.is_resolved(self._clock.now_ms()):
                running = self._running.get(alert.labels[DRILL])
                if running is not None:
                    running.fired(alert)

    def told(self, notification: Notification, channel: str, error: DeliveryError | None) -> None:
        """A channel took the message of a drill, or did not."""
        for drill_id in {alert.labels[DRILL] for alert in notification.alerts if is_drill(alert.labels)}:
            if (running := self._running.get(drill_id)) is not None:
                running.told(notification, channel, error)

    # Running.

    async def run(self) -> None:
        """Finish what a restart interrupted; then, when cancelled, leave what runs to the next start."""
        await self._recover()
        try:
            await asyncio.Event().wait()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _recover(self) -> None:
        """End the drills that were running when tocsin ended."""
        now_ms = self._clock.now_ms()
        for drill in self.history.newest(_REPLAYED):
            if drill.ended_ms is None and drill.id not in self._running:
                await self._end_series(drill, now_ms)
                if drill.result is None:
                    drill.reasons.append("tocsin was stopped while it ran")
                    drill.decide(Result.INTERRUPTED, now_ms)
                drill.ended_ms = now_ms
                self.history.keep(drill, now_ms)

    async def _end_series(self, drill: Drill, now_ms: int) -> None:
        series = dict.fromkeys(drill.request.series(drill.id), STALE_NAN)
        try:
            await self._around.storage.append(SampleBatch.at(now_ms, series))
        except StorageError:
            return  # Nothing is lost: queries look back for the last sample for some minutes only.

    async def _run(self, running: RunningDrill) -> None:
        drill = running.drill
        try:
            await running.run()
            self._metrics.count(drill)
            self._log(drill)
            self.history.keep(drill, self._clock.now_ms())
            await running.close()
            self.history.keep(drill, self._clock.now_ms())
        finally:
            del self._running[drill.id]

    def _log(self, drill: Drill) -> None:
        if drill.all_reasons:
            to = ", ".join(drill.request.receivers) or "its route"
            _log.warning("drill %s to %s %s: %s", drill.id, to, drill.result, "; ".join(drill.all_reasons))
