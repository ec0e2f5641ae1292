"""One ``/metrics`` for many processes that come and go."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.sdk.receiver import wait_until
from tests.support.ports import free_port
from tocsin.runtime import runtime_dir
from tocsin.sdk import TrainingMonitor
from tocsin.sdk.members import folder as module
from tocsin.sdk.members.folder import MOST_TOTALS, MemberFolder
from tocsin.sdk.members.identity import Identity
from tocsin.sdk.members.member import Member
from tocsin.sdk.readings import Reading

GONE = Identity(2**22 - 1, 1)
"""Of no process: numbers are smaller, and none has started so early."""


def scraped(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        families = text_string_to_metric_families(response.read().decode())
        return [sample for family in families for sample in family.samples]


def values(port, name, *labels):
    """Of each series its value, by the labels that are asked for."""
    return {
        tuple(sample.labels.get(label) for label in labels): sample.value
        for sample in scraped(port)
        if sample.name == name
    }


@contextlib.contextmanager
def program(text, *arguments):
    """Another process, which ends when its input does."""
    text = textwrap.dedent(text) + "\nsys.stdin.read()\n"
    process = subprocess.Popen(
        [sys.executable, "-c", text, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.stdin.close()
        process.wait(timeout=20)
        process.stdout.close()


WORKER = """
import os, sys, tocsin
from tocsin.sdk import shared_endpoint
shared_endpoint.WRITE_EVERY_S = 0.05
os.environ["TOCSIN_SUMMARY"] = "0"
run = tocsin.TrainingMonitor("digits", port=int(sys.argv[1]))
run.__enter__()
run.step(loss=float(sys.argv[2]), samples=int(sys.argv[2]))
print("ready", flush=True)
"""

FORKING = """
import os, signal, sys, time, tocsin
from tocsin.sdk import shared_endpoint
shared_endpoint.WRITE_EVERY_S = 0.05
os.environ["TOCSIN_SUMMARY"] = "0"
port = int(sys.argv[1])

def work(number):
    with tocsin.TrainingMonitor("forked", port=port) as run:
        run.step(loss=1.0, samples=1 + number)
        if number % 4 == 0:
            mine = os.path.join(sys.argv[2], run._endpoint._member.name)
            while f'"training_samples_total", {float(1 + number)}' not in open(mine).read():
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
    os._exit(0 if run.port == port else 3)

parent = tocsin.TrainingMonitor("forked", port=port)
parent.__enter__()
parent.step(loss=0.5, samples=1000)
most_files = 0
for begin in range(0, 200, 10):
    children = []
    for number in range(begin, begin + 10):
        children.append(os.fork())
        if not children[-1]:
            work(number)
    most_files = max(most_files, len(os.listdir(sys.argv[2])))
    for child in children:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, -signal.SIGKILL), code
print("ready", flush=True)
print(most_files, flush=True)
"""


def test_counters_of_two_hundred_forked_children_are_added_up_and_their_files_go():
    port = free_port()
    folder = runtime_dir() / "members" / str(port)
    with program(FORKING, port, folder) as process:
        most_files = int(process.stdout.readline())
        expected = 1000 + sum(1 + number for number in range(200))
        assert values(port, "training_samples_total", "worker") == {(None,): expected}
        wait_until(lambda: len(list(folder.iterdir())) == 4)
        names = sorted(path.name for path in folder.iterdir())
        assert names == [
            f"{process.pid}-{Identity.of(process.pid).started}-0.json",
            "ended",
            "holder",
            "lock",
        ]
        assert values(port, "training_samples_total", "worker") == {(None,): expected}
        assert values(port, "training_loss", "worker") == {(None,): 0.5}
        assert (folder / "ended").stat().st_size < 20_000
    assert most_files < 40, "ten at a time, and their drafts"
    assert not folder.exists()


def test_processes_that_are_alive_are_told_apart_by_small_numbers_that_are_used_again():
    port = free_port()
    with program(WORKER, port, 1), program(WORKER, port, 2):
        with program(WORKER, port, 3):
            found = {(None,): 1.0, ("1",): 2.0, ("2",): 3.0}
            wait_until(lambda: values(port, "training_loss", "worker") == found)
            assert values(port, "training_samples_total", "worker") == {(None,): 6}
        wait_until(lambda: len(values(port, "training_loss", "worker")) == 2)
        assert values(port, "training_samples_total", "worker") == {(None,): 6}
        with program(WORKER, port, 4):
            found = {(None,): 1.0, ("1",): 2.0, ("2",): 4.0}
            wait_until(lambda: values(port, "training_loss", "worker") == found)
            assert values(port, "training_samples_total", "worker") == {(None,): 10}


def test_ranks_need_no_other_number():
    port = free_port()
    with TrainingMonitor("digits", port=port, rank=0, world_size=2) as first:
        first.step(loss=1.0, samples=5)
        with TrainingMonitor("digits", port=port, rank=1, world_size=2) as second:
            second.step(loss=2.0, samples=7)
            assert second.port == port
            wait_until(
                lambda: (
                    values(port, "training_loss", "rank", "worker") == {("0", None): 1.0, ("1", None): 2.0}
                )
            )
            assert values(port, "training_samples_total", "rank") == {("0",): 5, ("1",): 7}


def test_another_process_takes_the_port_when_the_first_is_killed():
    port = free_port()
    with program(WORKER, port, 1) as first, program(WORKER, port, 2):
        wait_until(lambda: values(port, "training_samples_total") == {(): 3})
        first.send_signal(signal.SIGKILL)
        first.wait(timeout=20)

        def is_served():
            with contextlib.suppress(OSError):
                return values(port, "training_samples_total") == {(): 3}
            return False

        wait_until(is_served)
        assert values(port, "training_loss") == {(): 2.0}
        with program(WORKER, port, 4):
            wait_until(lambda: values(port, "training_loss", "worker") == {(None,): 4.0, ("1",): 2.0})
            assert values(port, "training_samples_total") == {(): 7}


def test_processes_that_begin_at_the_same_time_find_each_other():
    port = free_port()
    with contextlib.ExitStack() as stack:
        processes = []
        starting = threading.Barrier(6)

        def begin(number):
            starting.wait()
            processes.append(stack.enter_context(program(WORKER, port, number)))

        threads = [threading.Thread(target=begin, args=(number,)) for number in range(1, 7)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(processes) == 6
        wait_until(lambda: sorted(values(port, "training_loss", "worker").values()) == [1, 2, 3, 4, 5, 6])
        assert values(port, "training_samples_total") == {(): 21}


def test_a_process_that_is_no_member_keeps_its_port(caplog):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        TrainingMonitor("digits", port=taken.getsockname()[1]) as run,
    ):
        run.step(loss=1.0)
        assert run.port is None
    (record,) = caplog.records
    assert "cannot be served" in record.getMessage()
    assert not list((runtime_dir() / "members").rglob("*.json"))


def test_a_process_that_was_killed_leaves_its_folder_to_the_next_one():
    with program(WORKER, 0, 1) as killed:
        (folder,) = (runtime_dir() / "members").iterdir()
        killed.kill()
        killed.wait(timeout=20)
        assert folder.exists()
        with TrainingMonitor("digits", port=0) as run:
            assert [path.name for path in (runtime_dir() / "members").iterdir()] == [str(run.port)]


# The folder.


@pytest.fixture
def folder(tmp_path):
    return MemberFolder(tmp_path / "9300")


def member(value, *, identity=GONE, number=0, **labels):
    readings = (Reading("steps_total", value), Reading("loss", value))
    return Member(identity, number, {"run": "a", **labels}, 0, readings)


def sums(folder):
    known = folder.known()
    counters = (each for member in (*known.alive, *known.ended) for each in member.counters())
    return sum(each.value for each in (*known.totals, *counters))


def test_who_is_killed_while_adding_up_makes_nothing_double(folder, tmp_path):
    with folder.locked(1):
        keeper = folder.join({"run": "b"}, (), 0)
        gone = member(3.0)
        folder.write(gone)
        assert sums(folder) == 3
        folder.tidy()
        assert not (tmp_path / "9300" / gone.name).exists()
        folder.write(gone)  # as if it could not have been removed
        assert sums(folder) == 3
        folder.tidy()
        assert sums(folder) == 3
        folder.leave(keeper)
    assert not (tmp_path / "9300").exists()


def test_what_cannot_be_read_is_passed_over(folder, tmp_path):
    with folder.locked(1):
        folder.join({"run": "b"}, (Reading("steps_total", 2.0),), 0)
        for name, text in (("1-1-1.json", "{"), ("2-2-2.json", '{"process": 1}'), ("ended", "[]")):
            (tmp_path / "9300" / name).write_text(text)
        assert sums(folder) == 2
        folder.tidy()
        assert sums(folder) == 2


def test_nobody_waits_for_a_process_that_stands_still(folder):
    with folder.locked(1), pytest.raises(TimeoutError), MemberFolder(folder._path).locked(0.05):
        pass
    with folder.locked(0.05):
        pass


def test_a_folder_that_the_last_one_removed_meanwhile_is_made_again(folder, monkeypatch):
    other = MemberFolder(folder._path)
    waiting, joined = threading.Event(), threading.Event()
    acquire = module._acquire

    def noticed(lock, deadline_s):
        if threading.current_thread() is not threading.main_thread():
            waiting.set()
        acquire(lock, deadline_s)

    monkeypatch.setattr(module, "_acquire", noticed)

    def join():
        with other.locked(5):
            other.join({"run": "late"}, (), 1)
        joined.set()

    with folder.locked(1):
        mine = folder.join({"run": "a"}, (), 0)
        thread = threading.Thread(target=join)
        thread.start()
        assert waiting.wait(5)
        folder.leave(mine)
    thread.join()
    assert joined.is_set()
    assert [each.labels["run"] for each in other.known().alive] == ["late"]


def test_sums_of_labels_without_end_are_bounded(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_TOTALS", 50)
    with folder.locked(1):
        keeper = folder.join({"run": "keeper"}, (), 0)
        for number in range(120):
            folder.write(member(1.0, number=number, run=f"r{number}"))
            folder.tidy()
        labels = [dict(each.labels)["run"] for each in folder.known().totals]
        assert labels == [f"r{number}" for number in range(70, 120)]
        assert len(list((tmp_path / "9300").iterdir())) == 3
        folder.leave(keeper)
    assert MOST_TOTALS > 1000


def test_sums_begin_anew_when_nobody_is_alive(folder):
    with folder.locked(1):
        folder.write(member(5.0))
        folder.join({"run": "a"}, (Reading("steps_total", 1.0),), 0)
    assert sums(folder) == 1


def test_a_number_that_another_process_got_is_not_the_same_process():
    own = Identity.current()
    assert own.is_alive
    assert not Identity(own.pid, own.started - 1).is_alive
    assert not GONE.is_alive
    child = subprocess.Popen([sys.executable, "-c", ""])
    identity = Identity.of(child.pid)
    wait_until(lambda: not identity.is_alive)  # a zombie: nobody has waited for it
    child.wait()


def test_histograms_are_added_up_and_gauges_are_not():
    readings = (
        Reading("wait_bucket", 2, (("le", "+Inf"),)),
        Reading("wait_sum", 4.5),
        Reading("wait_count", 2),
        Reading("other_sum", 9.0),
        Reading("depth", 1.0),
    )
    each = Member(GONE, 0, {"run": "a"}, 3, readings)
    assert [reading.name for reading in each.counters()] == ["wait_bucket", "wait_sum", "wait_count"]
    assert [(gauge.name, dict(gauge.labels)) for gauge in each.gauges()] == [
        ("other_sum", {"run": "a", "worker": "3"}),
        ("depth", {"run": "a", "worker": "3"}),
    ]
    assert Member.decode(each.encode()) == each
    assert json.loads(each.encode())["number"] == 0


def test_where_labels_name_the_worker_nothing_is_added_up():
    each = Member(
        GONE, 0, {"model": "a", "worker": "2"}, 0, (Reading("requests_total", 5.0), Reading("depth", 1.0))
    )
    assert list(each.counters()) == []
    assert [(reading.name, dict(reading.labels)) for reading in each.gauges()] == [
        ("requests_total", {"model": "a", "worker": "2"}),
        ("depth", {"model": "a", "worker": "2"}),
    ]


def test_a_folder_that_cannot_be_written_later_is_one_sentence(caplog, monkeypatch):
    monkeypatch.setattr("tocsin.sdk.shared_endpoint.WRITE_EVERY_S", 0.02)
    with TrainingMonitor("digits", port=0) as run:
        run.step(loss=1.0)
        monkeypatch.setattr(MemberFolder, "_write", refused)
        wait_until(lambda: caplog.records)
        assert values(run.port, "training_loss") == {(): 1.0}
    (record,) = caplog.records
    assert "/metrics lacks what other processes, or this one, know" in record.getMessage()


def refused(*_):
    raise OSError(28, "No space left on device")


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_child_that_opens_nothing_leaves_the_parents_file_alone():
    with TrainingMonitor("digits", port=0) as run:
        run.step(loss=1.0, samples=2)
        child = os.fork()
        if child == 0:
            run.__exit__(None, None, None)
            os._exit(0)
        os.waitpid(child, 0)
        assert values(run.port, "training_samples_total") == {(): 2}
        assert len(list((runtime_dir() / "members" / str(run.port)).glob("*.json"))) == 1
