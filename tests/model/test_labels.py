from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.model import Labels, Matcher, MatchType

label_sets = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.text(max_size=4), max_size=5)


@given(label_sets, st.randoms())
def test_order_and_empty_values_do_not_count(labels, random):
    items = list(labels.items())
    random.shuffle(items)
    assert Labels(items) == Labels(labels)
    assert hash(Labels(items)) == hash(Labels(labels))
    assert dict(Labels(labels)) == {name: value for name, value in labels.items() if value}


@given(label_sets, st.sets(st.text("abc", min_size=1, max_size=3)))
def test_keep_and_drop_part_the_labels(labels, names):
    whole = Labels(labels)
    assert {**whole.keep(names), **whole.drop(names)} == dict(whole)
    assert not set(whole.keep(names)) & set(whole.drop(names))


def test_text_is_that_of_prometheus():
    assert str(Labels({"__name__": "up", "b": 'x"\n\\', "a": "1"})) == 'up{a="1",b="x\\"\\n\\\\"}'
    assert str(Labels({"a": "1"})) == '{a="1"}'
    assert str(Labels()) == "{}"


def test_regular_expressions_are_anchored_and_span_lines():
    assert Matcher("a", MatchType.REGEX, "b|c").matches("c")
    assert not Matcher("a", MatchType.REGEX, "b|c").matches("bc")
    assert Matcher("a", MatchType.REGEX, "b.*").matches("b\nc")
    assert Matcher("a", MatchType.NOT_REGEX, "b.*").matches("")
