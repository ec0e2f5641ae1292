from __future__ import annotations

import asyncio
import threading

import pytest

from tocsin.errors import NotQuickError, QueryLimitError
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


async def test_a_question_that_was_quick_is_answered_on_the_event_loop(pool):
    def work(_cancelled, *, quickly):
        return quickly, threading.current_thread() is threading.main_thread()

    answers = [await pool.answer(FakeRequest(), work, "up") for _ in range(3)]
    assert answers == [(False, False), (True, True), (True, True)]
    assert await pool.answer(FakeRequest(), work, "down") == (False, False)


async def test_a_question_that_was_slow_goes_to_a_thread(pool, monkeypatch):
    monkeypatch.setattr("tocsin.web.query_pool.QUICK_S", 0.0)
    answers = [
        await pool.answer(FakeRequest(), lambda _cancelled, *, quickly: quickly, "up") for _ in range(2)
    ]
    assert answers == [False, False]


async def test_what_turns_out_not_to_be_quick_goes_on_in_a_thread(pool):
    def work(_cancelled, *, quickly):
        if quickly:
            raise NotQuickError("it would wait")
        return threading.current_thread() is threading.main_thread()

    assert [await pool.answer(FakeRequest(), work, "up") for _ in range(2)] == [False, False]


async def test_errors_of_quick_answers_arrive(pool):
    def work(_cancelled, *, quickly):
        return 1 / (0 if quickly else 1)

    assert await pool.answer(FakeRequest(), work, "up") == 1
    with pytest.raises(ZeroDivisionError):
        await pool.answer(FakeRequest(), work, "up")


async def test_only_so_many_quick_questions_are_remembered(pool, monkeypatch):
    monkeypatch.setattr("tocsin.web.query_pool._MAX_REMEMBERED", 2)

    async def ask(question):
        return await pool.answer(FakeRequest(), lambda _cancelled, *, quickly: quickly, question)

    assert [await ask(question) for question in "abca"] == [False] * 4
    assert await ask("c")
