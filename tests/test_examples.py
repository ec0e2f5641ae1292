"""The examples in docstrings do what they say."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
from pathlib import Path

import pytest

import tocsin


def has_examples(name):
    spec = importlib.util.find_spec(name)
    return spec is not None and ">>> " in Path(spec.origin).read_text("utf-8")


MODULES = sorted(
    module.name for module in pkgutil.walk_packages(tocsin.__path__, "tocsin.") if has_examples(module.name)
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name, tmp_path, monkeypatch):
    monkeypatch.setenv("TOCSIN_RUNTIME_DIR", str(tmp_path))
    is_optional = name.startswith("tocsin.integrations.")
    module = pytest.importorskip(name, exc_type=ImportError) if is_optional else importlib.import_module(name)
    assert doctest.testmod(module).failed == 0
