from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.scrape.dns_server import resolver_of
from tocsin.config.scrape import DnsDiscoveryConfig, ScrapeConfig
from tocsin.scrape.discovery import discoveries
from tocsin.scrape.dns_discovery import DnsDiscovery

ZONE = {
    ("_metrics._tcp.example.org", "SRV"): ["0 0 9100 node-1.example.org.", "0 0 9200 node-2.example.org."],
    ("example.org", "A"): ["192.0.2.1", "192.0.2.2"],
    ("example.org", "AAAA"): ["2001:db8::1"],
    ("example.org", "MX"): ["10 mail.example.org."],
    ("example.org", "NS"): ["ns.example.org."],
}


def found(zone, **config):
    with resolver_of(zone) as resolver:
        discovery = DnsDiscovery(DnsDiscoveryConfig(**config), resolver=resolver)
        groups = {group.targets[0]: dict(group.labels) for group in discovery.groups()}
    return groups, discovery.problems


def test_services_name_host_and_port():
    name = "_metrics._tcp.example.org"
    groups, problems = found(ZONE, names=(name,))
    assert problems == {}
    assert groups == {
        f"node-{number}.example.org:{port}": {
            "__meta_dns_name": name,
            "__meta_dns_srv_record_target": f"node-{number}.example.org.",
            "__meta_dns_srv_record_port": str(port),
        }
        for number, port in ((1, 9100), (2, 9200))
    }


@pytest.mark.parametrize(
    ("kind", "targets", "extra"),
    [
        ("A", ["192.0.2.1:80", "192.0.2.2:80"], {}),
        ("aaaa", ["[2001:db8::1]:80"], {}),
        ("MX", ["mail.example.org:80"], {"__meta_dns_mx_record_target": "mail.example.org."}),
        ("NS", ["ns.example.org:80"], {"__meta_dns_ns_record_target": "ns.example.org."}),
    ],
)
def test_other_records_take_the_port_of_the_configuration(kind, targets, extra):
    groups, _ = found(ZONE, names=("example.org",), type=kind, port=80)
    assert sorted(groups) == targets
    assert all(labels == {"__meta_dns_name": "example.org", **extra} for labels in groups.values())


@pytest.mark.parametrize("name", ["nowhere.example.org", "_metrics._tcp.example.org"])
def test_names_without_such_records_have_no_targets(name):
    assert found(ZONE, names=(name,), type="A", port=80) == ({}, {})


def test_while_a_name_server_fails_targets_stay():
    zone = dict(ZONE)
    now_s = [0.0]
    with resolver_of(zone) as resolver:
        config = DnsDiscoveryConfig(names=("example.org",), type="A", port=80, refresh_interval="10s")
        discovery = DnsDiscovery(config, lambda: now_s[0], resolver)
        assert len(discovery.groups()) == 2
        zone["example.org", "FAIL"] = []
        now_s[0] = 5.0
        assert len(discovery.groups()) == 2
        assert discovery.problems == {}, "not asked again before its time"
        now_s[0] = 10.0
        assert len(discovery.groups()) == 2
        assert 'cannot look up "example.org" (A)' in discovery.problems["example.org"]
        del zone["example.org", "FAIL"]
        zone["example.org", "A"] = ["192.0.2.3"]
        now_s[0] = 20.0
        assert [group.targets for group in discovery.groups()] == [("192.0.2.3:80",)]
        assert discovery.problems == {}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"names": ()}, "names"),
        ({"names": ("a",), "type": "A"}, "a port is needed for records of the type A"),
        ({"names": ("a",), "type": "TXT"}, "type"),
        ({"names": ("a",), "port": 70_000}, "port"),
    ],
)
def test_faults_of_the_configuration(config, message):
    with pytest.raises(ValidationError, match=message):
        DnsDiscoveryConfig(**config)


def test_a_job_has_it():
    job = ScrapeConfig(job_name="j", dns_sd_configs=({"names": ("a",)},))
    assert [type(source) for source in discoveries(job)] == [DnsDiscovery]
