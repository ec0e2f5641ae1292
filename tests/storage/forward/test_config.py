"""The section remote_write, as prometheus.yml has it."""

from __future__ import annotations

import pytest

from tocsin.config.settings import load_settings
from tocsin.errors import ConfigError

FULL = """
remote_write:
  - url: https://mimir.example.com/api/v1/push
    name: estate
    remote_timeout: 10s
    headers: {X-Scope-OrgID: team}
    authorization: {credentials_file: token}
    tls_config: {ca_file: ca.pem}
    write_relabel_configs: [{source_labels: [job], regex: secret, action: drop}]
    queue_config: {capacity: 2500, min_shards: 1, max_shards: 8, max_samples_per_send: 500, max_size: 2GB}
    metadata_config: {send: true}
    send_exemplars: true
  - url: http://127.0.0.1:8428/api/v1/write
"""


def load(folder, text):
    file = folder / "tocsin.yml"
    file.write_text(text)
    return load_settings(file)


def test_what_prometheus_takes(tmp_path):
    first, second = load(tmp_path, FULL).remote_write
    assert (first.queue_name, second.queue_name) == ("estate", "127.0.0.1-8428-api-v1-write")
    assert first.timeout == 10_000
    assert first.authorization.credentials_file == tmp_path / "token"
    assert first.queue_config.max_size == 2 << 30
    assert first.queue_config.max_shards == 8
    assert "team" not in first.model_dump_json()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{}", 'the key "url" is missing in remote_write[0]'),
        ("{url: 'ftp://x'}", "a URL is needed that begins with http:// or https://"),
        ("{url: 'http://x', name: '../up'}", 'the name "../up" may only hold letters'),
        ("{url: 'http://x', queue_config: {max_size: 5KB}}", "max_size must be 1MB or more, not 5120 bytes"),
        (
            "{url: 'http://x', queue_config: {min_backoff: 5s, max_backoff: 1s}}",
            "max_backoff is shorter than min_backoff",
        ),
        ("{url: 'http://x'}, {url: 'http://x'}", 'the name "x" stands twice in remote_write'),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path, entry, message):
    with pytest.raises(ConfigError) as failure:
        load(tmp_path, f"remote_write: [{entry}]\n")
    assert message in str(failure.value)
    assert "\n" not in str(failure.value)
