from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.alerts import Database, Silence, Silences, SilenceState
from tocsin.errors import ParseError
from tocsin.model import Labels, Matcher, MatchType

NOW_MS = 1_000_000
A = Matcher("alertname", MatchType.EQUAL, "A")


def silence(start=0, end=100, matchers=(A,), **fields):
    return Silence(tuple(matchers), NOW_MS + start, NOW_MS + end, "me", "why", **fields)


@pytest.fixture
def silences():
    return Silences(Database())


def test_it_mutes_from_its_start_until_its_end(silences):
    kept = silences.set(silence(10, 20), NOW_MS)
    alert = Labels({"alertname": "A", "x": "1"})
    assert [silences.muting(alert, NOW_MS + at) for at in (9, 10, 19, 20)] == [[], [kept.id], [kept.id], []]
    assert silences.muting(Labels({"alertname": "B"}), NOW_MS + 15) == []


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (silence(matchers=()), "at least one matcher"),
        (silence(matchers=[Matcher("x", MatchType.REGEX, "a|")]), "must not match the empty string"),
        (silence(10, 10), "must be before its end"),
        (silence(-20, -10), "must not be in the past"),
        (silence(id="none"), 'there is no silence "none"'),
    ],
)
def test_what_cannot_be_is_one_sentence(silences, wrong, sentence):
    with pytest.raises(ParseError, match=sentence):
        silences.set(wrong, NOW_MS)
    assert silences.all() == []


def test_all_but_one_can_be_silenced(silences):
    kept = silences.set(silence(matchers=[Matcher("team", MatchType.NOT_EQUAL, "ml")]), NOW_MS)
    others, ours = Labels({"team": "web"}), Labels({"team": "ml"})
    assert [silences.muting(each, NOW_MS) for each in (others, ours)] == [[kept.id], []]


def test_a_change_of_the_end_keeps_the_id_and_another_matcher_makes_another_silence(silences):
    first = silences.set(silence(), NOW_MS)
    longer = silences.set(silence(0, 500, id=first.id), NOW_MS + 1)
    assert (longer.id, longer.ends_at_ms) == (first.id, NOW_MS + 500)
    other = silences.set(silence(1, 500, [Matcher("a", MatchType.EQUAL, "b")], id=first.id), NOW_MS + 2)
    assert other.id != first.id
    assert silences.get(first.id).state(NOW_MS + 2) is SilenceState.EXPIRED
    with pytest.raises(ParseError, match="has expired already"):
        silences.expire(first.id, NOW_MS + 3)


def test_one_that_has_not_begun_is_ended_without_ever_muting(silences):
    pending = silences.set(silence(50, 100), NOW_MS)
    silences.expire(pending.id, NOW_MS + 1)
    assert silences.get(pending.id).state(NOW_MS + 60) is SilenceState.EXPIRED


def test_until_cleared_it_ends_when_nothing_of_its_fires(silences):
    kept = silences.set(silence(0, 10_000, until_cleared=True), NOW_MS)
    assert silences.clear([Labels({"alertname": "A"})], NOW_MS + 5) == []
    assert [each.id for each in silences.clear([Labels({"alertname": "B"})], NOW_MS + 6)] == [kept.id]
    assert silences.muting(Labels({"alertname": "A"}), NOW_MS + 7) == []


def test_ended_ones_are_kept_for_five_days(silences):
    silences.set(silence(0, 100), NOW_MS)
    silences.collect(NOW_MS + 100 + 120 * 3_600_000)
    assert len(silences.all()) == 1
    silences.collect(NOW_MS + 101 + 120 * 3_600_000)
    assert silences.all() == []


matchers = st.builds(
    Matcher, st.sampled_from("ab"), st.sampled_from(MatchType), st.sampled_from(["1", "2", ".*", "1|2"])
)
labels = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["1", "2", "3"]), min_size=1).map(Labels)


@given(
    st.lists(
        st.tuples(st.lists(matchers, min_size=1, max_size=3), st.integers(0, 50), st.integers(51, 100)),
        max_size=5,
    ),
    st.lists(labels, max_size=5),
    st.integers(0, 110),
)
def test_it_agrees_with_looking_at_everything_and_survives_a_restart(tmp_path_factory, wanted, alerts, at):
    path = tmp_path_factory.mktemp("silences") / "file"
    database = Database(path)
    silences = Silences(database)
    for chosen, start, end in wanted:
        if not all(matcher.matches_empty for matcher in chosen):
            silences.set(silence(start, end, chosen), NOW_MS)
    database.close()
    again = Silences(Database(path))
    assert {each.id: each for each in again.all()} == {each.id: each for each in silences.all()}
    for alert in alerts:
        expected = sorted(
            each.id
            for each in silences.all()
            if each.starts_at_ms <= NOW_MS + at < each.ends_at_ms
            and all(matcher.matches(alert.get(matcher.name, "")) for matcher in each.matchers)
        )
        assert silences.muting(alert, NOW_MS + at) == again.muting(alert, NOW_MS + at) == expected
