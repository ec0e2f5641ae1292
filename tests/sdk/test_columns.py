from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.sdk.columns import Columns

values = st.dictionaries(st.sampled_from(["loss", "lr", "tokens"]), st.floats(allow_nan=False))


@given(st.lists(values, max_size=20))
def test_each_value_has_its_course_and_the_steps_that_have_it(rows):
    columns = Columns([(n, n, row) for n, row in enumerate(rows)])
    assert {name for name, _ in columns} == {name for row in rows for name in row}
    for name, column in columns:
        expected = [(n, row[name]) for n, row in enumerate(rows) if name in row]
        assert list(zip(column.indices, column.values, strict=True)) == expected
        assert columns[name] is column
    assert columns["nothing"] is None


def test_the_same_names_in_another_order_are_the_same_columns():
    columns = Columns([(0, 0, {"loss": 1.0, "lr": 2.0}), (1, 1, {"lr": 3.0, "loss": 4.0})])
    assert {name: column.values for name, column in columns} == {"loss": [1.0, 4.0], "lr": [2.0, 3.0]}


def test_as_many_values_of_other_names_are_other_columns():
    columns = Columns([(0, 0, {"loss": 1.0}), (1, 1, {"lr": 3.0})])
    assert {name: list(column.values) for name, column in columns} == {"loss": [1.0], "lr": [3.0]}


def test_one_value_that_is_not_finite_shows_in_the_whole():
    assert Columns([(0, 0, {"loss": 1.0})])["loss"].is_finite()
    for wrong in (float("nan"), float("inf"), 10**400):
        columns = Columns([(0, 0, {"loss": 1.0}), (1, 1, {"loss": wrong})])
        assert not columns["loss"].is_finite()
