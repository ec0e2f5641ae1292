from __future__ import annotations

import logging

import pytest

from tocsin.sdk.guard import Guard


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


def test_an_exception_ends_here_and_is_told_once(caplog):
    guard = Guard("test")
    for _ in range(3):
        with guard:
            raise ValueError("inside")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "ValueError: inside" in record.getMessage()


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_the_users_passes(kind):
    guard = Guard("test")
    with pytest.raises(kind), guard:
        raise kind
    with pytest.raises(kind), guard.around("key", "it is wrong"):
        raise kind


def test_each_kind_of_trouble_is_told_once(caplog):
    guard = Guard("test")
    for key in "aabb":
        with guard.around(key, f"{key} is wrong"):
            raise ValueError("no")
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        "test: a is wrong",
        "test: b is wrong",
    ]


def test_an_exception_that_cannot_be_written_ends_here_too():
    with Guard("test"):
        raise UnprintableError


def test_a_log_handler_that_raises_does_not_reach_the_program(monkeypatch):
    def refuse(record):
        raise RuntimeError("full disk")

    logger = logging.getLogger("tocsin")
    logger.addFilter(refuse)
    try:
        with Guard("test"):
            raise ValueError("inside")
    finally:
        logger.removeFilter(refuse)


def test_there_is_an_end_to_what_is_told(caplog):
    guard = Guard("test")
    for n in range(1000):
        guard.tell_once(f"{n}", "again")
    assert len(caplog.records) == 100
