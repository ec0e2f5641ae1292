"""A monitor beside what processes do: open, close, fork, end; servers that are there or not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import signal
import socket
import threading
import time
import urllib.request
from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.sdk.inference.helpers import values
from tests.sdk.receiver import wait_until
from tests.sdk.scripts import finished, script
from tests.support.ports import free_port
from tocsin.runtime import announced, runtime_dir
from tocsin.sdk.inference import ledger as ledger_module
from tocsin.sdk.inference.presence import CLOSE_WITHIN_S


def last(receiver, name):
    """The newest value of each series of a name."""
    return {sample.labels: sample.value for sample in receiver.of(name)}


def scraped(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        return {family.name: family for family in text_string_to_metric_families(response.read().decode())}


WORKER = """
import sys, time, tocsin
monitor = tocsin.InferenceMonitor("shared", port=int(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    monitor.record(0.1)
print("ready", flush=True)
time.sleep(60)
"""


def test_workers_share_a_port_and_one_that_is_replaced_counts_from_zero(make_monitor):
    def counted():
        samples = scraped(port)["inference_requests"].samples
        return {s.labels["worker"]: s.value for s in samples if s.labels["status"] == "success"}

    port = free_port()
    monitor = make_monitor("shared", port=port)
    monitor.record(0.1)
    for number in (7, 3):
        worker = script(WORKER, port, number)
        assert worker.stdout.readline() == "ready\n"
        wait_until(lambda number=number: counted() == {"0": 1, "1": number})
        worker.kill()
        worker.communicate()
        wait_until(lambda: counted() == {"0": 1})


def test_what_is_counted_arrives_with_its_labels(make_monitor, receiver, caplog):
    monitor = make_monitor("llama", url=receiver.url, labels={"team": "nlp"}, queue_capacity=8)
    monitor.record(0.3, tokens=10)
    wait_until(lambda: receiver.values("inference_requests_total"))
    monitor.record(0.3, error="oom")
    monitor.close()
    common = f'instance="{socket.gethostname()}",job="inference",model="llama"'
    assert last(receiver, "inference_requests_total") == {
        f'{common},status="error",team="nlp",worker="0"': 1,
        f'{common},status="success",team="nlp",worker="0"': 1,
    }
    assert list(last(receiver, "inference_queue_capacity").values()) == [8]
    assert receiver.values("inference_up")[-1] == 0
    assert 1 in receiver.values("inference_up")
    assert abs(receiver.values("inference_start_time_seconds")[-1] - time.time()) < 60
    assert not caplog.records


def test_counters_that_are_pushed_begin_with_zero(make_monitor, receiver):
    monitor = make_monitor("llama", url=receiver.url)
    monitor.record(0.3, error="oom")
    wait_until(lambda: len(receiver.values("inference_errors_total")) >= 2)
    monitor.close()
    assert receiver.values("inference_errors_total")[:2] == [0, 1]
    assert receiver.values("inference_request_duration_seconds_count")[:2] == [0, 1]


def test_a_monitor_that_is_scraped_as_well_never_goes_back(make_monitor, receiver):
    monitor = make_monitor("llama", url=receiver.url, port=0)
    monitor.record(0.3, error="oom")
    wait_until(lambda: receiver.values("inference_errors_total"))
    monitor.close()
    assert set(receiver.values("inference_errors_total")) == {1}


def test_metrics_are_served_as_histograms_and_counters(make_monitor):
    monitor = make_monitor("llama", port=0, gen_ai=True)
    monitor.record(0.3, tokens=10, first_token_s=0.1)
    families = scraped(monitor.port)
    (path,) = announced("targets")
    assert json.loads(path.read_text())[0]["labels"]["job"] == "inference"
    duration = families["inference_request_duration_seconds"]
    assert duration.type == "histogram"
    assert [sample.value for sample in duration.samples if sample.name.endswith("_count")] == [1]
    (infinite,) = (sample for sample in duration.samples if sample.labels.get("le") == "+Inf")
    assert infinite.labels == {"model": "llama", "worker": "0", "le": "+Inf"}
    assert families["inference_requests"].type == "counter"
    assert families["inference_requests_in_flight"].type == "gauge"
    assert families["gen_ai_client_token_usage"].type == "histogram"
    port = monitor.port
    monitor.close()
    assert monitor.port is None
    assert announced("targets") == []
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
        pass


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"labels": {"a b": "c"}}, "label name 'a b'"),
        ({"labels": 3}, "labels are left out"),
        ({"url": "localhost:1"}, 'cannot send to "localhost:1"'),
        ({"port": "http"}, "/metrics cannot be served on port http"),
        ({"queue_capacity": "many"}, "capacity of the queue is not a number"),
        ({"latency_limits_s": ["fast"]}, "the usual limits of buckets are taken"),
        ({"gen_ai": 7}, "names of OpenTelemetry are left out"),
    ],
)
def test_wrong_arguments_are_told_once_and_requests_go_on(make_monitor, caplog, arguments, words):
    monitor = make_monitor("llama", **arguments)
    with monitor:
        pass
    assert values(monitor, "inference_requests_total") == {"success": 1}
    monitor.close()
    (record,) = caplog.records
    assert words in record.getMessage()


def test_limits_of_buckets_can_be_chosen(make_monitor, clock):
    chosen = make_monitor("llama", latency_limits_s=[2, 0.5], monotonic_s=clock)
    chosen.record(1)
    assert values(chosen, "inference_request_duration_seconds_bucket") == {"0.5": 0, "2.0": 1, "+Inf": 1}
    chosen.close()


def test_requests_after_the_end_are_told_once(make_monitor, receiver, caplog):
    monitor = make_monitor("llama", url=receiver.url)
    monitor.record(0.1)
    monitor.close()
    monitor.close()
    for _ in range(3):
        monitor.record(0.1)
        with monitor:
            pass
        monitor.batch(3)
    assert len(caplog.records) == 1
    assert list(last(receiver, "inference_requests_total").values()) == [1]


def test_it_can_be_opened_again(make_monitor, receiver):
    monitor = make_monitor("llama", url=receiver.url)
    for _ in range(2):
        monitor.start()
        monitor.record(0.1)
        monitor.close()
    assert list(last(receiver, "inference_requests_total").values()) == [2]


async def test_closing_does_not_hold_up_an_event_loop(make_monitor, receiver):
    receiver.holding.set()
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.05)
            ticks += 1

    ticking = asyncio.create_task(tick())
    async with contextlib.aclosing(make_monitor("llama", url=receiver.url)) as monitor:
        monitor.record(0.1)
    ticking.cancel()
    assert ticks > 10


def test_a_server_that_hangs_holds_up_neither_requests_nor_the_end_for_long(make_monitor, receiver):
    receiver.holding.set()
    monitor = make_monitor("llama", url=receiver.url)
    monitor.record(0.1)
    wait_until(lambda: receiver.requests)
    start_s = time.monotonic()
    for _ in range(20_000):
        monitor.record(0.1)
    assert time.monotonic() - start_s < 2
    start_s = time.monotonic()
    monitor.close()
    assert time.monotonic() - start_s < CLOSE_WITHIN_S + 1


def test_a_dead_server_is_told_once(make_monitor, caplog):
    port = free_port()
    monitor = make_monitor("llama", url=f"http://127.0.0.1:{port}")
    monitor.record(0.1)
    wait_until(lambda: caplog.records)
    monitor.close()
    assert len(caplog.records) == 1
    assert "cannot reach" in caplog.text


def test_memory_is_bounded_while_nobody_counts(monkeypatch, monitor):
    monkeypatch.setattr(ledger_module, "_INTAKE_MOST", 6000)
    monitor.start()
    with monitor._core._ledger._lock:
        for _ in range(10_000):
            monitor.record(0.1)
        assert len(monitor._core.intake) == 6000
    assert values(monitor, "inference_requests_total") == {"success": 6000}
    assert values(monitor, "inference_records_dropped_total") == {"": 4000}


def test_a_signal_handler_may_record(monitor):
    taken = 0

    def on_alarm(*_):
        nonlocal taken
        monitor.record(50.0)
        taken += 1

    previous = signal.signal(signal.SIGALRM, on_alarm)
    recorded = 0
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        end_s = time.monotonic() + 0.5
        while time.monotonic() < end_s:
            monitor.record(1.0)
            recorded += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert taken > 5
    assert values(monitor, "inference_requests_total") == {"success": recorded + taken}


def test_threads_that_come_first_together_open_it_once(make_monitor, receiver):
    monitor = make_monitor("llama", url=receiver.url)
    together = threading.Barrier(20)

    def work():
        together.wait()
        monitor.record(0.1)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(thread.name == "tocsin-sender" for thread in threading.enumerate()) == 1
    monitor.close()
    assert list(last(receiver, "inference_requests_total").values()) == [20]


def test_it_takes_the_lowest_free_number_among_workers(make_monitor):
    monitors = [make_monitor("llama").start() for _ in range(3)]
    labels = [monitor._core._presence.labels["worker"] for monitor in monitors]
    assert labels == ["0", "1", "2"]
    monitors[1].close()
    monitors[1].start()
    other = make_monitor("bert").start()
    named = make_monitor("llama", labels={"worker": "gpu0"}).start()
    assert monitors[1]._core._presence.labels["worker"] == "1"
    assert other._core._presence.labels["worker"] == "0"
    assert named._core._presence.labels["worker"] == "gpu0"
    for monitor in (*monitors, other, named):
        monitor.close()


def test_the_number_of_a_worker_that_was_killed_is_free_again(make_monitor):
    killed = script(
        """
        import time, tocsin
        tocsin.InferenceMonitor("llama").start()
        print("open", flush=True)
        time.sleep(60)
        """
    )
    assert killed.stdout.readline() == "open\n"
    beside = make_monitor("llama").start()
    assert beside._core._presence.labels["worker"] == "1"
    killed.kill()
    killed.communicate(timeout=20)
    assert make_monitor("llama").start()._core._presence.labels["worker"] == "0"


def test_a_runtime_folder_that_cannot_be_made_leaves_worker_0(make_monitor, monkeypatch, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TOCSIN_RUNTIME_DIR", str(tmp_path / "file"))
    monitor = make_monitor("llama").start()
    assert monitor._core._presence.labels["worker"] == "0"
    monitor.close()
    assert len(caplog.records) == 1


FORKED = """
import os, sys, time, warnings
import tocsin
warnings.simplefilter("ignore", DeprecationWarning)
monitor = tocsin.InferenceMonitor("llama", url=sys.argv[1])
request = monitor.request()
request.begin()
monitor.record(1.0)
monitor._core._ledger._lock.acquire()  # as if the sender had been at work
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        request.end()  # it began in the parent, which counts it
        for _ in range(10 * (number + 1)):
            monitor.record(2.0)
        time.sleep(1.0)  # so that all are there at the same time
        sys.exit(0)
    children.append(child)
monitor._core._ledger._lock.release()
for child in children:
    assert os.waitpid(child, 0)[1] == 0
request.end()
monitor.record(1.0)
"""


def test_forked_workers_count_for_themselves_under_their_own_numbers(receiver):
    code, out, err = finished(script(FORKED, receiver.url), timeout_s=40)
    assert (code, out, err) == (0, "", "")
    counts = {}
    for sample in receiver.of("inference_requests_total"):
        counts[sample.labels.rpartition("worker=")[2]] = sample.value
    assert counts.pop('"0"') == 3
    assert sorted(counts) == ['"1"', '"2"', '"3"']
    assert sorted(counts.values()) == [10, 20, 30]


def test_a_program_that_just_ends_still_sends(receiver):
    code, _, err = finished(
        script(
            """
            import sys, tocsin
            monitor = tocsin.InferenceMonitor("llama", url=sys.argv[1])
            monitor.record(1.0)
            """,
            receiver.url,
        )
    )
    assert (code, err) == (0, "")
    assert list(last(receiver, "inference_requests_total").values()) == [1]
    assert receiver.values("inference_up")[-1] == 0


def test_an_end_in_a_hurry_leaves_no_traceback(receiver):
    code, _, err = finished(
        script(
            """
            import sys, threading, time, tocsin
            monitor = tocsin.InferenceMonitor("llama", url=sys.argv[1], port=0)
            def serve():
                while True:
                    with monitor:
                        pass
            threading.Thread(target=serve, daemon=True).start()
            time.sleep(0.6)
            """,
            receiver.url,
        )
    )
    assert code == 0
    assert "Traceback" not in err
    assert receiver.values("inference_up")[-1] == 0


def test_only_the_standard_library_is_imported():
    code, out, err = finished(
        script("""
            import sys
            import tocsin
            tocsin.InferenceMonitor("llama")
            heavy = {"numpy", "duckdb", "starlette", "psutil", "typer", "prometheus_client", "asyncio"}
            print(sorted({name.split(".")[0] for name in sys.modules} & heavy))
        """)
    )
    assert (code, out, err) == (0, "[]\n", "")


def test_places_leave_no_more_than_a_file_for_each_number(make_monitor):
    for _ in range(5):
        make_monitor("llama").start().close()
    assert len(list((runtime_dir() / "places").iterdir())) == 1


def test_ten_hours_of_requests_take_no_more_memory_than_one(monitor, clock):
    sizes = Counter()
    for hour in range(10):
        for number in range(4000):
            monitor.record(number / 1000, tokens=number, first_token_s=0.1, route="/a")
            monitor.predicted(number, number % 3)
            monitor.labelled(number, 0)
            clock.passes(0.9)
        window = monitor._core._ledger._window
        sizes[hour] = sum(len(sketch) for each in window._slices for sketch in each.sketches)
        assert len(window._slices) <= 12
        assert len(monitor._core._quality._slices) <= 60
        assert not monitor._core._quality._waiting or values(monitor, "inference_quality_waiting")
    assert max(sizes.values()) < 12 * 3 * 800
    assert math.isclose(values(monitor, "inference_requests_total")["/a/success"], 40_000)
