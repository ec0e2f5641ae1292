"""What was acknowledged survives the sudden death of the process, also while it reloads and is backed up."""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from typing import Self

import httpx
import pytest

from tests.support.process import RunningTocsin

KILLS = int(os.environ.get("TOCSIN_TEST_KILLS", "5"))


class Sender:
    """Pushes numbered samples without pause and remembers which were acknowledged."""

    def __init__(self, url: str, first: int) -> None:
        self.acknowledged: list[int] = []
        self._base = url
        self._url = f"{url}/api/v1/import/prometheus"
        self._next = first
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopped.set()
        self._thread.join()

    def wait_for_the_first(self) -> None:
        deadline = time.monotonic() + 20
        while not self.acknowledged:
            assert time.monotonic() < deadline, "nothing was acknowledged"
            time.sleep(0.01)

    def _send(self) -> None:
        with httpx.Client(trust_env=False, timeout=5) as client:
            while not self._stopped.is_set():
                numbers = range(self._next, self._next + 20)
                lines = [f"kill_test {number} {BASE_MS + number}\n" for number in numbers]
                self._next = numbers.stop
                try:
                    answer = client.post(self._url, content="".join(lines))
                except httpx.TransportError:
                    return
                if answer.is_success:
                    self.acknowledged += numbers


BASE_MS = int(time.time() * 1000) - 3_000_000


class Disturber(Sender):
    """Has the configuration read again, snapshots taken and everything compacted, without pause."""

    PATHS = ("/-/reload", "/api/tocsin/storage/snapshots", "/api/tocsin/storage/compact")

    def _send(self) -> None:
        with httpx.Client(trust_env=False, timeout=5) as client:
            for path in itertools.cycle(self.PATHS):
                if self._stopped.is_set():
                    return
                try:
                    answer = client.post(self._base + path)
                except httpx.TransportError:
                    return
                assert answer.is_success, answer.text


@pytest.mark.timeout(600)
def test_no_acknowledged_sample_is_missing_after_kill_9_in_the_middle_of_ingest(tmp_path):
    acknowledged: list[int] = []
    pause = random.Random()
    for _ in range(KILLS):
        tocsin = RunningTocsin(tmp_path)
        try:
            tocsin.wait_until_ready()
            first = acknowledged[-1] + 100 if acknowledged else 0
            with Sender(tocsin.url, first) as sender, Disturber(tocsin.url, 0):
                sender.wait_for_the_first()
                time.sleep(pause.uniform(0.1, 0.6))
                tocsin.kill()
        finally:
            tocsin.kill()
        acknowledged += sender.acknowledged
    tocsin = RunningTocsin(tmp_path)
    try:
        tocsin.wait_until_ready()
        (series,) = tocsin.query("kill_test[2h]")
    finally:
        tocsin.stop()
    stored = {int(value) for _, value in series["values"]}
    missing = [number for number in acknowledged if number not in stored]
    assert not missing
    print(f"{KILLS} kills, {len(acknowledged)} samples acknowledged, none missing")
