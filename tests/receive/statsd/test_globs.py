from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from tocsin.receive.statsd.globs import GlobTree

FIELDS = st.sampled_from(["a", "b", "c", "*"])
GLOBS = st.lists(FIELDS, min_size=1, max_size=4).map(".".join)
NAMES = st.lists(st.sampled_from(["a", "b", "c", "d", ""]), min_size=1, max_size=4).map(".".join)


def matching(globs, name):
    """Every glob that matches, by trying each as a regular expression."""
    for number, glob in enumerate(globs):
        pattern = re.escape(glob).replace(r"\*", "([^.]*)")
        if match := re.fullmatch(pattern, name):
            yield number, match.groups()


@given(st.lists(GLOBS, max_size=8), NAMES)
def test_the_first_glob_counts(globs, name):
    tree = tree_of(globs)
    assert tree.find(name, ordered=True) == min(matching(globs, name), default=None)


@given(st.lists(GLOBS, max_size=8, unique=True), NAMES)
def test_without_order_texts_count_before_stars(globs, name):
    found = tree_of(globs).find(name, ordered=False)
    expected = min(
        matching(globs, name),
        key=lambda each: [field == "*" for field in globs[each[0]].split(".")],
        default=None,
    )
    assert found == expected


def tree_of(globs):
    tree = GlobTree()
    for number, glob in enumerate(globs):
        tree.add(glob, number)
    return tree
