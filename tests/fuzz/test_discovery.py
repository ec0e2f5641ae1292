"""What names targets: files, servers, name servers; and the rules that rewrite their labels."""

from __future__ import annotations

import contextlib
import json
import random
from functools import partial

import dns.message
import dns.resolver
import httpx
import pytest
import yaml

from tests.fuzz.mutations import json_mutator, mutated, text_mutator
from tests.fuzz.running import Fuzzed, run
from tests.support.cases import CASES
from tocsin.config import ConfigModel, parse_source, validate
from tocsin.config.relabel import RelabelAction, RelabelConfig
from tocsin.config.scrape import DnsDiscoveryConfig, DnsRecordType, ScrapeConfig, TargetGroup
from tocsin.errors import ConfigError
from tocsin.scrape import relabel
from tocsin.scrape.dns_discovery import DnsDiscovery
from tocsin.scrape.groups import parse_json_groups, read_groups
from tocsin.scrape.target import make_targets

GROUPS = [
    b"[]",
    b'[{"targets": ["a:9100", "[::1]:80"], "labels": {"zone": "home", "__metrics_path__": "/m?x=1"}}]',
    b'[{"targets": ["b.org"]}, {"labels": {"__param_a": "1", "__scheme__": "https"}, "targets": ["c:1"]}]',
    b'[{"targets": ["d:1"], "labels": {"__scrape_interval__": "5s", "__scrape_timeout__": "1s"}}]',
]
GROUP_WORDS = b"targets|labels|__address__|__scheme__|__metrics_path__|__param_x|a b".split(b"|")
YAML_WORDS = (*GROUP_WORDS, *b"- |: |\n|\n  |[|]|{|}|&a |*a|<<|!!set|'".split(b"|"))
JOB = ScrapeConfig(job_name="j").resolved(15_000, 10_000)


def check_groups(groups: tuple[TargetGroup, ...] | list[TargetGroup]) -> None:
    """The groups lead to targets, or to sentences that say why not."""
    targets = make_targets(JOB, groups)
    for target in targets.active:
        with contextlib.suppress(httpx.InvalidURL):
            httpx.URL(target.url)
        assert target.url.startswith(("http://", "https://"))
        f"{target.url}{target.labels}{target.discovered}".encode()
        assert all(name for name, _ in (*target.labels.pairs, *target.discovered.pairs))
    for problem in targets.problems:
        problem.encode()


def take_json_groups(data: bytes) -> None:
    check_groups(parse_json_groups(data, "http://sd"))


@pytest.fixture(scope="module")
def take_yaml_groups(tmp_path_factory):
    file = tmp_path_factory.mktemp("groups") / "groups.yml"

    def take(data: bytes) -> None:
        file.write_bytes(data)
        check_groups(read_groups(file))

    return take


ANSWERS = [
    ("SRV", "_m._tcp.example.org.", ["0 0 9100 node-1.example.org.", "0 0 9200 node-2.example.org."]),
    ("A", "example.org.", ["192.0.2.1", "192.0.2.2"]),
    ("AAAA", "example.org.", ["2001:db8::1"]),
    ("MX", "example.org.", ["10 mail.example.org."]),
    ("NS", "example.org.", ["ns.example.org."]),
]


DNS_ID = 7


def dns_seed(number: int) -> bytes:
    kind, name, records = ANSWERS[number]
    question = dns.message.make_query(name, kind, id=DNS_ID)
    answer = dns.message.make_response(question, recursion_available=True)
    answer.answer = [dns.rrset.from_text(question.question[0].name, 60, "IN", kind, *records)]
    return bytes((number,)) + answer.to_wire()


DNS_WORDS = (b"\x00", b"\x01/", b"\xc0\x0c", b"\x3f" + b"a" * 63)


def mutate_dns(rng: random.Random, seeds) -> bytes:
    seed = rng.choice(seeds)
    # The head and the question mostly stay: an answer to another question never gets to us.
    kept = 1 if rng.random() < 0.1 else min(len(seed), 45)
    return seed[:kept] + mutated(rng, seed[kept:], [seed[kept:]], DNS_WORDS)


class AnsweringResolver:
    """Reads one answer as the resolver of dnspython does, which takes any fault in it for no answer."""

    def __init__(self, wire: bytes) -> None:
        self._wire = wire

    def resolve(self, name: str, kind: str, **_: object) -> dns.resolver.Answer:
        try:
            message = dns.message.from_wire(self._wire)
        except Exception as error:
            raise dns.resolver.NoNameservers from error
        if not dns.message.make_query(name, kind, id=DNS_ID).is_response(message):
            raise dns.resolver.NoNameservers
        return dns.resolver.Answer(dns.name.from_text(name), kind, "IN", message)


def take_dns(data: bytes) -> None:
    kind, name, _ = ANSWERS[data[0] % len(ANSWERS)]
    config = DnsDiscoveryConfig(names=(name,), type=DnsRecordType(kind), port=80)
    check_groups(DnsDiscovery(config, resolver=AnsweringResolver(data[1:])).ask())


class Rules(ConfigModel):
    rules: tuple[RelabelConfig, ...]


RULES = [
    b"rules: [{source_labels: [a, b], regex: 'f(.*);(.*)r', target_label: d, replacement: 'ch${1}-$2'}]",
    b"rules: [{action: hashmod, source_labels: [c], target_label: d, modulus: 9}, {action: keep, regex: .+}]",
    b"rules: [{action: labelmap, regex: '__meta_(.*)', replacement: m_$1}, {action: labeldrop, regex: b.*}]",
    b"rules: [{action: Uppercase, source_labels: [a], target_label: A}, {action: labelkeep, regex: '[a-]+'}]",
    b"rules: [{action: keepequal, source_labels: [a], target_label: b}, {action: drop, regex: 'x|()'}]",
    b"rules: [{target_label: '${1}', regex: '(?P<n>.+)', replacement: '${n}$$', source_labels: [__name__]}]",
]
RULE_WORDS = (
    b"source_labels|separator|regex|modulus|target_label|replacement|action|replace|keep|drop|keepequal|"
    b"dropequal|hashmod|labelmap|labeldrop|labelkeep|lowercase|uppercase|$1|${1}|$0|${n}|$$|$|.*|(.*)|()|"
    b"(?i)|(?s:.)|\\C|\\pN|[^a]|a{2,}|(a|b)*|{|}|[|]|, |: |'|\"|\n|- "
).split(b"|")
LABELS = (
    {"a": "foo", "b": "bar", "c": "baz", "__name__": "up"},
    {"__meta_x": "1", "__meta_": "2", "é": "💥", "a": "a\nb", "b": "a\nb"},
    {},
)


def take_rules(data: bytes) -> None:
    rules = validate(Rules, parse_source(data.decode("utf-8", "replace"), "rules.yml")).rules
    for labels in LABELS:
        after = relabel(labels, rules)
        for name, value in (after or {}).items():
            assert name
            assert value
            f"{name}{value}".encode()


def outside_rules() -> list[bytes]:
    file = CASES / "relabel" / "cases.json"
    cases = json.loads(file.read_text()) if file.exists() else []
    dump = partial(yaml.safe_dump, default_flow_style=True)
    return [dump({"rules": case["relabel_configs"]}).encode() for case in cases]


JSON_GROUPS = Fuzzed("JSON groups", GROUPS, json_mutator(GROUP_WORDS), take_json_groups, (ConfigError,))
DNS = Fuzzed("DNS answers", [*map(dns_seed, range(len(ANSWERS)))], mutate_dns, take_dns, (ConfigError,))
RELABEL = Fuzzed(
    "relabel rules",
    RULES + outside_rules(),
    text_mutator(RULE_WORDS),
    take_rules,
    (ConfigError,),
    share=0.5,
)


@pytest.mark.parametrize("parser", [JSON_GROUPS, DNS, RELABEL], ids=lambda parser: parser.name)
def test_everything_is_read_or_refused(parser):
    run(parser)


def test_every_yaml_file_is_read_or_refused(take_yaml_groups):
    run(Fuzzed("YAML groups", GROUPS, text_mutator(YAML_WORDS), take_yaml_groups, (ConfigError,), share=0.5))


def test_every_action_is_among_the_seeds():
    text = b" ".join(RULES).decode().lower()
    missing = {action.value for action in RelabelAction if action.value not in text}
    assert missing <= {"replace", "dropequal", "lowercase"}
