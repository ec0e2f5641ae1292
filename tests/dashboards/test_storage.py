from __future__ import annotations

import re

from tocsin.dashboards import find_dashboard
from tocsin.storage.forward import ForwardMetrics


def test_the_metrics_of_remote_write_are_those_that_it_has():
    exprs = [query.expr for panel in find_dashboard("storage").panels for query in panel.queries]
    asked = {name for expr in exprs for name in re.findall(r"tocsin_remote_write_\w+", expr)}
    suffixes = {"counter": "_total", "gauge": ""}
    families = ForwardMetrics([]).collect()
    assert len(asked) == 4
    assert asked <= {family.name + suffixes[family.type] for family in families}


def test_a_section_exists_when_its_metric_was_measured_at_any_time_of_the_range():
    conditions = [section.only_if for section in find_dashboard("storage").sections]
    assert all(
        condition.startswith("present_over_time(") and "[$__range]" in condition for condition in conditions
    )
