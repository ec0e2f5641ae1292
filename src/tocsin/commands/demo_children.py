"""The two processes of the demo: started, watched and ended by their own handles."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tocsin.errors import UsageError

_STOP_WITHIN_S: Final = 10.0
_LAST_LINES: Final = 5


class Child:
    """A process of the demo; what it prints goes to a file in the demo's folder."""

    def __init__(self, name: str, command: Sequence[str], folder: Path) -> None:
        self.name = name
        self._output = folder / f"{name}.log"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and files
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(folder),
                # Ctrl-C is for the demo, which then ends its children in their order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def check_runs(self) -> None:
        """Raise UsageError with the last lines it printed when the process has ended."""
        if self._process.poll() is not None:
            status = self._process.returncode
            raise UsageError(
                f"the {self.name} of the demo ended by itself with status {status}: {self._tail()}"
            )

    def end(self) -> None:
        """Ask it to end; make it end when it does not."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _tail(self) -> str:
        lines = self._output.read_text(encoding="utf-8", errors="replace").splitlines()
        return " / ".join(lines[-_LAST_LINES:]) or "it printed nothing"


@contextmanager
def running(name: str, command: Sequence[str], folder: Path) -> Iterator[Child]:
    """A child process for the time of the block."""
    child = Child(name, command, folder)
    try:
        yield child
    finally:
        child.end()


def runtime_folder(folder: Path) -> Path:
    """Where the processes of the demo find each other, apart from any other tocsin of this user."""
    return folder / "runtime"


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "TOCSIN_URL"}
    return {**kept, "TOCSIN_RUNTIME_DIR": str(runtime_folder(folder)), "PYTHONUNBUFFERED": "1"}
