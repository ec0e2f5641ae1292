"""``tocsin import``, of files that real monitors wrote, into a real server."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import math
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sdk.receiver import Receiver
from tests.support.process import running_tocsin
from tocsin.commands.app import run
from tocsin.commands.run_lines import RunLineParser
from tocsin.errors import ParseError
from tocsin.receive import decode_text_import
from tocsin.sdk import TrainingMonitor, lines
from tocsin.sdk.guard import Guard
from tocsin.sdk.names import Names, label_text
from tocsin.sdk.outlets import json_lines

HEADER = {"tocsin_run": 1, "labels": {"job": "training", "run": "digits"}}


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("import")
    environment = {"TOCSIN_RUNTIME_DIR": str(folder / "runtime")}
    with running_tocsin(folder, "collectors: {enabled: false}", environment=environment) as tocsin:
        yield tocsin


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where monitors write."""
    monkeypatch.setenv("TOCSIN_OFFLINE", str(tmp_path / "runs"))
    return tmp_path / "runs"


def values(tocsin, metric, name):
    series = tocsin.query(f'{metric}{{run="{name}"}}[1h]')
    assert len(series) <= 1
    return [(round(time_s * 1000), float(value)) for each in series for time_s, value in each["values"]]


def text_of(*contents):
    return "".join(json.dumps(content) + "\n" for content in contents)


def record(offset_ms=0, /, **values):
    return {"time_ms": time.time_ns() // 1_000_000 - 60_000 + offset_ms, "values": values}


def test_a_run_is_imported_with_its_times_and_again_without_doubling(tocsin, folder, capsys):
    losses = [0.5, math.nan, 0.25, math.inf]
    with TrainingMonitor("first", total_steps=4, labels={"team": 'a "quoted" one'}) as training:
        for loss in losses:
            training.step(loss=loss, lr=0.1)
    (path,) = folder.glob("first-*.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    times = [row["time_ms"] for row in rows if "training_loss" in row.get("values", {})]
    for _ in range(2):
        assert run(["import", str(path), "--url", tocsin.url]) == 0
        found = values(tocsin, "training_loss", "first")
        assert [time_ms for time_ms, _ in found] == times
        assert repr([value for _, value in found]) == repr(losses)
        assert [value for _, value in values(tocsin, "training_step", "first")] == [1, 2, 3, 4]
        assert values(tocsin, "training_status", "first")[-1][1] == 2
    (series,) = tocsin.query('training_loss{run="first"}')
    assert series["metric"]["team"] == 'a "quoted" one'
    out = capsys.readouterr().out.splitlines()
    assert out[0] == out[1]
    sample_count = sum(len(row.get("values", ())) for row in rows)
    assert out[0].startswith(f"1 file: {sample_count} samples of ")
    assert out[0].endswith(f"to {tocsin.url}")


def test_a_folder_gzip_and_the_standard_input_are_taken(tocsin, tmp_path, capsys, monkeypatch):
    runs = tmp_path / "runs" / "deeper"
    runs.mkdir(parents=True)
    for number, write in enumerate((lambda text: text, gzip.compress)):
        header = {**HEADER, "labels": {"run": f"many-{number}"}}
        suffix = ".gz" if write is gzip.compress else ""
        text = text_of(header, record(training_loss=number)).encode()
        (runs / f"{number}.jsonl{suffix}").write_bytes(write(text))
    assert run(["import", str(tmp_path / "runs"), "--url", tocsin.url]) == 0
    assert "2 files: 2 samples of 2 series" in capsys.readouterr().out
    assert [values(tocsin, "training_loss", f"many-{n}")[0][1] for n in range(2)] == [0, 1]
    text = text_of({**HEADER, "labels": {"run": "piped"}}, record(training_loss=3.0))
    piped = io.BufferedReader(io.BytesIO(gzip.compress(text.encode())))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(piped))
    assert run(["import", "-", "--url", tocsin.url]) == 0
    assert values(tocsin, "training_loss", "piped")[0][1] == 3


def test_wrong_lines_are_told_with_their_numbers_and_the_rest_is_taken(tocsin, tmp_path, capsys):
    path = tmp_path / "x.jsonl"
    good = [record(n, training_loss=float(n)) for n in range(3)]
    header = {**HEADER, "labels": {"run": "wrong"}}
    text = text_of(header, good[0]) + "{nonsense\n" + text_of(good[1], {"time_ms": -1, "values": {}}, good[2])
    path.write_text(text + '{"time_ms": 17000000')
    assert run(["import", str(path), "--url", tocsin.url]) == 1
    printed = capsys.readouterr()
    assert f"{path}:3: it is no JSON\n" in printed.err
    assert f'{path}:5: its "time_ms" is -1' in printed.err
    assert f"{path}:7" not in printed.err, "a torn last line is no fault"
    assert "2 lines are wrong and left out" in printed.out
    assert [value for _, value in values(tocsin, "training_loss", "wrong")] == [0, 1, 2]


def test_an_archive_that_is_cut_off_gives_what_is_there(tocsin, tmp_path, capsys):
    header = {**HEADER, "labels": {"run": "cut"}}
    text = text_of(header, *(record(n, training_loss=n / 7) for n in range(2000)))
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(text.encode())[:-2000])
    assert run(["import", str(path), "--url", tocsin.url]) == 0
    count = len(values(tocsin, "training_loss", "cut"))
    assert 100 < count < 2000
    assert f"{count:,} samples of 1 series" in capsys.readouterr().out


def test_what_cannot_work_is_one_sentence(tocsin, tmp_path, capsys, receiver):
    (tmp_path / "x.jsonl").write_text(text_of(HEADER, record(training_loss=1.0)))
    receiver.status = 404
    (tmp_path / "empty").mkdir()
    for arguments, sentence in (
        ([str(tmp_path / "nothing")], "cannot read"),
        ([str(tmp_path / "empty")], "there is no file of a run"),
        ([str(tmp_path / "x.jsonl"), "--url", "http://127.0.0.1:9"], "no answer from http://127.0.0.1:9"),
        ([str(tmp_path / "x.jsonl"), "--url", receiver.url], "takes nothing: status 404"),
    ):
        assert run(["import", *arguments]) == 2
        (line,) = [each for each in capsys.readouterr().err.splitlines() if each.startswith("tocsin: ")]
        assert sentence in line


def test_what_the_server_refuses_is_told(tmp_path, capsys, receiver):
    (tmp_path / "x.jsonl").write_text(text_of(HEADER, record(training_loss=1.0)))
    receiver.status, receiver.answer = 400, b'{"status":"error","error":"1 samples out of order are refused"}'
    assert run(["import", str(tmp_path / "x.jsonl"), "--url", receiver.url]) == 1
    assert "refuses some samples: 1 samples out of order are refused" in capsys.readouterr().out


def test_a_run_that_was_killed_is_imported_up_to_its_end(tocsin, folder):
    program = """
import os, time, tocsin
with tocsin.TrainingMonitor("killed") as run:
    for n in range(20):
        run.step(loss=float(n))
        time.sleep(0.05)
    os.kill(os.getpid(), 9)
"""
    ended = subprocess.run([sys.executable, "-c", program], timeout=60, check=False)
    assert ended.returncode == -9
    assert run(["import", str(folder), "--url", tocsin.url]) == 0
    losses = [value for _, value in values(tocsin, "training_loss", "killed")]
    assert losses == list(map(float, range(len(losses))))
    assert len(losses) >= 10


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "3",
        "[" * 100_000,
        '{"values": {"a": 1}}',
        '{"time_ms": 1.5, "values": {"a": 1}}',
        '{"time_ms": true, "values": {"a": 1}}',
        '{"time_ms": 1, "values": [1]}',
        '{"time_ms": 1, "values": {"a b": 1}}',
        '{"time_ms": 1, "values": {"a": "1"}}',
        '{"time_ms": 1, "values": {"a": true}}',
        '{"time_ms": 1, "values": {"a": null}}',
        '{"time_ms": 1, "values": {"a": 1' + "0" * 400 + "}}",
        '{"time_ms": 1, "labels": {"__name__": "x"}, "values": {"a": 1}}',
        '{"time_ms": 1, "labels": {"a": 1}, "values": {"a": 1}}',
        '{"time_ms": 1, "labels": null, "values": {"a": 1}}',
        '{"tocsin_run": 2, "labels": {}}',
        '{"tocsin_run": 1}',
    ],
)
def test_a_line_that_is_wrong_is_refused(line):
    parser = RunLineParser()
    parser.parse(json.dumps(HEADER))
    with pytest.raises(ParseError):
        parser.parse(line)


NUMBERS = st.floats(width=64) | st.integers(-(10**300), 10**300)
LABELS = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), st.text(max_size=20), max_size=4
)


@given(
    LABELS,
    st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), NUMBERS, max_size=5),
    st.integers(0, 10**13),
)
def test_what_is_written_is_read_as_if_it_had_been_pushed(labels, values, time_ms):
    guard = Guard("test")
    row = (time_ms, 7, values)
    parser = RunLineParser()
    parser.parse(json_lines.header_line(labels))
    (line,) = json_lines.row_lines([row], Names(guard), guard)
    pushed = "".join(lines.row_lines([row], Names(guard), label_text(labels), guard))
    assert stored(parser.parse(line).lines()) == stored(pushed)


def stored(text):
    """What a server makes of lines: of two values of a series the later one."""
    batch = decode_text_import(text.encode(), "", 0).batch
    samples = zip(batch.series_index, batch.timestamps_ms, batch.values, strict=True)
    return {(batch.series[index], int(time_ms)): repr(float(value)) for index, time_ms, value in samples}


@given(
    st.text() | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps)
)
def test_whatever_a_line_holds_it_is_samples_or_refused(text):
    parser = RunLineParser()
    parser.parse(json.dumps(HEADER))
    with contextlib.suppress(ParseError):
        parser.parse(text)


def test_a_line_before_all_labels_is_refused():
    with pytest.raises(ParseError, match="stands before the line"):
        RunLineParser().parse('{"time_ms": 1, "values": {"a": 1}}')
