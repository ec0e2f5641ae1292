"""Fixtures for the tests of the SDK."""

from __future__ import annotations

import pytest

from tests.sdk.receiver import Receiver


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.close()
