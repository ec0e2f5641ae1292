from __future__ import annotations

import asyncio
import threading

import pytest

from tocsin.errors import QueryLimitError
from tocsin.web.query_pool import QueryPool

WAIT_S = 10.0


class FakeRequest:
    """A client that stays until it is told to go."""

    def __init__(self) -> None:
        self.has_gone = False

    async def is_disconnected(self) -> bool:
        return self.has_gone


@pytest.fixture
def pool():
    pool = QueryPool(2, queue_timeout_s=0.05)
    yield pool
    pool.close()


async def test_work_is_done_in_a_thread(pool):
    assert await pool.run(FakeRequest(), lambda _cancelled: threading.current_thread().name) != "MainThread"


async def test_what_work_raises_arrives(pool):
    with pytest.raises(ZeroDivisionError):
        await pool.run(FakeRequest(), lambda _cancelled: 1 / 0)


async def test_work_is_told_when_the_client_has_gone(pool):
    request = FakeRequest()
    running = asyncio.create_task(pool.run(request, lambda cancelled: cancelled.wait(WAIT_S)))
    await asyncio.sleep(0.01)
    assert not running.done()
    request.has_gone = True
    assert await running is True


async def test_no_more_than_so_many_run_and_the_others_do_not_wait_for_ever(pool):
    requests = [FakeRequest(), FakeRequest()]
    running = [
        asyncio.create_task(pool.run(request, lambda cancelled: cancelled.wait(WAIT_S)))
        for request in requests
    ]
    await asyncio.sleep(0.01)
    with pytest.raises(QueryLimitError, match="none of the 2 queries that may run at a time"):
        await pool.run(FakeRequest(), lambda _cancelled: None)
    for request in requests:
        request.has_gone = True
    assert await asyncio.gather(*running) == [True, True]
    assert await pool.run(FakeRequest(), lambda _cancelled: "free again") == "free again"
