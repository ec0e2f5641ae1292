"""Fixtures for every test."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# A busy machine is no fault. In CI examples are the same in each run, so that a change is to blame
# for what fails there; everywhere else they are new each time.
settings.register_profile("tocsin", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("tocsin")


@pytest.fixture(autouse=True)
def private_runtime_dir(tmp_path, monkeypatch):
    """Keep tests from finding, or being found by, a tocsin that runs on this machine."""
    monkeypatch.setenv("TOCSIN_RUNTIME_DIR", str(tmp_path / "runtime"))
    for name in ("TOCSIN_URL", "TOCSIN_OFFLINE", "TOCSIN_OTLP", "TOCSIN_OTLP_URL"):
        monkeypatch.delenv(name, raising=False)
