"""Whatever happens around a training, it is not disturbed, and nothing hangs at its end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import textwrap
import threading
import time

import pytest

from tests.sdk.receiver import wait_until
from tests.sdk.scripts import finished, script
from tests.support.ports import free_port
from tocsin.sdk import TrainingMonitor

AT_ONCE_S = 15
"""Far less than what hangs for ever, and enough for a machine that is busy."""


def at_once(process):
    return finished(process, AT_ONCE_S)


TRAINING = """
import os, signal, sys, time, tocsin
with tocsin.TrainingMonitor("disturbed", url=sys.argv[1]) as run:
    print("ready", flush=True)
    while True:
        run.step(loss=1.0)
        time.sleep(0.001)
"""


# Signals.


def test_sigterm_ends_a_training_at_once_although_its_server_hangs(receiver):
    receiver.holding.set()
    process = script(TRAINING, receiver.url)
    assert process.stdout.readline() == "ready\n"
    wait_until(lambda: receiver.requests)
    process.terminate()
    assert at_once(process)[0] == -signal.SIGTERM


def test_a_handler_of_sigterm_that_exits_marks_the_run_as_failed(receiver):
    handler = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
    process = script(handler + TRAINING, receiver.url)
    assert process.stdout.readline() == "ready\n"
    wait_until(lambda: receiver.values("training_loss"))
    process.terminate()
    code, _, err = at_once(process)
    assert (code, err) == (7, "")
    assert receiver.values("training_status")[-1] == 3


def test_the_handlers_of_the_program_stay_its_own(receiver):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGXFSZ)]
    with TrainingMonitor("handlers", url=receiver.url, port=0) as run:
        run.step(loss=1.0)
        inside = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGXFSZ)]
    assert inside == before


def test_a_second_ctrl_c_while_the_end_waits_for_a_server_ends_it(receiver):
    receiver.holding.set()
    process = script(TRAINING, receiver.url)
    assert process.stdout.readline() == "ready\n"
    wait_until(lambda: receiver.requests)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    code, _, err = at_once(process)
    assert code == -signal.SIGINT
    assert "KeyboardInterrupt" in err


# The end of the interpreter.


@pytest.mark.parametrize("closing", ["run.__exit__(None, None, None)", "pass"], ids=["closed", "not closed"])
@pytest.mark.parametrize("server", ["hangs", "is dead", "is none"])
def test_a_program_ends_whatever_its_server_does(receiver, server, closing):
    receiver.holding.set()
    url = {"hangs": receiver.url, "is dead": f"http://127.0.0.1:{free_port()}", "is none": ""}[server]
    began_s = time.monotonic()
    code, out, err = at_once(
        script(
            f"""
            import sys, tocsin
            run = tocsin.TrainingMonitor("ending", url=sys.argv[1] or None, port=0)
            run.__enter__()
            for _ in range(1000):
                run.step(loss=1.0)
            {closing}
            print("done")
            """,
            url,
        )
    )
    assert (code, out) == (0, "done\n"), err
    assert "Traceback" not in err
    assert time.monotonic() - began_s < AT_ONCE_S


def test_os_exit_ends_at_once_and_leaves_whole_lines(tmp_path):
    process = script(
        """
        import os, time, tocsin
        with tocsin.TrainingMonitor("gone") as run:
            for n in range(10):
                run.step(loss=float(n))
                time.sleep(0.1)
            os._exit(5)
        """,
        TOCSIN_OFFLINE=str(tmp_path),
    )
    assert at_once(process) == (5, "", "")
    (path,) = tmp_path.glob("*.jsonl")
    losses = [json.loads(line)["values"] for line in path.read_text().splitlines()[1:]]
    assert len([each for each in losses if "training_loss" in each]) >= 5


def test_a_training_while_its_module_is_being_imported_sends_and_ends(receiver, tmp_path):
    (tmp_path / "job.py").write_text(
        textwrap.dedent("""
            import sys, tocsin
            run = tocsin.TrainingMonitor("imported", url=sys.argv[1], port=0)
            run.__enter__()
            for n in range(10):
                run.step(loss=float(n))
            with tocsin.TrainingMonitor("inner", url=sys.argv[1]) as inner:
                inner.step(loss=7.0)
        """)
    )
    assert at_once(
        script("import job", receiver.url, PYTHONPATH=f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    ) == (
        0,
        "",
        "",
    )
    assert 7.0 in receiver.values("training_loss")
    assert len([each for each in receiver.of("training_loss") if '"imported"' in each.labels]) == 10


def test_a_monitor_that_is_opened_while_the_program_ends_disturbs_nothing(receiver):
    code, out, err = at_once(
        script(
            """
            import atexit, sys, tocsin
            from tocsin import TrainingMonitor
            class Late:
                def __init__(self):
                    self.run = TrainingMonitor("deleted", url=sys.argv[1], port=0)
                def __del__(self):
                    with self.run:
                        self.run.step(loss=1.0)
            def late():
                with tocsin.TrainingMonitor("late", url=sys.argv[1]) as run:
                    run.step(loss=1.0)
                print("done")
            atexit.register(late)
            kept = Late()
            """,
            receiver.url,
        )
    )
    assert (code, out) == (0, "done\n")
    assert "Traceback" not in err


# Disks.


def test_a_disk_without_any_room_disturbs_neither_the_training_nor_its_end(tmp_path):
    """Files may not grow by one byte, and nothing can be written to the error stream either."""
    code, out, _ = at_once(
        script(
            """
            import os, resource, sys, time, tocsin
            os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            with tocsin.TrainingMonitor("full", port=0) as run:
                for n in range(500):
                    run.step(loss=float("nan") if n == 100 else 1.0)
                    time.sleep(0.002)
            print("done", n)
            """,
            TOCSIN_OFFLINE=str(tmp_path / "runs"),
            TOCSIN_SUMMARY="1",
        )
    )
    assert (code, out) == (0, "done 499\n")
    assert not list(tmp_path.rglob("*.jsonl"))


# Forks, threads, event loops.


def test_a_forked_child_writes_a_file_of_its_own(tmp_path):
    process = script(
        """
        import os, tocsin, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        with tocsin.TrainingMonitor("parent") as run:
            run.step(loss=1.0)
            child = os.fork()
            if not child:
                with tocsin.TrainingMonitor("child") as own:
                    own.step(loss=2.0)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            run.step(loss=3.0)
        """,
        TOCSIN_OFFLINE=str(tmp_path),
    )
    assert at_once(process) == (0, "", "")
    losses = {
        path.name.partition("-")[0]: [
            json.loads(line)["values"]["training_loss"]
            for line in path.read_text().splitlines()
            if "training_loss" in line
        ]
        for path in tmp_path.glob("*.jsonl")
    }
    assert losses == {"parent": [1.0, 3.0], "child": [2.0]}


def test_all_steps_of_a_hundred_threads_count(receiver):
    with TrainingMonitor("threads", url=receiver.url) as run:
        starting = threading.Barrier(100)

        def train():
            starting.wait()
            for _ in range(500):
                run.step(loss=1.0, samples=2)

        threads = [threading.Thread(target=train) for _ in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert receiver.values("training_samples_total")[-1] == 100 * 500 * 2
    assert receiver.values("training_steps_dropped_total")[-1] == 0


async def test_an_event_loop_under_load_is_not_blocked(receiver, tmp_path, monkeypatch):
    receiver.holding.set()
    gaps_s = []

    async def tick():
        while True:
            began_s = time.monotonic()
            await asyncio.sleep(0)
            gaps_s.append(time.monotonic() - began_s)

    ticking = asyncio.create_task(tick())
    async with TrainingMonitor("loop", url=receiver.url, port=0) as run:
        for _ in range(200):
            for _ in range(100):
                run.step(loss=1.0, accuracy=0.5)
            await asyncio.sleep(0.001)
        await run.get_training_metrics()
    ticking.cancel()
    print(f"longest {max(gaps_s) * 1e3:.1f} ms of {len(gaps_s)} turns")
    # The end waits two seconds for the server, in a thread; a loop that waited as well would stand still.
    assert max(gaps_s) < 1
