"""Where processes of one user on one machine find each other.

``tocsin up`` leaves ``servers/<pid>.json`` (``{"pid": …, "url": "http://…"}``) there, and a process
that serves metrics through the SDK leaves ``targets/<pid>-<port>.json`` in Prometheus' file
discovery format. In ``members/<port>/`` processes that share a port leave what they know. A file
whose process is gone counts as absent, and so does a folder that belongs to somebody else.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from tocsin.errors import ConfigError

Kind = Literal["servers", "targets", "members"]


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
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def announce(kind: Kind, name: str, content: object) -> Path:
    """Leave a JSON file ``<kind>/<name>`` for others to find; they never see half of it.

    The name begins with the process id. Whoever announces removes the file at the end. Raises
    ConfigError when the folder belongs to another user, and OSError when it cannot be written.
    """
    folder = _own_folder(kind)
    path = folder / name
    draft = folder / f".{name}.{os.getpid()}"
    draft.write_text(json.dumps(content), encoding="utf-8")
    draft.replace(path)
    return path


def private_folder(kind: Kind) -> Path:
    """The folder of a kind, which is made and which only this user can read; raises as :func:`announce`."""
    return _own_folder(kind)


def announced(kind: Kind) -> list[Path]:
    """The files of processes that are alive, newest first."""
    found = []
    for path in _existing_folder(kind):
        pid = path.name.removesuffix(".json").partition("-")[0]
        if path.suffix == ".json" and pid.isdecimal() and process_is_alive(int(pid)):
            found.append(path)
    return sorted(found, key=_modified_ns, reverse=True)


def _own_folder(kind: Kind) -> Path:
    root = runtime_dir()
    folder = root / kind
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    for each in (root, folder):
        if each.lstat().st_uid != os.getuid():
            raise ConfigError(
                f"the runtime folder {each} belongs to user id {each.lstat().st_uid}, not to you; "
                "set TOCSIN_RUNTIME_DIR to a folder of your own"
            )
    return folder


def _existing_folder(kind: Kind) -> list[Path]:
    root = runtime_dir()
    try:
        if root.lstat().st_uid != os.getuid():
            return []
        return list((root / kind).iterdir())
    except OSError:
        return []


def _modified_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
