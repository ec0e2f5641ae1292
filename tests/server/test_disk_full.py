"""A full disk: what is pushed is refused with a sentence, queries go on, and it recovers by itself."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time

import httpx
import pytest

from tests.support.process import running_tocsin

SIZE_MIB = 24
BALLAST_MIB = 8
SERIES = 2000
BASE_MS = int(time.time() * 1000) - 3_000_000
CONFIG = "collectors: {enabled: false}"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few megabytes, part of which a file takes that can be removed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(disk)]
    if os.getuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small file system, and not everywhere")
    try:
        (disk / "ballast").write_bytes(os.urandom(BALLAST_MIB << 20))
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


class Pushing:
    """Pushes rounds of samples whose values do not compress, and remembers which were acknowledged."""

    def __init__(self, url):
        self._url = f"{url}/api/v1/import/prometheus"
        self._random = random.Random(1)
        self.next_ms = BASE_MS
        self.acknowledged = {}

    def push(self):
        at_ms = self.next_ms
        self.next_ms += 100
        values = [self._random.random() for _ in range(SERIES)]
        lines = [f'full{{n="{n}"}} {value!r} {at_ms}\n' for n, value in enumerate(values)]
        answer = httpx.post(self._url, content="".join(lines), trust_env=False, timeout=30)
        if answer.is_success:
            self.acknowledged[at_ms] = sum(values)
        return answer

    def push_until(self, status, rounds=2000):
        for _ in range(rounds):
            answer = self.push()
            if answer.status_code == status:
                return answer
            time.sleep(0 if answer.is_success else 0.05)
        raise AssertionError(f"no answer had the status {status}; the last was {answer.status_code}")


def stored_sums(tocsin, pushing):
    """The sum over all series at each time, as far as it is stored."""
    parameters = {"query": "sum(full)", "start": BASE_MS / 1000, "step": "0.1", "lookback_delta": "0.05"}
    sums = {}
    for first_ms in range(BASE_MS, pushing.next_ms, 100_000):
        span = {"start": first_ms / 1000, "end": (min(first_ms + 100_000, pushing.next_ms) - 100) / 1000}
        answer = httpx.get(
            f"{tocsin.url}/api/v1/query_range", params={**parameters, **span}, trust_env=False, timeout=60
        )
        for series in answer.json()["data"]["result"]:
            sums |= {round(time_s * 1000): float(value) for time_s, value in series["values"]}
    return sums


@pytest.mark.timeout(240)
def test_a_full_disk_is_said_and_survived(small_disk, tmp_path):
    environment = {"TOCSIN_RUNTIME_DIR": str(tmp_path / "runtime")}
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "data").symlink_to(small_disk)
    with running_tocsin(folder, CONFIG, environment=environment) as tocsin:
        pushing = Pushing(tocsin.url)
        refused = pushing.push_until(503)
        assert "cannot write" in refused.json()["error"]
        assert tocsin.query("count(last_over_time(full[3h]))")[0]["value"][1] == str(SERIES)
        assert len(pushing.acknowledged) > 10
        assert tocsin.output().count("cannot write") < 20, "the log does not fill what is left"
        (small_disk / "ballast").unlink()
        pushing.push_until(204, rounds=200)
        pushing.push()
        assert stored_sums(tocsin, pushing) == pytest.approx(pushing.acknowledged)
    with running_tocsin(folder, CONFIG, environment=environment) as tocsin:
        stored = stored_sums(tocsin, pushing)
        missing = [number for number, at_ms in enumerate(pushing.acknowledged) if at_ms not in stored]
        assert not missing, f"of {len(pushing.acknowledged)} acknowledged rounds"
        # A commit whose checkpoint found the disk full was refused, and may be there all the same.
        assert {at_ms: stored[at_ms] for at_ms in pushing.acknowledged} == pytest.approx(pushing.acknowledged)
        assert len(stored) <= len(pushing.acknowledged) + 1


@pytest.mark.timeout(120)
def test_a_disk_that_becomes_read_only_is_said_and_survived(small_disk, tmp_path):
    environment = {"TOCSIN_RUNTIME_DIR": str(tmp_path / "runtime")}
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "data").symlink_to(small_disk)
    with running_tocsin(folder, CONFIG, environment=environment) as tocsin:
        pushing = Pushing(tocsin.url)
        pushing.push_until(204)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    command = [sys.executable, "-m", "tocsin", "up", "--listen=127.0.0.1:0", f"--data={folder / 'data'}"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "Traceback" not in ended.stderr
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    with running_tocsin(folder, CONFIG, environment=environment) as tocsin:
        assert stored_sums(tocsin, pushing) == pytest.approx(pushing.acknowledged)
