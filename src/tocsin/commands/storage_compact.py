"""``tocsin storage compact``."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rich.console import Console

from tocsin.commands.api import ask
from tocsin.commands.storage_source import ConfigOption, DataOption, UrlOption, server_of
from tocsin.commands.up import default_data_dir
from tocsin.config.settings import load_settings
from tocsin.errors import StorageError
from tocsin.model import SystemClock
from tocsin.server.stores import open_embedded
from tocsin.storage.file import FILE_NAME


def compact(data: DataOption = None, url: UrlOption = None, config: ConfigOption = None) -> int:
    """Do all upkeep that is due now: summaries, blocks, and removing what is too old."""
    with Console(stderr=True).status("compacting"):
        if server := server_of(data, url):
            ask(server, "/api/tocsin/storage/compact", {})
        else:
            asyncio.run(_compact(data or default_data_dir(), config))
    print("done")
    return 0


async def _compact(folder: Path, config: Path | None) -> None:
    if not (folder / FILE_NAME).exists():
        raise StorageError(f"{folder} has no {FILE_NAME}, and no tocsin runs")
    store = open_embedded(load_settings(config).storage, folder, SystemClock())
    try:
        await store.keep_up()
    finally:
        await store.close()
