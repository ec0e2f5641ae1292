"""Fixtures for the tests of InferenceMonitor."""

from __future__ import annotations

import logging

import pytest

from tests.sdk.inference.helpers import HandClock
from tocsin.sdk import InferenceMonitor


@pytest.fixture(autouse=True)
def warnings_are_captured(caplog):
    caplog.set_level(logging.WARNING, logger="tocsin")


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def make_monitor():
    """Makes monitors that are closed at the end, whatever happens."""
    made = []

    def make(name="m", **settings):
        made.append(InferenceMonitor(name, **settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def monitor(make_monitor, clock):
    """Opens itself; there is no server to send to."""
    return make_monitor("m", monotonic_s=clock)
