"""The key of an encrypted store: where it comes from, and that nothing shows it."""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tocsin.errors import ConfigError

_KEY_BYTES: Final = 32
_HEXADECIMAL: Final = re.compile(r"[0-9A-Fa-f]{64}")
_BASE64: Final = re.compile(r"[0-9A-Za-z+/]{43}=")
_ALLOWED: Final = "64 hexadecimal digits or 44 characters of base64"

# The owner's group may read, as with a file of root that a service's group is given; whoever could
# write the file could have the next store encrypted with a key of theirs.
_TOO_OPEN: Final = stat.S_IWGRP | stat.S_IRWXO
_MAX_FILE_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """32 bytes for AES-256, and where they come from; only :meth:`base64` gives them away."""

    _secret: bytes = field(repr=False)
    origin: str = field(compare=False)

    def base64(self) -> str:
        """The key as text, in the one form that DuckDB takes for both databases and Parquet files."""
        return base64.b64encode(self._secret).decode()


def generate_key() -> str:
    """A new random key, as the line that belongs into a key file."""
    return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def key_from_file(path: Path) -> EncryptionKey:
    """Read a key file; raises ConfigError when it holds no key, or too many people may read it."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise ConfigError(f"cannot read the encryption key: {error.strerror}", file=str(path)) from error
    if mode & _TOO_OPEN:
        raise ConfigError(
            f"the encryption key is open to other users (mode {stat.S_IMODE(mode):04o}, "
            f"allowed: 0640 or less); run: chmod 600 {path}",
            file=str(path),
        )
    return parse_key(content.decode("ascii", errors="replace"), f"the file {path}")


def key_from_environment(name: str) -> EncryptionKey:
    """Read a key from an environment variable; raises ConfigError when it holds none."""
    text = os.environ.get(name)
    if text is None:
        raise ConfigError(f"the environment variable {name} is not set, so there is no encryption key")
    return parse_key(text, f"the environment variable {name}")


def parse_key(text: str, origin: str) -> EncryptionKey:
    """Read a key as text, with white space around it; raises ConfigError, which names only its origin."""
    text = text.strip()
    secret = _decoded(text)
    if secret is None:
        raise ConfigError(
            f"{origin} holds no encryption key: {_ALLOWED} are allowed, not {len(text)} characters of "
            "something else (tocsin storage key makes one)"
        )
    return EncryptionKey(secret, origin)


def _decoded(text: str) -> bytes | None:
    if _HEXADECIMAL.fullmatch(text):
        return bytes.fromhex(text)
    if _BASE64.fullmatch(text):
        # Of the last character only two bits count towards 32 bytes; others would be lost unseen.
        secret = binascii.a2b_base64(text)
        return secret if base64.b64encode(secret).decode() == text else None
    return None
