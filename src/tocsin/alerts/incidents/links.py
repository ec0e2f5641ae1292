"""Signed links by which whoever reads a message acknowledges an incident."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

from tocsin.alerts.database import Database

PATH: Final = "/acknowledge"

_TABLE: Final = "CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID"
_NAME: Final = "links"
_SIGNATURE_CHARACTERS: Final = 32


class Links:
    """Makes and checks links; the secret that signs them stays in the database."""

    def __init__(self, database: Database, external_url: str) -> None:
        self._external_url = external_url.rstrip("/")
        database.create([_TABLE])
        rows = database.read("SELECT value FROM secrets WHERE name = ?", [_NAME])
        if rows:
            self._secret: bytes = rows[0][0]
        else:
            self._secret = secrets.token_bytes(32)
            database.write("INSERT INTO secrets VALUES (?, ?)", [(_NAME, self._secret)])

    def acknowledge_url(self, incident: int) -> str:
        """A link that shows an incident and a button."""
        return f"{self._external_url}{PATH}/{incident}/{self._signature(incident)}"

    def is_signed(self, incident: int, signature: str) -> bool:
        """Whether a link is one of ours."""
        return hmac.compare_digest(self._signature(incident).encode(), signature.encode())

    def _signature(self, incident: int) -> str:
        digest = hmac.new(self._secret, f"acknowledge {incident}".encode(), hashlib.sha256)
        return digest.hexdigest()[:_SIGNATURE_CHARACTERS]
