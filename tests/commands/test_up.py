"""``tocsin up`` with something wrong: one sentence, and the exit status 2."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from tocsin.commands.app import run


def tocsin(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tocsin", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def assert_is_one_sentence(ended: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert ended.returncode == 2, ended
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    for part in parts:
        assert part in ended.stderr


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("scrape_configs: [", [":1: not valid YAML"]),
        ("global: {}\nunknown: 1", [':2: unknown key "unknown"', "allowed: alerting"]),
        ("global:\n  scrape_interval: fast", [":2: ", "scrape_interval", '"fast"']),
        ("scrape_configs: 5", [":1: scrape_configs must be a list"]),
        ("scrape_configs:\n- {job_name: a}\n- {job_name: a}", [":3: ", 'job name "a"']),
        ("rule_files: [absent.yml]", [":1: ", '"absent.yml" does not exist']),
        ("rule_files: [bad-rules.yml]", ["bad-rules.yml:4: ", "expr"]),
        ("alertmanager_config: absent-am.yml", ["absent-am.yml: cannot read the file"]),
        ("alertmanager: {route: {receiver: x}}", [":1: ", '"x"']),
        ("collectors: {custom: [nowhere:Thing]}", ["nowhere:Thing"]),
    ],
)
def test_a_wrong_configuration_names_file_line_and_key(tmp_path, text, parts):
    (tmp_path / "bad-rules.yml").write_text("groups:\n- name: g\n  rules:\n  - {alert: A, expr: 'sum('}\n")
    file = tmp_path / "tocsin.yml"
    file.write_text(text)
    ended = tocsin("up", "--config", str(file), "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"))
    assert_is_one_sentence(ended, *parts)


def test_a_port_in_use(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = tocsin("up", "--listen", f"127.0.0.1:{port}", "--data", str(tmp_path))
    assert_is_one_sentence(ended, f"127.0.0.1:{port}", "the port is in use")
    assert list(tmp_path.glob("*.duckdb")) == []


@pytest.mark.parametrize("listen", ["8627", "127.0.0.1:x", "127.0.0.1:99999", ":8627"])
def test_an_address_that_is_none(tmp_path, listen):
    assert_is_one_sentence(tocsin("up", "--listen", listen, "--data", str(tmp_path)), "HOST:PORT", listen)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    ended = tocsin("up", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "file" / "data"))
    assert_is_one_sentence(ended, "cannot use the data folder")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    ended = tocsin("up", "--listen", "127.0.0.1:0", "--data", str(folder))
    assert_is_one_sentence(ended, "permission denied")


def test_an_unknown_option_is_wrong_usage():
    assert tocsin("up", "--colour").returncode == 2
    assert tocsin("nothing").returncode == 2


@pytest.mark.parametrize("url", ["", "tocsin.example", "ftp://x", "https://"])
def test_an_external_url_that_is_none_is_one_sentence(url, capsys):
    assert run(["up", "--external-url", url]) == 2
    assert "--external-url must begin with http://" in capsys.readouterr().err
