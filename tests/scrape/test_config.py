from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.config import ConfigModel, parse_source, validate
from tocsin.config.scrape import ScrapeConfig, ScrapeProtocol, check_job_names
from tocsin.errors import ConfigError


class Jobs(ConfigModel):
    scrape_configs: tuple[ScrapeConfig, ...] = ()


def read(text: str) -> tuple[ScrapeConfig, ...]:
    return validate(Jobs, parse_source(text, "p.yml")).scrape_configs


FULL = """
scrape_configs:
- job_name: everything
  scrape_interval: 15s
  scrape_timeout: 5s
  scrape_protocols: [PrometheusText0.0.4, OpenMetricsText1.0.0]
  fallback_scrape_protocol: PrometheusText0.0.4
  metrics_path: /m
  scheme: https
  params: {"match[]": ['{job="a"}', up], token: [x]}
  honor_labels: true
  honor_timestamps: false
  follow_redirects: false
  enable_compression: false
  body_size_limit: 10MB
  sample_limit: 1000
  label_limit: 30
  label_name_length_limit: 200
  label_value_length_limit: 200
  target_limit: 10
  authorization: {type: Token, credentials_file: secret}
  tls_config: {ca_file: ca.pem, cert_file: c.pem, key_file: k.pem, server_name: n, insecure_skip_verify: yes}
  static_configs:
  - targets: ["a:1", "b:2"]
    labels: {zone: 7}
  file_sd_configs:
  - files: [t/*.yml, /abs/u.json]
    refresh_interval: 1m
  relabel_configs:
  - {source_labels: [a, b], target_label: c, regex: "(.*);x"}
  metric_relabel_configs:
  - {action: drop, source_labels: [__name__], regex: go_.*}
"""


def test_every_key_is_read():
    (job,) = read(FULL)
    assert job.scrape_protocols == (ScrapeProtocol.TEXT, ScrapeProtocol.OPENMETRICS)
    assert job.params == {"match[]": ('{job="a"}', "up"), "token": ("x",)}
    assert (job.honor_labels, job.honor_timestamps, job.follow_redirects) == (True, False, False)
    assert job.body_size_limit == 10 * 1024 * 1024
    assert job.static_configs[0].targets == ("a:1", "b:2")
    assert job.static_configs[0].labels == {"zone": "7"}
    assert job.metric_relabel_configs[0].regex == "go_.*"


def test_files_are_found_from_the_folder_of_the_configuration():
    (job,) = read(FULL)
    resolved = job.resolved(60_000, 10_000, Path("/etc/prom"))
    assert resolved.file_sd_configs[0].files == (Path("/etc/prom/t/*.yml"), Path("/abs/u.json"))
    assert resolved.tls_config.ca_file == Path("/etc/prom/ca.pem")
    assert resolved.authorization is not None
    assert resolved.authorization.credentials_file == Path("/etc/prom/secret")


def test_interval_and_timeout_are_inherited_and_the_timeout_is_cut():
    plain, short = read("scrape_configs: [{job_name: a}, {job_name: b, scrape_interval: 3s}]")
    resolved = plain.resolved(60_000, 10_000)
    assert (resolved.interval_ms, resolved.timeout_ms) == (60_000, 10_000)
    assert short.resolved(60_000, 10_000).timeout_ms == 3000
    with pytest.raises(ValueError, match="is not resolved"):
        assert plain.interval_ms


def test_an_own_timeout_above_the_inherited_interval_is_refused():
    (job,) = read("scrape_configs: [{job_name: a, scrape_timeout: 20s}]")
    with pytest.raises(
        ValueError, match='scrape_timeout 20s of the job "a" is longer than its scrape_interval 15s'
    ):
        job.resolved(15_000, 10_000)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{}", 'p.yml:2: the key "job_name" is missing in scrape_configs.0.|p.yml:2: .*job_name'),
        ("{job_name: a, scrap_interval: 1s}", 'p.yml:2: unknown key "scrap_interval" in scrape_configs'),
        (
            "{job_name: a, scrape_interval: 5s, scrape_timeout: 10s}",
            "p.yml:2: .*scrape_timeout 10s of the job",
        ),
        ("{job_name: a, scrape_interval: 0s}", "a duration longer than 0"),
        ("{job_name: a, scheme: ftp}", "p.yml:2: .*scheme.*'http' or 'https'.*\"ftp\""),
        ("{job_name: a, honor_labels: maybe}", 'honor_labels must be true or false, not "maybe"'),
        ("{job_name: a, body_size_limit: big}", 'not a size: "big"'),
        ("{job_name: a, sample_limit: -1}", "sample_limit"),
        (
            "{job_name: a, static_configs: [{targets: ['http://a/b']}]}",
            '"http://a/b" is not a valid host:port',
        ),
        ("{job_name: a, file_sd_configs: [{files: [x.txt]}]}", "must end in .json, .yml or .yaml"),
        (
            "{job_name: a, bearer_token: x, basic_auth: {username: u}}",
            "only one of basic_auth and bearer_token",
        ),
        ("{job_name: a, authorization: {type: basic}}", "use basic_auth"),
        ("{job_name: a, tls_config: {cert_file: c}}", "needs both cert_file and key_file"),
        ("{job_name: a, relabel_configs: [{action: hashmod, target_label: x}]}", "requires a modulus"),
        ("{job_name: a, scrape_protocols: [PrometheusText0.0.4, PrometheusText0.0.4]}", "stands twice"),
    ],
)
def test_faults_name_place_and_key(entry, message):
    with pytest.raises(ConfigError, match=message):
        read(f"scrape_configs:\n- {entry}\n")


def test_job_names_are_unique():
    check_job_names(read("scrape_configs: [{job_name: a}, {job_name: b}]"))
    with pytest.raises(ValueError, match='the job name "a" is used by 2 scrape configurations'):
        check_job_names(read("scrape_configs: [{job_name: a}, {job_name: a}]"))


def test_secrets_are_not_shown():
    (job,) = read("scrape_configs: [{job_name: a, basic_auth: {username: u, password: hidden}}]")
    assert "hidden" not in repr(job)
