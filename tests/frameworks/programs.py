"""Programs that start further ones."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

STOP_TIMEOUT_S = 15


def end(process, signal_number):
    """End a program and those that it has started, which live on a while otherwise."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal_number)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_TIMEOUT_S)
