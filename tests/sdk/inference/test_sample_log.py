"""The sample of inputs and outputs."""

from __future__ import annotations

import json
import stat
import time
from datetime import datetime

import numpy as np
import pytest

from tests.sdk.inference.helpers import value
from tocsin.sdk.guard import Guard
from tocsin.sdk.inference.sample_log import MOST_WAITING, SampleLog, SampleWriter


def writer_of(tmp_path, **settings):
    log = SampleLog(tmp_path / "logs" / "samples.jsonl", **{"rate": 1.0, **settings})
    return SampleWriter(log, "m", Guard("test"))


def entries(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_without_a_log_nothing_is_kept(monitor):
    monitor.sample("1", inputs="secret", outputs="secret")
    assert monitor._core._writer is None


def test_inputs_outputs_and_labels_are_lines_that_only_the_user_reads(make_monitor, tmp_path):
    path = tmp_path / "samples.jsonl"
    monitor = make_monitor("m", samples=SampleLog(path, rate=1.0))
    monitor.sample("1", inputs={"x": np.arange(3)}, outputs=np.float32(0.5))
    monitor.labelled("1", "cat")
    monitor.close()
    first, second = entries(path)
    assert (first["model"], first["id"], first["inputs"], first["outputs"]) == (
        "m",
        "1",
        {"x": [0, 1, 2]},
        0.5,
    )
    assert (second["id"], second["label"]) == ("1", "cat")
    written = datetime.fromisoformat(first["timestamp"])
    assert first["timestamp"].endswith("Z")
    assert abs(written.timestamp() - time.time()) < 60
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert value(monitor, "inference_samples_written_total") == 2


def test_an_id_is_in_the_sample_with_all_its_parts_or_not_at_all(tmp_path):
    writer = writer_of(tmp_path, rate=0.2)
    for key in range(200):
        writer.offer(key, inputs=key)
        writer.offer(key, label=key)
    writer.write()
    found = entries(writer.path)
    inputs, labels = ({each["id"] for each in found if part in each} for part in ("inputs", "label"))
    assert inputs == labels
    assert 15 < len(inputs) < 70


def test_without_an_id_chance_decides(tmp_path):
    writer = writer_of(tmp_path, rate=0.5)
    for _ in range(200):
        writer.offer(None, inputs=1)
    assert 50 < len(writer._waiting) < 150


def test_a_rate_of_nothing_writes_nothing(tmp_path):
    writer = writer_of(tmp_path, rate=0.0)
    writer.offer("1", inputs=1)
    writer.write()
    assert not writer.path.parent.exists()


def test_redaction_sees_plain_data_and_decides(tmp_path):
    mine = {"name": "Ada", "age": np.int64(36)}

    def redact(entry):
        if entry["id"] == "secret":
            return None
        entry["inputs"].pop("name")
        return entry

    writer = writer_of(tmp_path, redact=redact)
    writer.offer("1", inputs=mine)
    writer.offer("secret", inputs=mine)
    writer.write()
    assert [each["inputs"] for each in entries(writer.path)] == [{"age": 36}]
    assert mine == {"name": "Ada", "age": 36}


def test_what_redaction_fails_at_is_not_written(tmp_path, caplog):
    writer = writer_of(tmp_path, redact=lambda entry: {}[entry["inputs"]])
    writer.offer("1", inputs="secret")
    writer.write()
    assert not writer.path.exists()
    assert "secret" not in caplog.text
    assert len(caplog.records) == 1
    assert [each.value for each in writer.readings()] == [0, 1]


def test_large_entries_lose_their_contents(tmp_path):
    writer = writer_of(tmp_path, entry_bytes=500)
    writer.offer("1", inputs="x" * 1000, outputs="y")
    writer.write()
    (entry,) = entries(writer.path)
    assert entry["truncated"] is True
    assert "inputs" not in entry
    assert entry["id"] == "1"


def test_files_are_rotated_and_their_number_is_bounded(tmp_path):
    writer = writer_of(tmp_path, file_bytes=1000, files=2)
    for number in range(60):
        writer.offer(str(number), inputs="x" * 50)
        writer.write()
    names = sorted(path.name for path in writer.path.parent.iterdir())
    assert names == ["samples.jsonl", "samples.jsonl.1", "samples.jsonl.2"]
    assert all(path.stat().st_size <= 1000 for path in writer.path.parent.iterdir())
    order = [
        int(each["id"])
        for name in ("samples.jsonl.2", "samples.jsonl.1", "samples.jsonl")
        for each in entries(writer.path.with_name(name))
    ]
    assert order == list(range(order[0], 60))


def test_a_full_queue_drops_and_counts(tmp_path):
    writer = writer_of(tmp_path)
    for number in range(MOST_WAITING + 10):
        writer.offer(str(number), inputs=1)
    writer.write()
    assert [each.value for each in writer.readings()] == [MOST_WAITING, 10]


@pytest.mark.parametrize("trouble", ["a file in the way", "a full disk"])
def test_what_cannot_be_written_is_told_once_and_dropped(tmp_path, caplog, trouble):
    writer = writer_of(tmp_path)
    if trouble == "a full disk":
        writer.path = type(writer.path)("/dev/full")
    else:
        (tmp_path / "logs").write_text("")
    for _ in range(3):
        writer.offer("1", inputs=1)
        writer.write()
    assert [each.value for each in writer.readings()] == [0, 3]
    assert len(caplog.records) == 1


def test_workers_write_to_files_of_their_own(tmp_path):
    writer = writer_of(tmp_path)
    writer.tell_apart("2")
    writer.offer("1", inputs=1)
    writer.write()
    assert (tmp_path / "logs" / "samples-2.jsonl").exists()


def test_wrong_settings_are_told_once(make_monitor, caplog):
    monitor = make_monitor("m", samples=SampleLog(path=3))
    monitor.sample("1", inputs=1)
    monitor.close()
    assert "no samples are kept" in caplog.text


def test_settings_of_the_wrong_type_raise_nothing(make_monitor, tmp_path, caplog):
    monitor = make_monitor("m", samples=SampleLog(tmp_path / "s", rate="all"))
    monitor.sample("1", inputs=1)
    monitor.close()
    assert "a sample of a request is dropped" in caplog.text
