"""The monitor beside what processes do: fork, end, signals, lean imports."""

from __future__ import annotations

import signal
import time

import pytest

from tests.sdk.receiver import wait_until
from tests.sdk.scripts import finished, script
from tocsin.sdk import TrainingMonitor


def test_only_the_standard_library_is_imported():
    code, out, err = finished(
        script("""
            import sys
            import tocsin
            tocsin.TrainingMonitor
            heavy = {"numpy", "duckdb", "starlette", "psutil", "typer", "prometheus_client", "asyncio"}
            print(sorted({name.split(".")[0] for name in sys.modules} & heavy))
        """)
    )
    assert (code, out, err) == (0, "[]\n", "")


def test_the_facade_offers_what_it_names():
    import tocsin

    assert tocsin.__all__ == sorted(tocsin.__all__)
    assert all(getattr(tocsin, name) is not None for name in tocsin.__all__)
    assert set(tocsin.__all__) <= set(dir(tocsin))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tocsin.nothing  # noqa: B018


def test_a_forked_worker_neither_sends_nor_hangs(receiver):
    code, _, err = finished(
        script(
            """
            import os, sys, time, warnings
            import tocsin
            warnings.simplefilter("ignore", DeprecationWarning)
            with tocsin.TrainingMonitor("fork", url=sys.argv[1], port=0) as run:
                run.step(loss=1.0)
                run._recorder._lock.acquire()  # as if the sender had been at work
                child = os.fork()
                if child == 0:
                    for _ in range(5000):
                        run.step(loss=99.0)
                    sys.exit(0)
                run._recorder._lock.release()
                assert os.waitpid(child, 0)[1] == 0
                run.step(loss=2.0)
                print(run.port)
            """,
            receiver.url,
        )
    )
    assert code == 0, err
    assert receiver.values("training_loss") == [1.0, 2.0]
    assert receiver.values("training_status")[-1] == 2
    assert err.count("\n") == 1
    assert "in the process that entered it" in err


def test_a_monitor_made_in_a_forked_child_works_there(receiver):
    code, _, err = finished(
        script(
            """
            import os, sys, warnings
            import tocsin
            warnings.simplefilter("ignore", DeprecationWarning)
            with tocsin.TrainingMonitor("parent", url=sys.argv[1]):
                child = os.fork()
                if child == 0:
                    with tocsin.TrainingMonitor("child", url=sys.argv[1]) as run:
                        run.step(loss=5.0)
                    os._exit(0)
                os.waitpid(child, 0)
            """,
            receiver.url,
        )
    )
    assert (code, err) == (0, "")
    assert receiver.values("training_loss") == [5.0]
    assert sorted(s.labels.split("run=")[1] for s in receiver.of("training_status")) == [
        '"child"',
        '"parent"',
    ]


def test_a_program_that_never_leaves_the_block_still_sends_at_its_end(receiver):
    code, _, err = finished(
        script(
            """
            import sys, tocsin
            run = tocsin.TrainingMonitor("open", url=sys.argv[1])
            run.__enter__()
            run.step(loss=1.0)
            """,
            receiver.url,
        )
    )
    assert (code, err) == (0, "")
    assert receiver.values("training_loss") == [1.0]
    assert receiver.values("training_status") == [3]


def test_ctrl_c_ends_the_training_as_ever_and_is_reported(receiver):
    process = script(
        """
        import sys, time, tocsin
        with tocsin.TrainingMonitor("interrupted", url=sys.argv[1]) as run:
            while True:
                run.step(loss=1.0)
                time.sleep(0.01)
        """,
        receiver.url,
    )
    wait_until(lambda: receiver.values("training_status"))
    process.send_signal(signal.SIGINT)
    code, _, err = finished(process)
    assert code == -signal.SIGINT
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert receiver.values("training_status")[-1] == 3


def test_a_signal_handler_may_take_steps(receiver):
    taken = 0

    def on_alarm(*_):
        nonlocal taken
        run.step(loss=50.0)
        taken += 1

    previous = signal.signal(signal.SIGALRM, on_alarm)
    try:
        with TrainingMonitor("signals", url=receiver.url) as run:
            signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
            end_s = time.monotonic() + 1
            while time.monotonic() < end_s:
                run.step(loss=1.0)
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert taken > 10
    assert set(receiver.values("training_loss")) == {1.0, 50.0}
    assert receiver.values("training_steps_dropped_total")[-1] == 0


def test_an_end_in_a_hurry_leaves_no_traceback(receiver):
    code, _, err = finished(
        script(
            """
            import os, sys, threading, time, tocsin
            begun = threading.Event()
            def train():
                with tocsin.TrainingMonitor("daemon", url=sys.argv[1], port=0) as run:
                    begun.set()
                    while True:
                        run.step(loss=1.0)
            threading.Thread(target=train, daemon=True).start()
            begun.wait(10)
            time.sleep(0.6)
            """,
            receiver.url,
        )
    )
    assert code == 0
    assert "Traceback" not in err
    assert receiver.values("training_status")[-1] == 3
