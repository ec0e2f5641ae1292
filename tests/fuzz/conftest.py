"""Fixtures for every parser."""

from __future__ import annotations

from functools import cache

import pytest
from pydantic import BaseModel


@pytest.fixture(autouse=True)
def quick_refusals(monkeypatch):
    """Make the schema of a model once: it names the allowed keys, and takes most of a refusal's time."""
    schema_of = cache(BaseModel.model_json_schema.__func__)
    monkeypatch.setattr(BaseModel, "model_json_schema", classmethod(schema_of))
