"""Outside test data that may lie beside the checkout, in ``../shared/cases``."""

from __future__ import annotations

from pathlib import Path

import pytest

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"


def cases_dir(name: str) -> Path:
    """The folder of one kind of case; skips the test when it is not there."""
    folder = CASES / name
    if not folder.is_dir():
        pytest.skip(f"outside cases are not here: {folder.name}")
    return folder
