"""Fixtures for the tests on real frameworks."""

from __future__ import annotations

import pytest

from tests.sdk.receiver import Receiver


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.close()
