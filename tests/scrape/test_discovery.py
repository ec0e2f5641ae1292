from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from tocsin.config.scrape import FileDiscoveryConfig, ScrapeConfig, TargetGroup
from tocsin.scrape.discovery import FileDiscovery, LocalDiscovery, StaticDiscovery, discoveries

GROUP = [{"targets": ["a:1"], "labels": {"x": "1"}}]


def addresses(discovery):
    return [target for group in discovery.groups() for target in group.targets]


def file_discovery(folder, *patterns):
    return FileDiscovery(FileDiscoveryConfig(files=tuple(str(folder / pattern) for pattern in patterns)))


def test_sources_of_a_job():
    static = {"static_configs": (TargetGroup(targets=("a:1",)),)}
    job = ScrapeConfig(job_name="j", **static, file_sd_configs=(FileDiscoveryConfig(files=("x.json",)),))
    assert [type(source) for source in discoveries(job)] == [StaticDiscovery, FileDiscovery]
    assert addresses(discoveries(job)[0]) == ["a:1"]


def test_json_and_yaml_by_glob(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(GROUP, indent="\t"))
    (tmp_path / "b.yml").write_text("- targets: [b:1]\n  labels: {n: 7}\n")
    (tmp_path / "c.txt").write_text("not mine")
    first, second = file_discovery(tmp_path, "*.json", "*.yml").groups()
    assert first.labels == {"x": "1", "__meta_filepath": str(tmp_path / "a.json")}
    assert (second.targets, second.labels["n"]) == (("b:1",), "7")


def test_files_come_change_and_go(tmp_path):
    discovery = file_discovery(tmp_path, "*.yml")
    assert addresses(discovery) == []
    file = tmp_path / "a.yml"
    file.write_text("- targets: [a:1]")
    assert addresses(discovery) == ["a:1"]
    file.write_text("- targets: [a:1, a:2]")
    assert addresses(discovery) == ["a:1", "a:2"]
    file.unlink()
    assert addresses(discovery) == []


@pytest.mark.parametrize(
    ("name", "broken", "message"),
    [
        ("a.json", "[{", "a.json:1: not valid JSON"),
        ("a.json", '{"targets": []}', "a.json: the file must be a list, not a mapping"),
        ("a.json", '[{"targets": ["a:1"], "label": {}}]', 'unknown key "label"'),
        ("a.json", '["a:1"]', "must be"),
        ("a.yml", "- targets: [a\n", "a.yml:2: not valid YAML"),
        ("a.yml", "- targets: a:1\n", "a.yml:1: .*targets must be a list"),
        ("a.json", b"\xff", "not valid JSON"),
        (
            "a.json",
            '[{"targets": ["a:1"], "labels": {"x": "\\ud800"}}]',
            r"a.json: not Unicode text: '\\ud800'",
        ),
        ("a.yml", '- labels: {x: "\\ud800"}', r"a.yml:1: half of a surrogate pair"),
        ("a.json", "[" * 100_000, "not valid JSON"),
    ],
)
def test_a_broken_file_counts_as_it_last_was(tmp_path, caplog, name, broken, message):
    file = tmp_path / name
    file.write_text(json.dumps(GROUP))
    discovery = file_discovery(tmp_path, name)
    assert addresses(discovery) == ["a:1"]
    file.write_bytes(broken if isinstance(broken, bytes) else broken.encode())
    assert addresses(discovery) == ["a:1"]
    assert addresses(discovery) == ["a:1"]
    (problem,) = discovery.problems.values()
    assert len(caplog.records) == 1, "reported once"
    assert re.search(message, problem)
    file.write_text("[]")
    assert addresses(discovery) == []
    assert discovery.problems == {}


def test_a_folder_of_the_right_name_is_a_problem_not_a_crash(tmp_path):
    (tmp_path / "a.json").mkdir()
    discovery = file_discovery(tmp_path, "*.json")
    assert addresses(discovery) == []
    assert "a.json" in str(discovery.problems)


@pytest.fixture
def announced(tmp_path, monkeypatch):
    monkeypatch.setenv("TOCSIN_RUNTIME_DIR", str(tmp_path))
    folder = tmp_path / "targets"
    folder.mkdir()
    return folder


def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_processes_announce_themselves(announced):
    (announced / f"{os.getpid()}-9000.json").write_text(json.dumps(GROUP))
    left_behind = announced / f"{dead_pid()}-9001.json"
    left_behind.write_text('[{"targets": ["dead:1"]}]')
    foreign = announced / "notes.json"
    foreign.write_text("[]")
    discovery = LocalDiscovery()
    assert addresses(discovery) == ["a:1"]
    assert not left_behind.exists()
    assert foreign.exists()


def test_no_runtime_folder_means_no_targets(monkeypatch, tmp_path):
    monkeypatch.setenv("TOCSIN_RUNTIME_DIR", str(tmp_path / "none"))
    assert LocalDiscovery().groups() == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_ignored(announced):
    (announced / f"{os.getpid()}-9000.json").write_text(json.dumps(GROUP))
    stranger = announced / f"{dead_pid()}-9001.json"
    stranger.write_text("[]")
    for path in (stranger, announced, announced.parent):
        os.chown(path, 12345, 12345)
    assert LocalDiscovery().groups() == []
    assert stranger.exists()
