"""What fuzzing has found: each stays found."""

from __future__ import annotations

import json

import pytest

from tests.receive.statsd.gathering import Gathering
from tests.scrape.dns_server import resolver_of
from tocsin.config.go_duration import parse_go_duration_ms
from tocsin.config.scrape import DnsDiscoveryConfig, ScrapeConfig, TargetGroup
from tocsin.errors import ConfigError, ParseError
from tocsin.model import Labels
from tocsin.model.regex import compile_regex, expand
from tocsin.receive import decode_text_import
from tocsin.scrape import ExpositionParser, TextFormat
from tocsin.scrape.dns_discovery import DnsDiscovery
from tocsin.scrape.groups import parse_json_groups, read_groups
from tocsin.scrape.target import make_targets
from tocsin.web.federate_api import federation_text, series_text

LONG = "9" * 5000


@pytest.mark.parametrize("value", [b"-NaN", b"+NaN", b"-nan"])
def test_a_signed_nan_is_no_value_of_a_known_series_either(value):
    parser = ExpositionParser(TextFormat())
    assert parser.parse(b"a 1\nb NaN\n").scraped_count == 2
    for _ in range(2):
        with pytest.raises(ParseError, match="line 1: the value"):
            parser.parse(b"a " + value + b"\nb NaN\n")


def test_the_first_fault_is_named_where_series_are_known():
    parser = ExpositionParser(TextFormat())
    parser.parse(b"a 1\n")
    with pytest.raises(ParseError, match="line 1: the value"):
        parser.parse(b"a one\nnot known and not a number\n")


@pytest.mark.parametrize("content", [LONG, f'[{{"targets": [{LONG}]}}]', "[" * 100_000])
def test_json_that_python_cannot_hold_is_one_sentence(content):
    with pytest.raises(ConfigError, match=r"^http://sd: not valid JSON"):
        parse_json_groups(content.encode(), "http://sd")


def test_a_label_of_a_group_must_have_a_name(tmp_path):
    groups = [{"targets": ["a:1"]}, {"targets": ["b:1"], "labels": {"": "x"}}]
    with pytest.raises(ConfigError, match=r"\[1\].labels: a label must have a name"):
        parse_json_groups(json.dumps(groups).encode(), "http://sd")
    file = tmp_path / "groups.yml"
    file.write_text('- targets: ["a:1"]\n- targets: ["b:1"]\n  labels: {"": x}\n')
    with pytest.raises(ConfigError, match=r"groups.yml:3: \[1\].labels"):
        read_groups(file)


@pytest.mark.parametrize("scheme", [" https", "hTtp", "ftp"])
def test_a_target_has_one_of_two_schemes(scheme):
    group = TargetGroup(targets=("a:1",), labels={"__scheme__": scheme})
    targets = make_targets(ScrapeConfig(job_name="j").resolved(1000, 1000), [group])
    assert targets.active == ()
    assert targets.problems[0].endswith(f'"{scheme}://a:1/metrics" is no HTTP URL')


def test_a_record_that_names_no_host_is_reported_and_targets_stay():
    name, now_s = "_m._tcp.example.org", 0.0
    zone = {(name, "SRV"): ["0 0 9100 a.example.org."]}
    with resolver_of(zone) as resolver:
        discovery = DnsDiscovery(DnsDiscoveryConfig(names=(name,)), lambda: now_s, resolver)
        before = discovery.groups()
        zone[name, "SRV"] = ["0 0 9100 a/b.example.org."]
        now_s = 60.0
        assert discovery.groups() == before
        assert before[0].targets == ("a.example.org:9100",)
    (problem,) = discovery.problems.values()
    assert "the SRV records of" in problem
    assert '"a/b.example.org:9100" is not a valid host:port' in problem


def test_an_extra_label_cannot_take_the_name_away():
    with pytest.raises(ParseError, match="a series must keep its name"):
        decode_text_import(b"a 1", "", 0, extra_labels=["__name__="])


@pytest.mark.parametrize("reference", [LONG, "0", "0" * 5000, "4"])
def test_a_reference_to_no_star_of_a_mapping_is_empty(reference):
    gathering = Gathering(f"mappings: [{{match: a.*, name: n, labels: {{x: '$01-${{{reference}}}'}}}}]")
    assert gathering.take("a.b:1|c").flush() == {'n{x="b-"}': 1}


def test_federation_is_text_whatever_the_names():
    labels = Labels({"__name__": 'a "b"\n', "0\\": "1\\", "é": 'x"\n', "ok": "1"})
    text = federation_text([(labels, 5, 1.5)], {}, utf8_allowed=True)
    batch = ExpositionParser(TextFormat()).parse(text.encode()).batch(0)
    assert (batch.series, batch.values.tolist(), batch.timestamps_ms.tolist()) == ([labels], [1.5], [5])
    assert federation_text([(labels, 5, 1.5)], {}).splitlines() == [
        "# TYPE a__b__ untyped",
        'a__b__{_0_="1\\\\",ok="1",_="x\\"\\n"} 1.5 5',
    ]
    assert series_text(Labels({"__name__": "up"}), utf8_allowed=False) == "up"
    second_name = Labels({"__name__": "up", "-_name__": "x", "a-": "1", "a_": "2"})
    assert series_text(second_name, utf8_allowed=False) == 'up{a_="2"}'


def test_a_reference_of_thousands_of_digits_is_an_unknown_group():
    match = compile_regex("(a)").fullmatch("a")
    assert match is not None
    assert expand(f"x$1{'1' * 5000}", match) == "x"


def test_a_duration_beyond_all_numbers_is_one_sentence():
    with pytest.raises(ValueError, match=r"the duration .* is too long"):
        parse_go_duration_ms("9" * 400 + "h")
