"""What alerts were doing before a restart, read back from ``ALERTS_FOR_STATE``.

The rules are those of Prometheus' ``Group.RestoreForState``: time spent pending before the
interruption counts, the interruption itself does not, and nothing fires within ten minutes of it
that was not firing before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from tocsin.model import METRIC_NAME, Columns, Labels, Matcher, MatchType, is_stale
from tocsin.model.alert import ALERT_NAME
from tocsin.rules.alerting import ALERTS_FOR_STATE, ActiveAlert, AlertingRule
from tocsin.storage.interface import Queryable

OUTAGE_TOLERANCE_MS: Final = 3_600_000
"""An interruption longer than this is forgotten."""

GRACE_PERIOD_MS: Final = 600_000
"""Alerts whose ``for`` is shorter start anew; the others wait at least this long after a restart."""


def restore(rule: AlertingRule, queryable: Queryable, at_ms: int) -> None:
    """Give the alerts of a rule, as they are now, the times at which they became active before a restart."""
    rule.is_restored = True
    if rule.hold_ms < GRACE_PERIOD_MS or not rule.active:
        return
    matchers = (Matcher.metric(ALERTS_FOR_STATE), Matcher(ALERT_NAME, MatchType.EQUAL, rule.name))
    blocks = queryable.select(matchers, at_ms - OUTAGE_TOLERANCE_MS, at_ms)
    last = _last_samples(blocks)
    rule.active = {
        labels: replace(alert, active_at_ms=_active_at_ms(alert, last, rule.hold_ms, at_ms))
        for labels, alert in rule.active.items()
    }


def _last_samples(blocks: Iterable[Columns]) -> Mapping[Labels, tuple[int, float]]:
    last: dict[Labels, tuple[int, float]] = {}
    for block in blocks:
        for row, labels in enumerate(block.labels):
            end = -1 if block.lengths is None else int(block.lengths[row]) - 1
            times_ms = block.timestamps_ms if block.is_shared else block.timestamps_ms[row]
            last[labels.drop({METRIC_NAME})] = int(times_ms[end]), float(block.values[row, end])
    return last


def _active_at_ms(
    alert: ActiveAlert, last: Mapping[Labels, tuple[int, float]], hold_ms: int, at_ms: int
) -> int:
    if alert.labels not in last or is_stale(last[alert.labels][1]):
        return alert.active_at_ms
    down_at_ms, active_at_s = last[alert.labels]
    active_at_ms = int(active_at_s * 1000)
    remaining_ms = hold_ms - (down_at_ms - active_at_ms)
    if remaining_ms <= 0:
        return active_at_ms
    if remaining_ms < GRACE_PERIOD_MS:
        return at_ms + GRACE_PERIOD_MS - hold_ms
    return active_at_ms + at_ms - down_at_ms
