"""``tocsin up``: run the server."""

from __future__ import annotations

import asyncio
import os
import re
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tocsin.config.settings import load_settings
from tocsin.errors import UsageError
from tocsin.server import Server

DEFAULT_LISTEN = "127.0.0.1:8627"


def up(
    config: Annotated[
        Path | None, typer.Option(help="A prometheus.yml, with tocsin's own keys if wanted.")
    ] = None,
    listen: Annotated[str, typer.Option(help="HOST:PORT to serve on.")] = DEFAULT_LISTEN,
    data: Annotated[
        Path | None, typer.Option(help="Folder for the samples [default: $XDG_DATA_HOME/tocsin].")
    ] = None,
    external_url: Annotated[
        str | None, typer.Option(help="Where people reach it, for links in messages [default: the address].")
    ] = None,
) -> int:
    """Watch this machine and whatever the configuration names; serve pages and the API."""
    settings = load_settings(config)
    host, port = parse_listen(listen)
    load = partial(load_settings, config)
    folder = data or default_data_dir()
    server = Server(settings, folder, host, port, load=load, external_url=parse_url(external_url))
    asyncio.run(server.run())
    return 0


def default_data_dir() -> Path:
    """``$XDG_DATA_HOME/tocsin``, which is ``~/.local/share/tocsin`` unless it is set."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "tocsin"


def parse_url(url: str | None) -> str | None:
    """A URL without a slash at the end; raises UsageError when it is none."""
    if url is not None and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", url):
        raise UsageError(f'--external-url must begin with http:// or https:// and name a host, not "{url}"')
    return url.rstrip("/") if url else None


def parse_listen(listen: str) -> tuple[str, int]:
    """Split ``HOST:PORT``; raises UsageError when it is no such thing."""
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise UsageError(f'--listen must be HOST:PORT with a port up to 65535, not "{listen}"')
    return host, int(port)
