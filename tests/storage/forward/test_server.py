"""A tocsin with a store of its own feeds real engines, through outages and its own sudden death."""

from __future__ import annotations

import contextlib
import time

import httpx
import pytest

from tests.storage.remote.engines import PROMETHEUS, VICTORIA_METRICS, running_engine
from tests.support.process import RunningTocsin, running_tocsin

pytestmark = [pytest.mark.peer, pytest.mark.timeout(180)]

TIMEOUT_S = 40.0
BASE_MS = time.time_ns() // 1_000_000 - 600_000
CONFIG = """
global: {external_labels: {site: berlin}}
collectors: {enabled: false}
remote_write:
"""
WAY = """
  - url: %s
    name: %s
    write_relabel_configs: [{source_labels: [__name__], regex: "number_.", action: keep}]
    queue_config: {max_shards: 2, batch_send_deadline: 50ms, max_backoff: 200ms}
"""


@pytest.fixture
def engines(tmp_path):
    with contextlib.ExitStack() as stack:
        found = []
        for program in (PROMETHEUS, VICTORIA_METRICS):
            folder = tmp_path / program
            folder.mkdir()
            found.append(stack.enter_context(running_engine(program, folder)))
        yield found


def put(tocsin, numbers):
    lines = [
        f"number_{letter} {n} {BASE_MS + n}\nother 1 {BASE_MS + n}\n" for n in numbers for letter in "ab"
    ]
    answer = httpx.post(
        f"{tocsin.url}/api/v1/import/prometheus", content="".join(lines), trust_env=False, timeout=30
    )
    assert answer.status_code == 204


def numbers_in(url, **labels):
    """The numbers that arrived, by series."""
    query = {"query": '{__name__=~"number_.|other"}[2h]', "nocache": "1"}
    result = httpx.get(f"{url}/api/v1/query", params=query, trust_env=False).json()["data"]["result"]
    return {
        series["metric"]["__name__"]: [int(value) for _, value in series["values"]]
        for series in result
        if labels.items() <= series["metric"].items()
    }


def wait_until_arrived(engine, count):
    wanted = {name: list(range(count)) for name in ("number_a", "number_b")}
    deadline_s = time.monotonic() + TIMEOUT_S
    found = {}
    while time.monotonic() < deadline_s:
        engine.show()
        found = numbers_in(engine.url, site="berlin")
        if found == wanted:
            return
        time.sleep(0.2)
    lengths = {name: len(values) for name, values in found.items()}
    raise AssertionError(f"{engine.program}: of {count} numbers there are {lengths}")


def test_nothing_is_lost_through_outages_and_kill_9(tmp_path, engines):
    config = CONFIG + "".join(WAY % (engine.write_url, engine.program) for engine in engines)
    first, second = engines
    tocsin = RunningTocsin(tmp_path, config)
    try:
        tocsin.wait_until_ready()
        put(tocsin, range(10))
        for engine in engines:
            wait_until_arrived(engine, 10)
        first.stop()
        for start in range(10, 100, 10):
            put(tocsin, range(start, start + 10))
        wait_until_arrived(second, 100)
        tocsin.kill()
        second.stop()
        second.start()
        # On the same data, which now hold what has not been sent.
        tocsin = RunningTocsin(tmp_path, config)
        tocsin.wait_until_ready()
        put(tocsin, range(100, 120))
        wait_until_arrived(second, 120)
        first.start()
        wait_until_arrived(first, 120)
        metrics = httpx.get(f"{tocsin.url}/metrics", trust_env=False).text
        assert 'tocsin_remote_write_samples_total{name="prometheus"}' in metrics
        assert numbers_in(tocsin.url)["number_a"] == list(range(120))
        assert len(numbers_in(tocsin.url)["other"]) == 120
        assert f"forwarded to {first.url}, {second.url}" in tocsin.output()
        assert tocsin.stop() == 0
        assert "Traceback" not in tocsin.output()
    finally:
        tocsin.stop()


def test_one_tocsin_feeds_another(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    environment = {"TOCSIN_RUNTIME_DIR": str(tmp_path / "there" / "runtime")}
    with running_tocsin(tmp_path / "there", "collectors: {enabled: false}", environment=environment) as there:
        config = CONFIG + WAY % (f"{there.url}/api/v1/write", "there")
        with running_tocsin(tmp_path / "here", config) as here:
            put(here, range(50))
            deadline_s = time.monotonic() + TIMEOUT_S
            while len(numbers_in(there.url, site="berlin").get("number_b", ())) < 50:
                assert time.monotonic() < deadline_s
                time.sleep(0.1)
    assert not list((tmp_path / "here" / "data").glob("remote_write/there/*/*.new"))
