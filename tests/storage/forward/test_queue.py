"""The queue on disk gives back what was put in, in order, once, whatever happens in between."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.errors import StorageError
from tocsin.storage.forward import queue as queue_module
from tocsin.storage.forward import segment
from tocsin.storage.forward.queue import DiskQueue
from tocsin.storage.forward.segment import Record

LARGE = 1 << 30


def record(number, size=10):
    return Record(number.to_bytes(4, "little") * size, number % 5 + 1, 1000 * number)


def everything(queue):
    """All that waits, taken a few at a time."""
    found = []
    while taken := queue.read(7):
        found += [each.record for each in taken]
        queue.take(taken)
    return found


def test_what_was_put_in_comes_out(tmp_path):
    records = [record(number) for number in range(50)]
    queue = DiskQueue(tmp_path / "q", LARGE)
    queue.append(records[:20])
    queue.append(records[20:])
    assert queue.waiting_samples == sum(each.samples for each in records)
    assert everything(queue) == records
    assert queue.waiting_samples == 0
    queue.close()


def test_what_was_read_and_not_taken_comes_again(tmp_path):
    queue = DiskQueue(tmp_path, LARGE)
    queue.append([record(number) for number in range(5)])
    first = queue.read(3)
    assert queue.read(3) == first
    queue.take(first[:1])
    queue.close()
    again = DiskQueue(tmp_path, LARGE)
    assert [taken.record for taken in again.read(1000)] == [record(number) for number in range(1, 5)]
    again.close()


def test_a_read_gives_at_least_one(tmp_path):
    queue = DiskQueue(tmp_path, LARGE)
    queue.append([Record(b"x", 5000, 0), Record(b"y", 1, 0)])
    assert [taken.record.payload for taken in queue.read(10)] == [b"x"]
    queue.close()


def test_segments_that_were_taken_go_away(tmp_path, monkeypatch):
    monkeypatch.setattr(queue_module, "SEGMENT_BYTES", 200)
    queue = DiskQueue(tmp_path, LARGE)
    for number in range(30):
        queue.append([record(number)])
    assert len(list(tmp_path.glob("*.segment"))) > 5
    assert everything(queue) == [record(number) for number in range(30)]
    assert len(list(tmp_path.glob("*.segment"))) == 1
    queue.close()


def test_the_oldest_make_room_and_are_counted(tmp_path):
    queue = DiskQueue(tmp_path, 4000)
    records = [record(number) for number in range(200)]
    for each in records:
        queue.append([each])
    assert queue.size_bytes <= 4000
    kept = everything(queue)
    assert kept == records[-len(kept) :]
    assert 20 < len(kept) < 100
    assert queue.dropped_samples == sum(each.samples for each in records[: -len(kept)])
    queue.close()


def test_dropping_what_is_being_sent(tmp_path):
    queue = DiskQueue(tmp_path, 2000)
    queue.append([record(0)])
    under_way = queue.read(1)
    for number in range(1, 100):
        queue.append([record(number)])
    queue.take(under_way)
    kept = everything(queue)
    assert kept[-1] == record(99)
    total = sum(record(number).samples for number in range(100))
    assert queue.dropped_samples == total - sum(each.samples for each in kept)
    queue.close()


@pytest.mark.parametrize("damage", ["torn", "flipped", "garbage", "empty"])
def test_a_damaged_end_is_left_out_and_the_queue_goes_on(tmp_path, damage):
    queue = DiskQueue(tmp_path, LARGE)
    queue.append([record(number) for number in range(5)])
    queue.close()
    (path,) = tmp_path.glob("*.segment")
    content = path.read_bytes()
    size = segment.size_of(record(4))
    changed = {
        "torn": content[:-7],
        "flipped": content[:-size] + bytes([content[-size] ^ 0]) + content[1 - size : -1] + b"\xff",
        "garbage": content[:-size] + random.Random(1).randbytes(size),
        "empty": b"",
    }
    path.write_bytes(changed[damage])
    again = DiskQueue(tmp_path, LARGE)
    again.append([record(9)])
    whole = [] if damage == "empty" else [record(number) for number in range(4)]
    assert everything(again) == [*whole, record(9)]
    again.close()


def test_a_position_that_is_lost_or_damaged_starts_anew(tmp_path):
    queue = DiskQueue(tmp_path, LARGE)
    queue.append([record(1), record(2)])
    queue.take(queue.read(1))
    queue.close()
    (tmp_path / "position").write_text("one two")
    again = DiskQueue(tmp_path, LARGE)
    assert everything(again) == [record(1), record(2)]
    again.close()


def test_a_folder_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"^cannot use the queue in .*file/q: "):
        DiskQueue(tmp_path / "file" / "q", LARGE)


def test_a_disk_that_is_full_harms_nothing_that_is_there(tmp_path, monkeypatch):
    queue = DiskQueue(tmp_path, LARGE)
    queue.append([record(1)])

    def full(_file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(segment, "sync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        queue.append([record(2)])
    monkeypatch.undo()
    queue.append([record(3)])
    assert queue.waiting_samples == record(1).samples + record(3).samples
    assert everything(queue) == [record(1), record(3)]
    queue.close()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 4)),
        st.tuples(st.just("take"), st.integers(1, 12)),
        st.tuples(st.just("reopen"), st.just(0)),
    ),
    max_size=30,
)


@settings(max_examples=60)
@given(steps)
def test_it_agrees_with_a_list(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("queue")
    queue, oracle, number = DiskQueue(folder, 4 * 300), [], 0
    queue._max_bytes = LARGE
    for what, count in steps:
        match what:
            case "append":
                new = [record(number + each) for each in range(count)]
                number += count
                queue.append(new)
                oracle += new
            case "take":
                taken = queue.read(count)
                assert [each.record for each in taken] == oracle[: len(taken)]
                assert bool(taken) == bool(oracle)
                queue.take(taken)
                del oracle[: len(taken)]
            case _:
                queue.close()
                queue = DiskQueue(folder, 4 * 300)
                queue._max_bytes = LARGE
        assert queue.waiting_samples == sum(each.samples for each in oracle)
    assert everything(queue) == oracle
    queue.close()


@given(st.binary(max_size=300))
def test_no_bytes_trouble_the_reader(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("segment") / "1.segment"
    path.write_bytes(segment.MAGIC + content)
    for stored in segment.read(path):
        assert stored.end <= len(segment.MAGIC) + len(content)
