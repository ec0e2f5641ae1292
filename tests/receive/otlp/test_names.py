from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import cases_dir
from tocsin.errors import ParseError
from tocsin.receive.otlp import LabelNamer, MetricKind, MetricNamer

LABEL_NAMERS = {
    "default": LabelNamer(),
    "prefix_leading_underscore": LabelNamer(prefix_leading_underscore=True),
    "keep_multiple_underscores": LabelNamer(keep_multiple_underscores=True),
    "both": LabelNamer(prefix_leading_underscore=True, keep_multiple_underscores=True),
    "utf8_allowed": LabelNamer(utf8_allowed=True),
}


def outcome(translate, *arguments):
    try:
        return {"expected": translate(*arguments)}
    except ParseError as error:
        return {"error": str(error)}


def test_metric_names_are_those_of_prometheus():
    cases = json.loads((cases_dir("otlp") / "metric_names.json").read_text())
    assert len(cases) >= 84
    for case in cases:
        namer = MetricNamer(case["namespace"], case["utf8_allowed"], case["with_suffixes"])
        metric = case["metric"]
        expected = {"error": case["error"]} if "error" in case else {"expected": case["expected_name"]}
        assert outcome(namer.name, metric["name"], metric["unit"], MetricKind(metric["type"])) == expected, (
            case
        )


@pytest.mark.parametrize("setting", LABEL_NAMERS)
def test_label_names_are_those_of_prometheus(setting):
    cases = json.loads((cases_dir("otlp") / "label_names.json").read_text())
    assert len(cases) >= 16
    for case in cases:
        assert outcome(LABEL_NAMERS[setting].name, case["label"]) == case[setting], case["label"]


@pytest.mark.parametrize(
    ("namer", "name", "unit", "kind", "expected"),
    [
        (MetricNamer(), "a.total.b", "", MetricKind.MONOTONIC_COUNTER, "a_b_total"),
        (MetricNamer(), "a.ratio", "1", MetricKind.MONOTONIC_COUNTER, "a_ratio_total"),
        (MetricNamer(), "disk.bytes.used", "By", MetricKind.GAUGE, "disk_bytes_used"),
        (MetricNamer(), "a", "foo@/bar@", MetricKind.GAUGE, "a_foo_per_bar"),
        (MetricNamer(), "a", "foo@", MetricKind.GAUGE, "a_foo_"),
        (MetricNamer(), "a", "By/@", MetricKind.GAUGE, "a_bytes"),
        (MetricNamer(), "a:b", "", MetricKind.GAUGE, "a:b"),
        (MetricNamer("ns"), "9a", "", MetricKind.GAUGE, "ns_9a"),
        (MetricNamer("n.s", with_suffixes=False), ".a.", "s", MetricKind.GAUGE, "n_s_a"),
        (MetricNamer(with_suffixes=False), "a__b", "s", MetricKind.GAUGE, "a__b"),
        (
            MetricNamer(utf8_allowed=True),
            "a.total",
            "By/s",
            MetricKind.MONOTONIC_COUNTER,
            "a_bytes_per_second_total",
        ),
        (MetricNamer(utf8_allowed=True), "a.bytes", "By", MetricKind.GAUGE, "a.bytes"),
        (MetricNamer(utf8_allowed=True), "total", "", MetricKind.MONOTONIC_COUNTER, "total_total"),
        (MetricNamer(utf8_allowed=True, with_suffixes=False), "a b", "s", MetricKind.GAUGE, "a b"),
    ],
)
def test_metric_names(namer, name, unit, kind, expected):
    assert namer.name(name, unit, kind) == expected


metric_namers = st.builds(
    MetricNamer,
    namespace=st.sampled_from(["", "ns"]),
    utf8_allowed=st.just(value=False),
    with_suffixes=st.booleans(),
)


@given(metric_namers, st.text(max_size=8), st.text(max_size=6), st.sampled_from(MetricKind))
def test_escaped_metric_names_are_valid_in_every_prometheus(namer, name, unit, kind):
    translated = outcome(namer.name, name, unit, kind)
    assert "error" in translated or re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", translated["expected"])


@given(st.booleans(), st.booleans(), st.text(max_size=8))
def test_escaped_label_names_are_valid_and_stay_as_they_are(prefix, keep, label):
    namer = LabelNamer(prefix_leading_underscore=prefix, keep_multiple_underscores=keep)
    translated = outcome(namer.name, label)
    if "expected" in translated:
        assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", translated["expected"])
        assert namer.name(translated["expected"]) == translated["expected"]
