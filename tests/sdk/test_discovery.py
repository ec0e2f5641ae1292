from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.sdk.receiver import wait_until
from tocsin.errors import ConfigError
from tocsin.runtime import announce, runtime_dir
from tocsin.sdk.discovery import LOOK_EVERY_S, Destination


class Watch:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def announce_server(url, pid=None):
    pid = pid or os.getpid()
    return announce("servers", f"{pid}.json", {"pid": pid, "url": url})


@pytest.fixture
def other_pid():
    """A process that lives as long as the test."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process.pid
    process.communicate(b"\n")


def test_nothing_is_there():
    assert Destination().current() is None


def test_the_url_named_wins(monkeypatch):
    announce_server("http://127.0.0.1:1")
    monkeypatch.setenv("TOCSIN_URL", "http://named.example:8627/")
    assert Destination().current() == "http://named.example:8627"
    assert Destination("https://argument.example").current() == "https://argument.example"


@pytest.mark.parametrize(
    "url", ["localhost:8627", "ftp://host", "http://", "http://host:port", "http://host:99999"]
)
def test_what_is_no_url_is_refused_in_one_sentence(url):
    with pytest.raises(ConfigError, match=r"allowed are URLs such as"):
        Destination(url)


def test_a_password_is_neither_sent_nor_shown():
    with pytest.raises(ConfigError) as caught:
        Destination("http://me:secret@host.example:8627")
    assert str(caught.value) == "the URL of host.example must not hold a user name or password"


def test_a_server_that_starts_later_is_found():
    watch = Watch()
    destination = Destination(monotonic_s=watch)
    assert destination.current() is None
    path = announce_server("http://127.0.0.1:1")
    assert destination.current() is None
    watch.now_s += LOOK_EVERY_S
    assert destination.current() == "http://127.0.0.1:1"
    path.unlink()
    watch.now_s += LOOK_EVERY_S
    assert destination.current() is None


def test_the_newest_server_wins_and_another_is_tried_when_it_fails(other_pid):
    older = announce_server("http://127.0.0.1:1")
    os.utime(older, (1, 1))
    announce_server("http://127.0.0.1:2", other_pid)
    watch = Watch()
    destination = Destination(monotonic_s=watch)
    assert destination.current() == "http://127.0.0.1:2"
    destination.failed()
    watch.now_s += LOOK_EVERY_S
    assert destination.current() == "http://127.0.0.1:1"


def test_files_of_dead_processes_and_broken_files_count_as_absent():
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    announce_server("http://127.0.0.1:1", dead.pid)
    folder = runtime_dir() / "servers"
    (folder / f"{os.getpid()}.json").write_text("{")
    (folder / f"{os.getpid()}-2.json").write_text(json.dumps(["http://127.0.0.1:1"]))
    (folder / "server.json").write_text(json.dumps({"url": "http://127.0.0.1:1"}))
    (folder / ("9" * 30 + ".json")).write_text(json.dumps({"url": "http://127.0.0.1:1"}))
    assert Destination().current() is None


def test_a_folder_of_somebody_else_is_not_believed(monkeypatch):
    announce_server("http://127.0.0.1:1")
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert Destination().current() is None
    with pytest.raises(ConfigError, match="belongs to user id"):
        announce_server("http://127.0.0.1:1")


def test_the_folder_is_private_and_a_file_is_never_seen_half_written():
    path = announce_server("http://127.0.0.1:1")
    assert (runtime_dir().stat().st_mode & 0o777) == 0o700
    wait_until(path.exists)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
