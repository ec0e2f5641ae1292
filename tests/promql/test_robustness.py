"""Whatever the query and the shape of the blocks: the same answer, or a sentence; never a crash.

``TOCSIN_FUZZ_EXAMPLES`` sets how many expressions are tried.
"""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.promql.comparing import ask, difference
from tests.promql.expressions import SCRAPE_MS, SCRAPES, START_MS, expressions, samples
from tests.promql.stores import SHAPES, filled
from tocsin.errors import TocsinError
from tocsin.promql import Engine, QueryLimits, streams, windows
from tocsin.promql.functions.table import TABLE

EXAMPLES = int(os.environ.get("TOCSIN_FUZZ_EXAMPLES", "150"))
DATA = samples()
END_MS = START_MS + 2 + SCRAPES * SCRAPE_MS

DECIDED_BY_THE_LAST_BIT = re.compile("[=!]=|[<>]|topk|bottomk|count_values|changes|resets|round|floor|ceil|%")

patient = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
unlimited = pytest.mark.timeout(0)


@unlimited
@patient
@given(query=expressions)
def test_the_shape_of_blocks_does_not_matter(query: str) -> None:
    # The last bit of a sum depends on the order of its parts, and these turn it into a whole answer.
    assume(not DECIDED_BY_THE_LAST_BIT.search(query))
    ragged, *others = (
        ask(Engine(filled(shape, DATA)), query, START_MS - 60_000, END_MS, 172_000) for shape in SHAPES
    )
    for answer in others:
        problem = difference(answer, ragged, relative=1e-9, absolute=1e-9)
        assert not problem, f"{query}: {problem}"


@unlimited
@patient
@given(query=expressions, values=st.sampled_from([1, 40, 400]))
def test_how_much_is_worked_on_at_a_time_does_not_matter(query: str, values: int) -> None:
    assume(not DECIDED_BY_THE_LAST_BIT.search(query))
    engine = Engine(filled("shared", DATA))
    at_once = ask(engine, query, START_MS - 60_000, END_MS, 172_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "CHUNK_VALUES", values)
        patch.setattr(windows, "CHUNK_VALUES", values)
        patch.setattr(windows, "EXPANDED_VALUES", values)
        patch.setattr(windows, "_FEW_VALUES", 0)
        in_pieces = ask(engine, query, START_MS - 60_000, END_MS, 172_000)
    problem = difference(in_pieces, at_once, relative=1e-9, absolute=1e-9)
    assert not problem, f"{query}: {problem}"


FRAGMENTS = (
    *TABLE,
    *("sum", "by", "(job)", "(", ")", "[5m]", "[5m:1m]", "{", "}", ",", "on", "()", "ignoring", "bool"),
    *("+", "-", "*", "/", "^", "==", "!=", ">", "or", "and", "unless", "group_left", "offset", "@ 1"),
    *("@ end()", "-1", "1e300", "NaN", "Inf", '"', "'a'", "\\", "#", "💥", "topk(2, g)", "\n"),
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """An expression with a few characters taken out and fragments put in."""
    text = draw(expressions)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(text)))
        end = min(len(text), place + draw(st.integers(0, 4)))
        text = text[:place] + draw(st.sampled_from(("", *FRAGMENTS))) + text[end:]
    return text


@unlimited
@patient
@given(
    query=mutated(),
    delayed=st.booleans(),
    experimental=st.booleans(),
    step_ms=st.sampled_from([0, 1000, 172_000]),
)
def test_mutated_expressions_are_answered_or_refused(
    query: str, delayed: bool, experimental: bool, step_ms: int
) -> None:
    engine = Engine(
        filled("shared", DATA),
        limits=QueryLimits(max_samples=300_000, timeout_s=10),
        enable_delayed_name_removal=delayed,
        enable_experimental=experimental,
    )
    try:
        if step_ms:
            engine.range(query, START_MS - 60_000, END_MS, step_ms)
        else:
            engine.instant(query, END_MS)
    except TocsinError:
        return
