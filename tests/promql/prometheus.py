"""A real Prometheus with given samples, asked over HTTP."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cramjam

from tests.promql.comparing import Answer
from tests.support.ports import free_port
from tocsin.model import Labels
from tocsin.receive.remote_write_messages import TimeSeries, WriteRequest


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    port: int

    def write(self, samples: Mapping[Labels, Mapping[int, float]]) -> None:
        request = WriteRequest()
        for labels, points in samples.items():
            series = TimeSeries()
            for name, value in labels.pairs:
                series.labels.add(name=name, value=value)
            for time_ms, value in sorted(points.items()):
                series.samples.add(value=value, timestamp=time_ms)
            request.timeseries.append(series.SerializeToString())
        body = bytes(cramjam.snappy.compress_raw(request.SerializeToString()))
        status, answer = self._request("POST", "/api/v1/write", body)
        assert status < 300, answer

    def ask(self, query: str, start_ms: int, end_ms: int, step_ms: int) -> Answer | None:
        """The answer to a range query, or an instant one from start to start; None is an error."""
        if start_ms == end_ms:
            return self._query("query", {"query": query, "time": start_ms / 1000})
        form = {"query": query, "start": start_ms / 1000, "end": end_ms / 1000, "step": step_ms / 1000}
        return self._query("query_range", form)

    def _query(self, verb: str, form: Mapping[str, object]) -> Answer | None:
        status, answer = self._request("POST", f"/api/v1/{verb}", urllib.parse.urlencode(form).encode())
        content = json.loads(answer)
        if content["status"] != "success":
            assert status in (400, 422), answer
            return None
        return dict(_series(content["data"]))

    def _request(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if path.endswith("write"):
            headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def _series(data: dict) -> Iterator[tuple[Labels, dict[int, float]]]:
    if data["resultType"] == "scalar":
        data["result"] = [{"metric": {}, "value": data["result"]}]
    for series in data["result"]:
        points = series["values"] if "values" in series else [series["value"]]
        yield Labels(series["metric"]), {round(time_s * 1000): float(value) for time_s, value in points}


@contextmanager
def running(program: str, folder: Path) -> Iterator[Prometheus]:
    """Start the program on a free port with an empty store, and end it."""
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
    port = free_port()
    process = subprocess.Popen(
        [
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-remote-write-receiver",
            "--enable-feature=promql-at-modifier,promql-negative-offset",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        server = Prometheus(port)
        _wait_until_ready(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(20)


def _wait_until_ready(server: Prometheus, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        assert process.poll() is None, "prometheus ended while starting"
        try:
            if server._request("GET", "/-/ready")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError("prometheus was not ready within 30 s")
