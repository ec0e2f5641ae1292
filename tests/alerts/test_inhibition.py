from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from tocsin.alerts import Alert, Inhibitor, KnownAlert
from tocsin.model import Labels, Matcher, MatchType

NOW_MS = 1000


@dataclass
class Rule:
    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()


def equal(name, value):
    return Matcher(name, MatchType.EQUAL, value)


def known(ends_at_ms=NOW_MS + 1, **labels):
    return KnownAlert(Alert(Labels(labels), {}), 0, ends_at_ms, 0)


CRITICAL_OVER_WARNING = Rule((equal("severity", "critical"),), (equal("severity", "warning"),), ("job",))


def muting(rules, sources, **labels):
    inhibitor = Inhibitor(rules)
    for source in sources:
        inhibitor.put(source)
    return inhibitor.muting(Labels(labels), NOW_MS)


def test_a_source_that_fires_mutes_targets_with_equal_labels():
    source = known(severity="critical", job="a")
    assert muting([CRITICAL_OVER_WARNING], [source], severity="warning", job="a") == [source.alert.labels]
    assert muting([CRITICAL_OVER_WARNING], [source], severity="warning", job="b") == []
    assert muting([CRITICAL_OVER_WARNING], [source], severity="info", job="a") == []


def test_labels_that_both_lack_are_equal():
    source = known(severity="critical")
    assert muting([CRITICAL_OVER_WARNING], [source], severity="warning") == [source.alert.labels]
    assert muting([CRITICAL_OVER_WARNING], [source], severity="warning", job="a") == []


def test_a_source_that_is_over_mutes_nothing():
    assert muting([CRITICAL_OVER_WARNING], [known(NOW_MS, severity="critical")], severity="warning") == []


def test_an_alert_that_is_source_and_target_is_not_muted_by_its_like():
    both = Rule((equal("a", "1"),), (equal("a", "1"),))
    assert muting([both], [known(a="1"), known(a="1", b="2")], a="1") == []


values = st.sampled_from(["1", "2"])
labels = st.dictionaries(st.sampled_from("abc"), values, min_size=1, max_size=3)
conditions = st.lists(
    st.builds(Matcher, st.sampled_from("abc"), st.sampled_from(MatchType), values), max_size=2
)
rules = st.builds(
    Rule, conditions.map(tuple), conditions.map(tuple), st.sets(st.sampled_from("abc")).map(tuple)
)


@given(st.lists(rules, max_size=3), st.lists(st.tuples(labels, st.booleans()), max_size=5), labels)
def test_it_agrees_with_looking_at_every_pair(rules, sources, target):
    alerts = {Labels(each): known(NOW_MS + is_firing, **each) for each, is_firing in sources}

    def satisfies(alert, matchers):
        return all(matcher.matches(alert.get(matcher.name, "")) for matcher in matchers)

    def mutes(rule, source):
        if not satisfies(source, rule.source) or not satisfies(target, rule.target):
            return False
        if satisfies(target, rule.source) and satisfies(source, rule.target):
            return False
        return all(source.get(name, "") == target.get(name, "") for name in rule.equal)

    firing = [labels for labels, each in alerts.items() if not each.is_resolved(NOW_MS)]
    expected = sum(any(mutes(rule, source) for source in firing) for rule in rules)
    assert len(muting(rules, alerts.values(), **target)) == expected
