"""Programs in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

INTERRUPTIBLE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
"""Whatever runs the tests may ignore Ctrl-C, as nohup does, and its children would too."""


def script(text, *arguments, **environment):
    """Start a program; its output and its errors can be read."""
    program = INTERRUPTIBLE + textwrap.dedent(text)
    return subprocess.Popen(
        [sys.executable, "-W", "error::ResourceWarning", "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TOCSIN_SUMMARY": "0", **environment},
    )


def finished(process, timeout_s=20):
    """The status of a program that ends within a time, its output and its errors."""
    try:
        out, err = process.communicate(timeout=timeout_s)
    finally:
        process.kill()
    return process.returncode, out, err
