"""The tree that errors.py draws is the tree that there is."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil

import tocsin
from tocsin import errors


def subclasses(cls: type) -> set[type]:
    return {cls} | {each for child in cls.__subclasses__() for each in subclasses(child)}


def test_the_drawn_tree_names_every_error():
    for module in pkgutil.walk_packages(tocsin.__path__, "tocsin."):
        if not module.name.endswith("__main__"):
            # Of a framework that is not installed the integration says so, and has no errors of its own.
            is_optional = module.name.startswith("tocsin.integrations.")
            with contextlib.suppress(*[ModuleNotFoundError] if is_optional else []):
                importlib.import_module(module.name)
    drawn = errors.__doc__ or ""
    missing = [
        cls.__name__ for cls in subclasses(errors.TocsinError) if f" {cls.__name__} " not in f"{drawn} "
    ]
    assert sorted(name for name in missing if name != "TocsinError") == []
