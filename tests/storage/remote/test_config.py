"""The section storage: what it takes, and what it refuses with one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.config.settings import load_settings
from tocsin.errors import ConfigError

BOTH_URLS = "type: prometheus, write_url: 'http://p', query_url: 'http://p'"


def load(folder: Path, storage: str):
    file = folder / "tocsin.yml"
    file.write_text(f"storage: {storage}\n")
    return load_settings(file)


def test_the_default_is_a_file_of_our_own(tmp_path):
    storage = load(tmp_path, "{hot: 1h, retention: 2d}").storage
    assert (storage.type, storage.hot, storage.retention) == ("duckdb", 3_600_000, 172_800_000)


@pytest.mark.parametrize(
    ("write_url", "query_url", "base"),
    [
        ("http://p:9090/api/v1/write", "http://p:9090", "http://p:9090"),
        ("http://p:9090/api/v1/write", "http://p:9090/", "http://p:9090"),
        ("http://p:9090/api/v1/write", "http://p:9090/api/v1/query", "http://p:9090"),
        (
            "http://vminsert:8480/insert/0/prometheus/api/v1/write",
            "http://vmselect:8481/select/0/prometheus/",
            "http://vmselect:8481/select/0/prometheus",
        ),
        ("https://mimir/api/v1/push", "https://mimir/prometheus", "https://mimir/prometheus"),
    ],
)
def test_addresses(tmp_path, write_url, query_url, base):
    storage = load(
        tmp_path, f"{{type: prometheus, write_url: '{write_url}', query_url: '{query_url}'}}"
    ).storage
    assert (storage.write_url, storage.query_url) == (write_url, base)


def test_files_are_relative_and_secrets_hidden(tmp_path):
    settings = load(
        tmp_path,
        "{type: prometheus, write_url: 'http://p/w', query_url: 'http://p', timeout: 5s, "
        "headers: {X-Scope-OrgID: team}, basic_auth: {username: u, password_file: pass}, "
        "tls_config: {ca_file: ca.pem}}",
    )
    assert settings.storage.basic_auth.password_file == tmp_path / "pass"
    assert settings.storage.tls_config.ca_file == tmp_path / "ca.pem"
    assert settings.storage.timeout == 5000
    assert "team" not in settings.model_dump_json() + repr(settings)


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("{type: mysql}", "storage.type: input should be 'duckdb' or 'prometheus', not \"mysql\""),
        ("{type: prometheus, query_url: 'http://p'}", "type: prometheus needs write_url and query_url"),
        ("{write_url: 'http://p'}", 'the key "write_url" has no meaning for type: duckdb'),
        (
            "{type: prometheus, hot: 1h, write_url: 'http://p', query_url: 'http://p'}",
            'the key "hot" has no meaning for type: prometheus',
        ),
        (
            "{type: prometheus, write_url: 'p:9090', query_url: 'http://p'}",
            "storage.write_url: a URL is needed that begins with http:// or https:// and names a host",
        ),
        (
            "{type: prometheus, write_url: 'http://a:b@p', query_url: 'http://p'}",
            "storage.write_url: the URL holds a user or a password (use basic_auth)",
        ),
        (
            "{type: prometheus, write_url: 'http://p', query_url: 'http://p', headers: {Host: x}}",
            'storage.headers: the header "Host" is set by tocsin (credentials: see authorization)',
        ),
        (
            f"{{{BOTH_URLS}, basic_auth: {{username: u}}, authorization: {{credentials: c}}}}",
            "takes only one of basic_auth and authorization",
        ),
        ("{typ: duckdb}", 'unknown key "typ" in storage'),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path, storage, message):
    with pytest.raises(ConfigError) as failure:
        load(tmp_path, storage)
    assert message in str(failure.value)
    assert "\n" not in str(failure.value)
    assert "tocsin.yml:1" in str(failure.value)
