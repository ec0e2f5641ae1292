"""How soon a page stands, and what memory tocsin takes: idle, and with 10,000 series over 3 hours."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import psutil
from playwright.sync_api import Page, sync_playwright

from benchmarks.table import Row
from tocsin.model import Labels, SampleBatch
from tocsin.receive import encode_write_request

SERIES = 10_000
SCRAPES = 720
INTERVAL_MS = 15_000
SERIES_PER_REQUEST = 5000
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
WRITE_HEADERS = {"content-type": "application/x-protobuf", "content-encoding": "snappy"}


def rows() -> list[Row]:
    """Measure."""
    with blank_page() as page, tempfile.TemporaryDirectory() as folder:
        started_s = time.monotonic()
        with running_tocsin(Path(folder)) as (process, url):
            ready_s = time.monotonic() - started_s
            page.goto(url)
            page.wait_for_selector("canvas", timeout=20_000)
            drawn_s = time.monotonic() - started_s
            idle_mib = resident_mib(process)
            rate = send_history(url)
            time.sleep(5)
            loaded_mib = resident_mib(process)
    return [
        Row("tocsin up until it answers", f"{ready_s:.1f} s"),
        Row("tocsin up until its first page has drawn a curve", f"{drawn_s:.1f} s", "≤ 3 s"),
        Row("resident memory, idle", f"{idle_mib:.0f} MiB"),
        Row(f"resident memory, {SERIES:,} series over 3 h", f"{loaded_mib:.0f} MiB", "≤ 250 MB"),
        Row("remote write, 5,000 series a request", f"{rate / 1000:.0f} k samples/s"),
    ]


@contextlib.contextmanager
def blank_page() -> Iterator[Page]:
    """A page of a Chromium that is already running, so that its own start is not counted."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=CHROMIUM_ARGUMENTS
        )
        yield browser.new_page()
        browser.close()


@contextlib.contextmanager
def running_tocsin(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A ``tocsin up`` that has said that it is ready: its process and its URL."""
    command = [sys.executable, "-u", "-m", "tocsin", "up", "--listen", "127.0.0.1:0", "--data", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().split()[-1].rstrip("/")
    finally:
        process.terminate()
        process.communicate()


def resident_mib(process: subprocess.Popen[str]) -> float:
    """The memory that a process holds now."""
    return float(psutil.Process(process.pid).memory_info().rss) / 2**20


def send_history(url: str) -> float:
    """Write the series by remote write; returns samples a second as the sender saw them."""
    series = [
        Labels({"__name__": f"bench_{number % 20}", "instance": f"host-{number // 20}", "job": "bench"})
        for number in range(SERIES)
    ]
    start_ms = time.time_ns() // 1_000_000 - SCRAPES * INTERVAL_MS
    random = np.random.default_rng(1)
    took_s = 0.0
    with httpx.Client(trust_env=False, timeout=60) as client:
        for scrape in range(SCRAPES):
            for first in range(0, SERIES, SERIES_PER_REQUEST):
                part = series[first : first + SERIES_PER_REQUEST]
                values = random.random(len(part)).round(3).tolist()
                batch = SampleBatch.at(start_ms + scrape * INTERVAL_MS, dict(zip(part, values, strict=True)))
                body = encode_write_request(batch)
                begun_s = time.perf_counter()
                answer = client.post(f"{url}/api/v1/write", content=body, headers=WRITE_HEADERS)
                took_s += time.perf_counter() - begun_s
                assert answer.status_code == 204, answer.text
    return SERIES * SCRAPES / took_s
