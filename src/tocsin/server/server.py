"""The life of the process: start, run until told to stop, stop in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from tocsin.config.settings import Settings
from tocsin.errors import ConfigError, TocsinError
from tocsin.model import Clock, SystemClock
from tocsin.runtime import announce
from tocsin.server.parts import Parts
from tocsin.server.reload import Reloader
from tocsin.server.report import start_lines
from tocsin.server.stores import open_storage
from tocsin.storage import Storage
from tocsin.storage.file import FILE_NAME
from tocsin.web.app import create_app
from tocsin.web.listener import WebServer, bind, is_loopback, url_of

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Server:
    """Everything that ``tocsin up`` runs, in one event loop.

    ``folder`` holds the samples; ``load`` reads the configuration again when that is asked for by
    ``/-/reload`` or SIGHUP; ``say`` gets the lines that tell a person what is going on; ``external_url`` is
    where people reach it, for links in messages.
    Raises a TocsinError when it cannot start: the address or the folder is in use, a file is wrong.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        host: str,
        port: int,
        *,
        load: Callable[[], Settings] | None = None,
        clock: Clock | None = None,
        say: Callable[[str], None] = print,
        external_url: str | None = None,
    ) -> None:
        self._settings = settings
        self._load = load or (lambda: settings)
        self._folder = folder
        self._address = (host, port)
        self._clock = clock or SystemClock()
        self._say = say
        self._external_url = external_url
        self._reload_asked = asyncio.Event()

    async def run(self) -> None:
        """Run until the process is told to stop by SIGINT or SIGTERM; SIGHUP reloads the configuration."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_asked.set)
        try:
            await self.run_until(stop)
        finally:
            for number in (*_STOP_SIGNALS, signal.SIGHUP):
                loop.remove_signal_handler(number)

    async def run_until(self, stop: asyncio.Event) -> None:
        """Run until the event is set."""
        started_s = time.monotonic()
        listener = bind(*self._address)
        try:
            storage = open_storage(self._settings, self._folder, self._clock)
            try:
                await self._run_parts(storage, listener, stop, started_s)
            finally:
                await storage.close()
        finally:
            listener.close()

    async def _run_parts(
        self, storage: Storage, listener: socket.socket, stop: asyncio.Event, started_s: float
    ) -> None:
        url = url_of(listener)
        shown_url = self._external_url or url
        parts = Parts.build(self._settings, storage, self._clock, shown_url, self._folder)
        reloader = Reloader(self._settings, self._load, parts.apply, self._clock, parts.registry, self._say)
        services = parts.services(reloader)
        app = create_app(services, listens_on_loopback=is_loopback(listener), external_url=shown_url)
        web = WebServer(app, listener)
        await parts.start()
        serving = asyncio.create_task(web.run_until_stopped())
        reloading = _reload_when(self._reload_asked, reloader)
        working = [asyncio.create_task(work) for work in (*parts.work(), reloading)]
        announcement = self._announce(url)
        start_s = time.monotonic() - started_s
        # Asking for a GPU can take seconds, in which pages are served already.
        file = self._folder / FILE_NAME
        for line in await asyncio.to_thread(start_lines, self._settings, parts, file, url, start_s):
            self._say(line)
        try:
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({stopping, serving, *working}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
        finally:
            if announcement is not None:
                announcement.unlink(missing_ok=True)
            web.should_exit = True
            await asyncio.wait({serving})
            await _end(working)
            parts.close()
        self._say("tocsin stopped.")

    def _announce(self, url: str) -> Path | None:
        """Tell the SDK on this machine where to send; without it, TOCSIN_URL still does."""
        try:
            return announce("servers", f"{os.getpid()}.json", {"pid": os.getpid(), "url": url})
        except (ConfigError, OSError) as error:
            self._say(f"warning: training processes will not find this tocsin by themselves: {error}")
            return None


async def _reload_when(asked: asyncio.Event, reloader: Reloader) -> None:
    """Read the configuration again whenever the event is set, until cancelled."""
    while await asked.wait():
        asked.clear()
        # What is wrong with it has been said.
        with contextlib.suppress(TocsinError):
            await reloader.reload()


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for them; a fault that ended one is raised."""
    ended = list(tasks)
    for task in ended:
        task.cancel()
    for outcome in await asyncio.gather(*ended, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
