"""Programs from outside that some tests run against."""

from __future__ import annotations

import os
import shutil

import pytest

DEBIAN_PACKAGE = {
    "chromium": "chromium",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "victoria-metrics": "victoria-metrics",
    "gcc": "gcc",
    "amtool": "prometheus-alertmanager",
}


def require_peer(program: str) -> str:
    """The path of a program; without it the test is skipped, or fails when TOCSIN_REQUIRE_PEERS=1."""
    path = shutil.which(program)
    if path is None:
        reason = f"{program} is missing: apt-get install {DEBIAN_PACKAGE[program]}"
        if os.environ.get("TOCSIN_REQUIRE_PEERS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path
