"""Fixtures for every test."""

from __future__ import annotations

import pytest
from hypothesis import settings

# A busy machine is no fault.
settings.register_profile("tocsin", deadline=None)
settings.load_profile("tocsin")


@pytest.fixture(autouse=True)
def private_runtime_dir(tmp_path, monkeypatch):
    """Keep tests from finding, or being found by, a tocsin that runs on this machine."""
    monkeypatch.setenv("TOCSIN_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.delenv("TOCSIN_URL", raising=False)
