from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import cases_dir
from tocsin.config import parse_source
from tocsin.config.statsd import EventType, validate_mapping
from tocsin.errors import ConfigError
from tocsin.receive.statsd import Mapper


def mapper_of(text: str) -> Mapper:
    return Mapper(validate_mapping(parse_source(text, "mapping.yml")))


def test_outside_cases():
    cases = json.loads((cases_dir("statsd") / "mapper.json").read_text())
    assert cases
    for case in cases:
        if not case["config_valid"]:
            with pytest.raises(ConfigError):
                mapper_of(case["config"])
            continue
        config = validate_mapping(parse_source(case["config"], "mapping.yml"))
        if "first_action" in case:
            assert config.mappings[0].action == case["first_action"], case["name"]
        for expected in case.get("mappings", ()):
            check(Mapper(config), expected, case["name"])


def check(mapper, expected, case_name):
    found = mapper.find(expected["metric"], EventType(expected.get("type", "counter")))
    if found is None:
        assert not expected.get("mapped", False), case_name
        assert not expected["labels"], case_name
        return
    assert expected.get("mapped", True), case_name
    assert found.name == expected.get("name", found.name), case_name
    assert dict(found.labels) == expected["labels"], case_name
    mapping = found.mapping
    seen = {
        "ttl_seconds": mapping.ttl / 1000,
        "max_age_seconds": mapping.summary_options.max_age / 1000,
        "age_buckets": mapping.summary_options.age_buckets,
        "buf_cap": mapping.summary_options.buf_cap,
        "quantiles": [each.model_dump() for each in mapping.summary_options.quantiles],
        "buckets": list(mapping.histogram_options.buckets),
        "scale": mapping.scale,
    }
    for key in seen.keys() & expected.keys():
        assert seen[key] == expected[key], (case_name, key)


def test_globs_count_before_regular_expressions():
    mapper = mapper_of("""
mappings:
- {match: 'web\\..*', match_type: regex, name: by_regex}
- {match: web.*, name: by_glob}
""")
    assert mapper.find("web.a", EventType.COUNTER).name == "by_glob"
    assert mapper.find("web.a.b", EventType.COUNTER).name == "by_regex"


def test_a_regular_expression_may_match_anywhere_in_a_name():
    mapper = mapper_of(
        "mappings: [{match: '([a-z]+)_ms', match_type: regex, name: $1, labels: {of: '${1}x'}}]"
    )
    found = mapper.find("0.load_ms.1", EventType.GAUGE)
    assert (found.name, dict(found.labels)) == ("load", {"of": "loadx"})


@pytest.mark.parametrize("match_type", ["glob", "regex"])
@pytest.mark.parametrize(
    ("written", "matched"), [("counter", "counter"), ("observer", "observer"), ("timer", "observer")]
)
def test_a_mapping_for_one_type(match_type, written, matched):
    mapper = mapper_of(
        f"mappings: [{{match: web, match_type: {match_type}, name: web, match_metric_type: {written}}}]"
    )
    found = {event_type.value for event_type in EventType if mapper.find("web", event_type)}
    assert found == {matched}


def test_references_that_lead_nowhere_are_empty():
    mapper = mapper_of("mappings: [{match: a.*, name: a, labels: {x: '$1-$2-${name}', y: 'cost: 5$'}}]")
    assert dict(mapper.find("a.b", EventType.COUNTER).labels) == {"x": "b--", "y": "cost: 5$"}


def test_a_name_of_very_many_fields_matches_no_glob():
    assert mapper_of("mappings: [{match: a.*, name: a}]").find("a" + ".a" * 10_000, EventType.COUNTER) is None


@given(st.text(max_size=30), st.sampled_from(EventType))
def test_any_name_can_be_looked_up(name, event_type):
    mapper = mapper_of("mappings: [{match: '*.*', name: $1}, {match: '(.*)', match_type: regex, name: $1}]")
    mapper.find(name, event_type)
