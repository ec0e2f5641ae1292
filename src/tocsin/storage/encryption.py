"""Encryption at rest: DuckDB files and Parquet files in AES-256-GCM, with one key.

DuckDB encrypts a file only when it is attached, and writes with nothing but the OpenSSL of its
extension httpfs. So :func:`connect` attaches the file to an empty database and makes it the default
of that one connection. A cursor does not inherit the default: take it from :func:`cursor`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
from pathlib import Path
from typing import Final

import duckdb

from tocsin.errors import StorageError
from tocsin.storage.key import EncryptionKey

KEY_NAME: Final = "store"
"""The name of an attached store, and of its key among those for Parquet files."""

_PACKAGE: Final = "duckdb_extension_httpfs"
_TEMPORARY_ENCRYPTED: Final = "SELECT current_setting('temp_file_encryption')"

_PARQUET_FILE: Final = re.compile(r"File '(.*)' is (?:not )?encrypted")
_CANNOT_WRITE: Final = "read-only crypto module"
_WITHOUT_KEY: Final = "{file} is encrypted, and storage.encryption does not say where its key is"
_NEEDLESS_KEY: Final = (
    "{file} is not encrypted, but there is a key for it in {origin} (see docs/encryption.md)"
)
_OTHER_KEY: Final = "was encrypted with another key than the one in {origin}, and was left untouched"
# What DuckDB's errors hold, of databases and of Parquet files, and what there is to say about it.
_SENTENCES: Final = (
    ("Wrong encryption key", f"{{file}} {_OTHER_KEY}"),
    ("AES tag differs", f"{{file}} is damaged or {_OTHER_KEY}"),
    ("without a key", _WITHOUT_KEY),
    ("'encryption_config' was not set", _WITHOUT_KEY),
    ("A key is explicitly specified", _NEEDLESS_KEY),
    ("'encryption_config' was set", _NEEDLESS_KEY),
    ("with a different cipher", "{file} was encrypted in another mode than GCM, which alone notices changes"),
    ("Unique file handle conflict", "{file} is open in this process already"),
)


def connect(path: Path, key: EncryptionKey | None, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open or create a database file, as ``duckdb.connect`` does, and encrypted when there is a key.

    Raises what ``duckdb.connect`` does (see :func:`translate`), and StorageError when DuckDB cannot encrypt.
    """
    if key is None:
        return duckdb.connect(str(path), read_only=read_only)
    with contextlib.ExitStack() as unless_opened:
        connection = duckdb.connect(":memory:", config=_settings(path))
        unless_opened.callback(connection.close)
        prepare(connection, key)
        attach(connection, path, key, KEY_NAME, read_only=read_only)
        connection.execute(f"USE {KEY_NAME}")
        unless_opened.pop_all()
    return connection


def _settings(path: Path) -> dict[str, str | bool | int | float | list[str]]:
    return {
        # Where duckdb.connect would put them; without it, they would go to the working directory.
        "temp_directory": f"{path}.tmp",
        # A later SET is refused when a process that was killed has left temporary files behind.
        "temp_file_encryption": True,
        "autoinstall_known_extensions": False,
    }


def cursor(connection: duckdb.DuckDBPyConnection, key: EncryptionKey | None) -> duckdb.DuckDBPyConnection:
    """A cursor of a connection that :func:`connect` opened with this key; it finds the same tables."""
    new = connection.cursor()
    if key is not None:
        new.execute(f"USE {KEY_NAME}")
    return new


def attach(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    key: EncryptionKey | None,
    name: str,
    *,
    read_only: bool = False,
) -> None:
    """Attach a database file under a name."""
    options = ["TYPE duckdb", "READ_ONLY" if read_only else "READ_WRITE"]
    if key is not None:
        # Said aloud, so that a file in a mode that does not notice changes is refused.
        options += ["ENCRYPTION_KEY $key", "ENCRYPTION_CIPHER 'GCM'"]
    # As a parameter, the key is in no statement, and so in no log and no error.
    parameters = {"key": key.base64()} if key is not None else None
    connection.execute(f"ATTACH {_quoted(path)} AS {name} ({', '.join(options)})", parameters)


def prepare(connection: duckdb.DuckDBPyConnection, key: EncryptionKey, name: str = KEY_NAME) -> None:
    """Let a connection and its cursors encrypt temporary files, and read and write Parquet files with a key.

    The key goes by a name, under which a connection knows one key. Raises StorageError when DuckDB's
    extension is not there.
    """
    load_extension(connection)
    if connection.execute(_TEMPORARY_ENCRYPTED).fetchone() != (True,):
        connection.execute("SET temp_file_encryption = true")
    # A PRAGMA takes no parameter, but it takes a variable.
    connection.execute("SET VARIABLE tocsin_key = $key", {"key": key.base64()})
    try:
        connection.execute(f"PRAGMA add_parquet_key('{name}', getvariable('tocsin_key'))")
    finally:
        connection.execute("RESET VARIABLE tocsin_key")


def copy_options(key: EncryptionKey | None, name: str = KEY_NAME) -> str:
    """What to append to the options of ``COPY … TO … (FORMAT parquet``, before the parenthesis closes."""
    return "" if key is None else f", ENCRYPTION_CONFIG {{footer_key: '{name}'}}"


def read_options(key: EncryptionKey | None, name: str = KEY_NAME) -> str:
    """What to append to the arguments of ``read_parquet(…``, before the parenthesis closes."""
    return "" if key is None else f", encryption_config = {{footer_key: '{name}'}}"


def translate(error: duckdb.Error, path: Path, key: EncryptionKey | None) -> str | None:
    """One sentence, when an error at a file or folder has to do with encryption; otherwise None."""
    text = str(error)
    if _CANNOT_WRITE in text:
        return _missing(duckdb.__version__)
    named = _PARQUET_FILE.search(text)
    for part, sentence in _SENTENCES:
        if part in text:
            return sentence.format(file=named[1] if named else path, origin=key.origin if key else "")
    return None


def load_extension(connection: duckdb.DuckDBPyConnection) -> None:
    """Load what pip has installed, or else what DuckDB's INSTALL has; raises StorageError if neither."""
    version = connection.execute("SELECT library_version FROM pragma_version()").fetchall()[0][0]
    file = _packaged_extension(version)
    try:
        connection.execute(f"LOAD {_quoted(file)}" if file else "LOAD httpfs")
    except duckdb.Error as error:
        if file is None:
            raise StorageError(_missing(version.removeprefix("v"))) from error
        raise StorageError(f"cannot load {file}: {str(error).splitlines()[0]}") from error


def _packaged_extension(version: str) -> Path | None:
    """The file of the extension in the package for exactly this version of DuckDB, if there is one."""
    package = importlib.util.find_spec(_PACKAGE)
    for folder in (package.submodule_search_locations if package else None) or ():
        file = Path(folder) / "extensions" / version / "httpfs.duckdb_extension"
        if file.exists():
            return file
    return None


def _missing(version: str) -> str:
    return (
        f"encryption needs DuckDB's extension httpfs, and there is none for duckdb {version}; "
        "run: pip install 'tocsin[encryption]'"
    )


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
