"""The new lines of a log."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin.collect.nemo_run import log_tail
from tocsin.collect.nemo_run.log_tail import LogTail


def test_a_file_that_is_not_there_yet(tmp_path):
    tail = LogTail(tmp_path / "log")
    assert tail.read() == []
    (tmp_path / "log").write_text("a\n")
    assert tail.read() == ["a"]


def test_a_file_that_begins_anew(tmp_path):
    path = tmp_path / "log"
    path.write_text("one\ntwo\n")
    tail = LogTail(path)
    assert tail.read() == ["one", "two"]
    path.write_text("three\n")
    assert tail.read() == ["three"]


def test_a_line_without_an_end_stops_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(log_tail, "MAX_READ_BYTES", 4)
    path = tmp_path / "log"
    path.write_text("abcdefgh\nx\n")
    tail = LogTail(path)
    assert [tail.read() for _ in range(3)] == [["abcd"], ["efgh"], ["", "x"]]


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(st.lists(st.text("ab\n", max_size=9), max_size=9))
def test_every_line_comes_once(tmp_path_factory, parts):
    path = tmp_path_factory.mktemp("logs") / "log"
    tail, seen = LogTail(path), []
    for part in parts:
        with path.open("a") as file:
            file.write(part)
        seen += tail.read()
    whole = "".join(parts)
    assert seen == whole[: whole.rfind("\n") + 1].splitlines()
