"""A store elsewhere: any engine that takes remote write and answers Prometheus' HTTP API."""

from tocsin.storage.remote.client import QueryClient
from tocsin.storage.remote.connection import Connection, public_address
from tocsin.storage.remote.sender import RefusedError
from tocsin.storage.remote.storage import RemoteStorage

__all__ = ["Connection", "QueryClient", "RefusedError", "RemoteStorage", "public_address"]
