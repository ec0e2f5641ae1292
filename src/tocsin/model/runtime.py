"""Where processes of one user on one machine find each other.

``tocsin up`` leaves ``servers/<pid>.json`` (``{"pid": …, "url": "http://…"}``) there, and a process
that serves metrics through the SDK leaves ``targets/<pid>-<port>.json`` in Prometheus' file
discovery format. A file whose process is gone counts as absent.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def runtime_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder, which need not exist: ``$TOCSIN_RUNTIME_DIR``, else one private to the user."""
    if explicit := environ.get("TOCSIN_RUNTIME_DIR"):
        return Path(explicit)
    if session := environ.get("XDG_RUNTIME_DIR"):
        return Path(session) / "tocsin"
    return Path(tempfile.gettempdir()) / f"tocsin-{os.getuid()}"


def process_is_alive(pid: int) -> bool:
    """Say whether a process with this id exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
