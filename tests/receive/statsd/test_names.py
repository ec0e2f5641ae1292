from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import cases_dir
from tocsin.receive.statsd.names import escape_name


def test_outside_cases():
    cases = json.loads((cases_dir("statsd") / "escape.json").read_text())
    assert cases
    assert {name: escape_name(name) for name in cases} == cases


@given(st.text())
def test_any_text_becomes_a_name(text):
    escaped = escape_name(text)
    assert re.fullmatch(r"([a-zA-Z_][a-zA-Z0-9_]*)?", escaped)
    assert bool(escaped) == bool(text)
    assert escape_name(escaped) == escaped
