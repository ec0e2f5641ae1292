"""From what a request held to the store, with everything counted that could not be taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from tocsin.receive import Received
from tocsin.web.services import Services

R = TypeVar("R", bound=Received)


async def decode_and_store(services: Services, executor: Executor, decode: Callable[[], R]) -> R:
    """Decode in a thread, and return when the samples are durable; raises what either raises."""
    received = await asyncio.get_running_loop().run_in_executor(executor, decode)
    for reason, count in received.dropped.items():
        services.dropped_samples.labels(reason).inc(count)
    if received.metadata:
        services.storage.describe(received.metadata)
    await services.storage.append(received.batch)
    return received
