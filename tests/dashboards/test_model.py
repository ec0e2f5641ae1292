from __future__ import annotations

import json

from tocsin.dashboards import Dashboard, Headline, Panel, Query, Section, Severity, Threshold, Unit, Variable

EXAMPLE = Dashboard(
    name="disks",
    title="Disks",
    path="/disks",
    question="Is there room?",
    sections=(
        Section(
            "space", "Space", (Panel("free", "Free", Unit.BYTES, (Query("node_filesystem_free_bytes"),)),)
        ),
        Section("load", "Load", each="node_disk_.+"),
    ),
    variables=(Variable("instance", "Machine", metric="up", label="instance"),),
)


def test_json_has_the_fields_as_keys_and_enumerations_as_text():
    panel = Panel(
        "free",
        "Free",
        Unit.BYTES,
        (Query("x", "{{device}}"),),
        headline=Headline.MAX,
        thresholds=(Threshold(80, Severity.WARNING),),
    )
    dashboard = Dashboard("d", "D", "/d", "?", (Section("s", "S", (panel,)),))
    written = json.loads(json.dumps(dashboard.to_json()))
    (found,) = written["sections"][0]["panels"]
    assert found["unit"] == "bytes"
    assert found["headline"] == "max"
    assert found["queries"] == [{"expr": "x", "legend": "{{device}}"}]
    assert found["thresholds"] == [{"value": 80, "severity": "warning"}]


def test_json_of_variables_and_sections():
    written = EXAMPLE.to_json()
    assert written["variables"] == (
        {"name": "instance", "title": "Machine", "metric": "up", "label": "instance"},
    )
    assert [section["each"] for section in written["sections"]] == ["", "node_disk_.+"]


def test_panels_are_those_of_all_sections():
    assert [panel.name for panel in EXAMPLE.panels] == ["free"]
