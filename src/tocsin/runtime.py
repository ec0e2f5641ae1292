"""Where processes of one user on one machine find each other.

``tocsin up`` leaves ``servers/<pid>.json`` (``{"pid": …, "url": "http://…"}``) there, and a process
that serves metrics through the SDK leaves ``targets/<pid>-<port>.json`` in Prometheus' file
discovery format. In ``members/<port>/`` processes that share a port leave what they know. A file
whose process is gone counts as absent, and so does a folder that belongs to somebody else.
``places/`` holds files that processes of the same kind lock to have a number each.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

from tocsin.errors import ConfigError

Kind = Literal["servers", "targets", "members", "places"]

MOST_PLACES: Final = 1000


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


@dataclass(frozen=True, slots=True)
class Place:
    """A number among processes of the same kind, held until :meth:`leave` or the end of the process."""

    number: int
    _handle: int

    def leave(self) -> None:
        """Let another process have it; in a forked child this leaves it to the parent."""
        os.close(self._handle)


def take_place(kind: str) -> Place:
    """Take the lowest number from 0 on that no other process of this kind has now.

    Raises ConfigError when the folder belongs to another user or all numbers below 1000 are taken, and
    OSError when it cannot be written.
    """
    folder = _own_folder("places")
    name = sha256(kind.encode("utf-8", "replace")).hexdigest()[:32]
    for number in range(MOST_PLACES):
        handle = os.open(folder / f"{name}-{number}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
        except OSError:
            os.close(handle)
            raise
        else:
            return Place(number, handle)
    raise ConfigError(f"{MOST_PLACES} processes of this user are {kind} already")


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
