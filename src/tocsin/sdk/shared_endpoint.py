"""One ``/metrics`` for all processes that ask for the same port."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from tocsin.runtime import private_folder
from tocsin.sdk.endpoint import Endpoint, registry_of
from tocsin.sdk.guard import Guard
from tocsin.sdk.members.folder import MemberFolder, summed, sweep
from tocsin.sdk.members.member import Member
from tocsin.sdk.readings import Reading

WRITE_EVERY_S: Final = 1.0
_PATIENCE_S: Final = 5.0
"""How long a process waits for others that begin at the same time."""

_PATIENCE_AT_END_S: Final = 0.5

_UNSEEN: Final = "/metrics lacks what other processes, or this one, know"

_numbers = itertools.count()


class SharedEndpoint:
    """Serves the series of ``read`` at a port of this machine, together with those of other processes.

    The process that gets the port serves what all of them leave in the runtime folder, once a second; when it
    ends, another takes the port over. Counters and histograms are added up over all processes, also those
    that have ended. Other series of a process have a label ``worker``, a small number, where a process with
    the same labels came before it.

    ``port`` 0 takes any free one, which is shared with nobody. Raises OSError when something else has the
    port, ConfigError or OSError when the runtime folder cannot be used; nothing is left open then.
    """

    def __init__(
        self,
        port: int,
        labels: Mapping[str, str],
        read: Callable[[], Iterable[Reading]],
        job: str,
        guard: Guard,
    ) -> None:
        self._read = read
        self._job = job
        self._guard = guard
        self._registry = registry_of({}, self._union, job)
        self._closing = threading.Event()
        self._writing = threading.Lock()
        self._folder: MemberFolder | None = None
        self._member: Member | None = None
        self._endpoint = self._bound(0) if port == 0 else None
        self.port = port if self._endpoint is None else self._endpoint.port
        try:
            folders = private_folder("members")
            sweep(folders)
            self._folder = MemberFolder(folders / str(self.port))
            with self._folder.locked(_PATIENCE_S):
                self._serve_or_find(self._folder)
                self._member = self._folder.join(labels, read(), next(_numbers))
        except BaseException:
            self._stop_serving()
            raise
        self._thread = threading.Thread(
            target=self._run, args=(self._folder,), name="tocsin-metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Leave the last values to the others, and stop; waits for them half a second at the most."""
        self._closing.set()
        self._thread.join(_PATIENCE_AT_END_S)
        self._stop_serving()
        with self._guard.around("members", _UNSEEN):
            self._leave()

    def abandon(self) -> None:
        """Let go of the socket in a forked child; the parent goes on."""
        if self._endpoint is not None:
            self._endpoint.abandon()

    def _run(self, folder: MemberFolder) -> None:
        while not self._closing.wait(WRITE_EVERY_S):
            with self._guard.around("members", _UNSEEN):
                self._write(folder)
                self._keep_served(folder)

    def _write(self, folder: MemberFolder) -> None:
        with self._writing:
            if self._member is not None:
                self._member = replace(self._member, readings=tuple(self._read()))
                folder.write(self._member)

    def _keep_served(self, folder: MemberFolder) -> None:
        if self._endpoint is None and folder.has_holder():
            return
        with folder.locked(_PATIENCE_S):
            if self._closing.is_set():
                return
            if self._endpoint is None:
                self._serve_or_find(folder)
            else:
                folder.tidy()

    def _serve_or_find(self, folder: MemberFolder) -> None:
        """Get the port, or find that another process like this one has it; else raises OSError."""
        if self._endpoint is None and not folder.has_holder():
            self._endpoint = self._bound(self.port)
        if self._endpoint is not None:
            folder.hold()

    def _leave(self) -> None:
        with self._writing:
            folder, member, self._member = self._folder, self._member, None
        if folder is None or member is None:
            return
        member = replace(member, readings=tuple(self._read()))
        # For whoever adds it up, should the folder be busy for too long.
        folder.write(member)
        with folder.locked(_PATIENCE_AT_END_S):
            folder.leave(member)

    def _stop_serving(self) -> None:
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            endpoint.close()
            if self._folder is not None:
                # Only now, because another process takes the port as soon as nobody holds it.
                self._folder.release()

    def _bound(self, port: int) -> Endpoint:
        return Endpoint(port, self._registry, self._job)

    def _union(self) -> list[Reading]:
        """What all processes know: this one now, others a second ago at the most."""
        folder, own = self._folder, self._member
        if folder is None or own is None:
            return []
        known = folder.known()
        own = replace(own, readings=tuple(self._read()))
        alive = [own, *(member for member in known.alive if member.name != own.name)]
        counters = (member.counters() for member in (*alive, *known.ended))
        gauges = itertools.chain.from_iterable(member.gauges() for member in alive)
        return [*summed(itertools.chain(known.totals, *counters)), *gauges]
