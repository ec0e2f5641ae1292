from __future__ import annotations

import pytest

from tests.rules.helpers import START_MS, evaluation, series
from tocsin.model import Labels
from tocsin.rules import AlertingRule, AlertState, RuleError
from tocsin.rules.alerting import RESOLVED_RETENTION_MS

UP = [(series('m{job="a"}'), 1.0)]
ALERT = Labels({"alertname": "A", "job": "a"})
PENDING = series('ALERTS{alertname="A",alertstate="pending",job="a"}')
FIRING = series('ALERTS{alertname="A",alertstate="firing",job="a"}')
SINCE = series('ALERTS_FOR_STATE{alertname="A",job="a"}')
START_S = START_MS / 1000


def states(rule, *steps, **options):
    """Evaluate at (seconds, vector) pairs; the state after each."""
    seen = []
    for at_s, vector in steps:
        rule.evaluate(evaluation(vector, at_s, **options))
        seen.append(rule.state.value)
    return seen


def test_without_for_it_fires_at_once():
    rule = AlertingRule("A", "m")
    assert rule.evaluate(evaluation(UP)) == {FIRING: 1.0, SINCE: START_S}
    assert rule.active[ALERT].fired_at_ms == START_MS


def test_with_for_it_is_pending_first():
    rule = AlertingRule("A", "m", hold_ms=60_000)
    assert rule.evaluate(evaluation(UP, 0)) == {PENDING: 1.0, SINCE: START_S}
    assert rule.evaluate(evaluation(UP, 59)) == {PENDING: 1.0, SINCE: START_S}
    assert rule.evaluate(evaluation(UP, 60)) == {FIRING: 1.0, SINCE: START_S}


def test_a_pending_alert_that_goes_is_forgotten():
    rule = AlertingRule("A", "m", hold_ms=60_000)
    assert states(rule, (0, UP), (15, []), (30, UP), (75, UP), (90, UP)) == [
        "pending",
        "inactive",
        "pending",
        "pending",
        "firing",
    ]


def test_it_fires_on_for_keep_firing_for():
    rule = AlertingRule("A", "m", keep_firing_ms=30_000)
    assert states(rule, (0, UP), (10, []), (39, []), (40, [])) == ["firing", "firing", "firing", "inactive"]


def test_the_condition_coming_back_ends_keep_firing():
    rule = AlertingRule("A", "m", keep_firing_ms=30_000)
    states(rule, (0, UP), (10, []), (20, UP), (30, []))
    assert rule.active[ALERT].keep_firing_since_ms == START_MS + 30_000
    assert rule.active[ALERT].fired_at_ms == START_MS


def test_values_and_annotations_follow_the_last_evaluation():
    rule = AlertingRule("A", "m", annotations={"v": "{{ $value }}"})
    states(rule, (0, UP), (15, [(UP[0][0], 7.0)]))
    alert = rule.active[ALERT]
    assert (alert.value, alert.annotations, alert.active_at_ms) == (7.0, {"v": "7"}, START_MS)


def test_labels_are_templates_and_an_empty_one_is_dropped():
    rule = AlertingRule("A", "m", labels=Labels({"level": "{{ $value }}", "job": "{{ $labels.none }}"}))
    rule.evaluate(evaluation(UP))
    assert set(rule.active) == {Labels({"alertname": "A", "level": "1"})}


def test_a_template_that_fails_says_so_in_its_place(caplog):
    rule = AlertingRule("A", "m", annotations={"v": "{{ first (query `none`) }}"})
    vector = {"m": UP}
    rule.evaluate(type(evaluation([]))(_context(vector)))
    assert rule.active[ALERT].annotations["v"].startswith("<error expanding template: first() called")
    assert 'alert "A"' in caplog.text


def _context(vectors):
    from tocsin.rules.template import Context

    return Context(lambda query, _at_ms: vectors.get(query, []), START_MS)


def test_results_that_become_one_alert_are_an_error():
    rule = AlertingRule("A", "m", labels=Labels({"job": "same"}))
    with pytest.raises(RuleError, match="same labelset"):
        rule.evaluate(evaluation([*UP, (series('m{job="b"}'), 1.0)]))


def test_more_alerts_than_the_limit_are_an_error_and_none_is_active():
    rule = AlertingRule("A", "m")
    rule.evaluate(evaluation(UP, limit=1))
    with pytest.raises(RuleError, match="exceeded limit of 1 with 2 alerts"):
        rule.evaluate(evaluation([*UP, (series('m{job="b"}'), 1.0)], 15, limit=1))
    assert rule.active == {}


def test_nothing_is_written_before_the_state_is_restored():
    rule = AlertingRule("A", "m", is_restored=False)
    assert rule.evaluate(evaluation(UP)) == {}
    assert rule.state is AlertState.FIRING


def send(rule, at_s, interval_ms=15_000):
    return rule.alerts_to_send(START_MS + round(at_s * 1000), 60_000, interval_ms)


def test_a_firing_alert_is_sent_again_after_a_minute_only():
    rule = AlertingRule("A", "m")
    states(rule, (0, UP))
    assert [(a.labels, a.starts_at_ms, a.ends_at_ms) for a in send(rule, 0)] == [
        (ALERT, START_MS, START_MS + 240_000)
    ]
    assert send(rule, 15) == []
    assert send(rule, 60) == []
    assert len(send(rule, 61)) == 1


def test_the_end_is_further_away_for_a_slow_group():
    rule = AlertingRule("A", "m")
    states(rule, (0, UP))
    assert send(rule, 0, interval_ms=120_000)[0].ends_at_ms == START_MS + 480_000


def test_a_pending_alert_is_not_sent():
    rule = AlertingRule("A", "m", hold_ms=60_000)
    states(rule, (0, UP))
    assert send(rule, 0) == []


def test_a_resolved_alert_is_sent_at_once_then_each_minute_for_a_quarter_of_an_hour():
    rule = AlertingRule("A", "m")
    states(rule, (0, UP))
    send(rule, 0)
    states(rule, (15, []))
    assert [alert.ends_at_ms for alert in send(rule, 15)] == [START_MS + 15_000]
    assert send(rule, 30) == []
    assert len(send(rule, 76)) == 1
    last_s = 15 + RESOLVED_RETENTION_MS / 1000
    states(rule, (last_s, []))
    assert rule.active
    states(rule, (last_s + 1, []))
    assert not rule.active


def test_an_alert_that_fires_again_is_a_new_one():
    rule = AlertingRule("A", "m")
    states(rule, (0, UP))
    send(rule, 0)
    states(rule, (15, []), (30, UP))
    assert [(alert.starts_at_ms, alert.ends_at_ms) for alert in send(rule, 30)] == [
        (START_MS + 30_000, START_MS + 270_000)
    ]
