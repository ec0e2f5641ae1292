from __future__ import annotations

import pytest

from tocsin.config import parse_source, validate
from tocsin.config.statsd import (
    DEFAULT_BUCKETS,
    DEFAULT_QUANTILES,
    ObserverType,
    StatsdConfig,
    resolved_statsd,
    validate_mapping,
)
from tocsin.errors import ConfigError


def mapping_of(text: str):
    return validate_mapping(parse_source(text, "mapping.yml")).mappings[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mappings:\n- match: a.*", 'mapping.yml:2: mappings[0]: the mapping of "a.*" has no name'),
        ("mappings:\n- {match: a, name: 'a b'}", '"a b" is no name of a metric'),
        ("mappings:\n- {name: a}", 'the key "match" is missing in mappings[0]'),
        ("mappings:\n- {match: a..b, name: a}", 'mapping.yml:2: mappings[0]: "a..b" is no glob'),
        ("mappings:\n- {match: a*b, name: a}", '"a*b" is no glob'),
        ("mappings:\n- {match: (, match_type: regex, name: a}", "invalid regular expression"),
        ("mappings:\n- {match: a, name: a, nme: b}", 'unknown key "nme"'),
        ("mappings:\n- {match: a, name: a, labels: {a-b: c}}", 'not a label name: "a-b"'),
        ("mappings:\n- {match: a, name: a, action: keep}", "input should be 'map' or 'drop'"),
        ("mappings:\n- {match: a, name: a, ttl: 5}", 'not a duration: "5"'),
        ("mappings:\n- {match: a, name: a, ttl: 5 s}", 'not a duration: "5 s"'),
        ("mappings:\n- {match: a, name: a, timer_type: wrong}", "'histogram' or 'summary'"),
        ("mappings:\n- {match: a, name: a, buckets: [1, 1]}", "must be numbers that rise"),
        (
            "mappings:\n- {match: a, name: a, quantiles: &q [quantile: 1], summary_options: {quantiles: *q}}",
            "quantiles stand both in the mapping and in its summary_options",
        ),
        (
            "mappings:\n- {match: a, name: a, buckets: [1], histogram_options: {buckets: [1]}}",
            "buckets stand both in the mapping and in its histogram_options",
        ),
        (
            "mappings:\n- {match: a, name: a, observer_type: histogram, summary_options: {max_age: 1m}}",
            "summary_options have no meaning",
        ),
        (
            "defaults: {observer_type: summary}\nmappings:\n- {match: a, name: a, histogram_options: {}}",
            "mapping.yml:3: mappings[0]: histogram_options have no meaning",
        ),
    ],
)
def test_faults_of_a_mapping_file(text, message):
    with pytest.raises(ConfigError) as caught:
        mapping_of(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "duration_ms"),
    [("0", 0), ("1m2s", 62_000), ("1.5h", 5_400_000), ("250ms", 250), ("1h0m0.5s", 3_600_500), ("10us", 1)],
)
def test_durations_are_those_of_go(text, duration_ms):
    assert mapping_of(f"mappings: [{{match: a, name: a, ttl: {text}}}]").ttl == duration_ms


def test_deprecated_keys_are_taken():
    mapping = mapping_of("""
defaults: {timer_type: histogram, buckets: [1, 2]}
mappings: [{match: a, name: a}]
""")
    assert mapping.observer_type is ObserverType.HISTOGRAM
    assert mapping.histogram_options.buckets == (1, 2)
    mapping = mapping_of("mappings: [{match: a, name: a, timer_type: summary, quantiles: [{quantile: 0.7}]}]")
    assert mapping.observer_type is ObserverType.SUMMARY
    assert [each.quantile for each in mapping.summary_options.quantiles] == [0.7]


def test_the_observer_type_wins_over_the_timer_type():
    mapping = mapping_of("mappings: [{match: a, name: a, timer_type: summary, observer_type: histogram}]")
    assert mapping.observer_type is ObserverType.HISTOGRAM


def test_without_a_mapping_the_defaults_are_the_exporters():
    defaults = StatsdConfig().mapping.defaults
    assert defaults.observer_type is ObserverType.SUMMARY
    assert defaults.summary_options.quantiles == DEFAULT_QUANTILES
    assert defaults.histogram_options.buckets == DEFAULT_BUCKETS


def test_a_bound_of_infinity_is_understood():
    mapping = mapping_of("mappings: [{match: a, name: a, buckets: [1, +Inf]}]")
    assert mapping.histogram_options.buckets == (1,)


def section(text: str, folder):
    source = parse_source(text, "tocsin.yml")
    return resolved_statsd(validate(StatsdConfig, source), source, folder, place=())


def test_a_mapping_stands_in_the_section_or_in_a_file(tmp_path):
    (tmp_path / "mapping.yml").write_text("mappings: [{match: a, name: b}]")
    inline = section("mapping: {mappings: [{match: a, name: b}]}", tmp_path)
    assert inline.mapping == section("mapping_config: mapping.yml", tmp_path).mapping
    with pytest.raises(ConfigError, match="only one of mapping, mapping_config and preset"):
        section("{mapping: {}, mapping_config: mapping.yml}", tmp_path)


def test_a_fault_in_an_inline_mapping_names_its_line(tmp_path):
    with pytest.raises(ConfigError, match=r'tocsin.yml:3: mappings\[0\]: "a\.\." is no glob'):
        section("mapping:\n  mappings:\n  - {match: a.., name: b}", tmp_path)


def test_a_missing_mapping_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"mapping.yml: cannot read the file"):
        section("mapping_config: mapping.yml", tmp_path)


def test_the_keys_of_the_section(tmp_path):
    config = section(
        "{listen_udp: ':8125', listen_tcp: '', listen_unixgram: run/statsd.sock, unixsocket_mode: '770',"
        " read_buffer: 1MB, flush_interval: 10s, tag_formats: [dogstatsd], labels: {job: fl}}",
        tmp_path,
    )
    assert config.listen_unixgram == tmp_path / "run" / "statsd.sock"
    assert config.unixsocket_mode == 0o770
    assert (config.read_buffer, config.flush_interval) == (2**20, 10_000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("listen_udp: localhost", '"localhost" is no address'),
        ("listen_udp: '::1:9125'", '"::1:9125" is no address'),
        ("listen_udp: 'a:99999'", '"a:99999" is no address'),
        ("unixsocket_mode: '888'", 'not the mode of a file: "888"'),
        ("tag_formats: [graphite]", "graphite"),
        ("max_series: 0", "max_series"),
    ],
)
def test_faults_of_the_section(text, message, tmp_path):
    with pytest.raises(ConfigError) as caught:
        section(text, tmp_path)
    assert message in str(caught.value)
