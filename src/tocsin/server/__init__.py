"""One tocsin: all parts put together, started, and stopped in order."""

from tocsin.server.server import Server

__all__ = ["Server"]
