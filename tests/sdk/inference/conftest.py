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
def monitor(clock):
    """Opens itself; there is no server to send to."""
    made = InferenceMonitor("m", monotonic_s=clock)
    yield made
    made.close()
