from __future__ import annotations

import re
from collections import Counter

import promql_parser
import pytest

from tocsin.dashboards import DASHBOARDS, Unit, find_dashboard

PLACEHOLDERS = {"$__rate_interval": "1m", "$__range": "1h"}
PANELS = [(dashboard, panel) for dashboard in DASHBOARDS for panel in dashboard.panels]


def filled(expr, dashboard):
    for name in [f"${variable.name}" for variable in dashboard.variables]:
        expr = expr.replace(name, "some")
    for placeholder, text in PLACEHOLDERS.items():
        expr = expr.replace(placeholder, text)
    return expr


def expressions(dashboard):
    for section in dashboard.sections:
        yield from filter(None, (section.only_if, section.each))
        yield from (query.expr for panel in section.panels for query in panel.queries)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)
def test_every_expression_is_promql_without_unknown_placeholders(dashboard):
    for expr in expressions(dashboard):
        text = filled(expr, dashboard)
        assert "$" not in text, expr
        promql_parser.parse(text)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)
def test_names_are_unique_and_fit_into_addresses(dashboard):
    names = [panel.name for panel in dashboard.panels]
    assert max(Counter(names).values()) == 1
    assert all(re.fullmatch(r"[a-z_]+", name) for name in names)


@pytest.mark.parametrize("key", ["name", "path", "title"])
def test_dashboards_differ_in(key):
    values = [getattr(dashboard, key) for dashboard in DASHBOARDS]
    assert len(set(values)) == len(values)


def test_each_dashboard_can_be_reached_by_a_letter_of_its_own():
    assert len({dashboard.name[0] for dashboard in DASHBOARDS}) == len(DASHBOARDS)


@pytest.mark.parametrize(("dashboard", "panel"), PANELS, ids=lambda part: part.name)
def test_several_series_of_a_panel_can_be_told_apart(dashboard, panel):
    legends = [query.legend for query in panel.queries]
    assert all(legends)
    assert len(set(legends)) == len(legends)


@pytest.mark.parametrize(("dashboard", "panel"), PANELS, ids=lambda part: part.name)
def test_thresholds_lie_inside_a_fixed_axis(dashboard, panel):
    for threshold in panel.thresholds:
        assert panel.minimum is None or threshold.value >= panel.minimum
        assert panel.maximum is None or threshold.value <= panel.maximum
    assert panel.unit is not Unit.PERCENT or panel.maximum == 100


def test_finds_by_name():
    assert find_dashboard("overview") is DASHBOARDS[0]
    assert find_dashboard("training").path == "/training"
    assert find_dashboard("nothing") is None
