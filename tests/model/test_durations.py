from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.model import format_duration_ms, parse_duration_ms


@given(st.integers(0, 10**13))
def test_what_is_written_reads_back(duration_ms):
    assert parse_duration_ms(format_duration_ms(duration_ms)) == duration_ms


@pytest.mark.parametrize(
    "text", ["", "5", "m", "5m5m", "1s1h", "-5m", " 5m", "5 m", "1.5h", "5min", "\u0665m"]
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration_ms(text)


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [(0, "0s"), (90_061_001, "1d1h1m1s1ms"), (-300_000, "-5m"), (31_536_000_000, "1y"), (15_000, "15s")],
)
def test_the_form_is_that_of_prometheus(duration_ms, text):
    assert format_duration_ms(duration_ms) == text
