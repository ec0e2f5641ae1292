"""Alertmanager's own cases: which files are right, and what is wrong with the others."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from tests.support.cases import cases_dir
from tocsin.config import parse_source, validate
from tocsin.config.alertmanager import (
    TimeIntervalConfig,
    TimeIntervalPartConfig,
    muting,
    read_alertmanager,
)
from tocsin.config.alertmanager.time_interval import TimeRangeConfig
from tocsin.errors import ConfigError

GLOBAL = "global: {smtp_smarthost: 'a:25', smtp_from: x, slack_api_url: 'https://x', victorops_api_key: x}\n"


def read_case(name):
    return json.loads((cases_dir("alertmanager") / name).read_text())


def fault(read, *arguments):
    """The sentence with which something is refused; empty when it is not."""
    try:
        read(*arguments)
    except ConfigError as error:
        return str(error) if error.line else "a fault that stands nowhere"
    return ""


def test_files():
    for case in read_case("verdicts.json")["files"]:
        sentence = fault(read_alertmanager, cases_dir("alertmanager") / case["file"])
        assert case["valid"] is not bool(sentence), (case, sentence)
        assert case.get("error_contains", "") in sentence


@pytest.mark.parametrize("kind", ["inline", "receiver_sections"])
def test_texts(kind, tmp_path):
    for number, case in enumerate(read_case("verdicts.json")[kind]):
        text = case["yaml"]
        if kind == "receiver_sections":
            entry = text.rstrip().replace("\n", "\n    ")
            text = (
                f"{GLOBAL}route: {{receiver: a}}\nreceivers:\n- name: a\n  {case['section']}:\n  - {entry}\n"
            )
        file = tmp_path / f"{number}.yml"
        file.write_text(text)
        sentence = fault(read_alertmanager, file)
        assert case["valid"] is not bool(sentence), (case, sentence)


def time_at(text):
    return datetime.strptime(text, "%d %b %y %H:%M %z")


def read_parts(case):
    source = parse_source(case["yaml"], "case.yml")
    data = source.data if case["kind"] == "list" else [source.data]
    return [validate(TimeIntervalPartConfig, parse_source(json.dumps(part), "case.yml")) for part in data]


def test_time_intervals():
    cases = [case for case in read_case("timeintervals.json") if case["kind"] in {"list", "single"}]
    assert len(cases) > 10
    for case in cases:
        sentence = fault(read_parts, case)
        assert case["valid"] is not bool(sentence), (case, sentence)
        for key, wanted in (("contains", True), ("excludes", False)):
            for time in case.get(key, ()) if case["valid"] else ():
                assert any(part.contains(time_at(time)) for part in read_parts(case)) is wanted, (case, time)


def test_time_ranges():
    for case in read_case("timeintervals.json"):
        if case["kind"] == "time_range":
            source = parse_source(case["yaml"], "case.yml")
            assert case["valid"] is not bool(fault(validate, TimeRangeConfig, source)), case
            if case["valid"]:
                found = validate(TimeRangeConfig, source)
                assert (found.start_time, found.end_time) == (case["start_minute"], case["end_minute"])


def test_which_intervals_mute():
    cases = [case for case in read_case("timeintervals.json") if case["kind"] == "mutes"]
    assert len(cases) > 2
    for case in cases:
        intervals = {
            name: TimeIntervalConfig(name=name, time_intervals=parts if isinstance(parts, list) else [parts])
            for name, parts in case["intervals"].items()
        }
        assert muting(intervals, intervals, datetime.fromisoformat(case["now"])) == case["muted_by"]
