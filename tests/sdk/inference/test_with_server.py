"""The monitor and the real ``tocsin up`` together."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.parse
import urllib.request

import pytest

from tests.sdk.receiver import wait_until
from tests.sdk.test_with_server import tocsin_up


def answer(url, query):
    asked = urllib.parse.urlencode({"query": query})
    with urllib.request.urlopen(f"{url}/api/v1/query?{asked}", timeout=30) as response:
        result = json.load(response)["data"]["result"]
    return [float(each["value"][1]) for each in result]


def test_requests_are_seen_by_quantile_rate_and_kind_of_error(make_monitor, tmp_path):
    with tocsin_up(tmp_path / "data") as url:
        monitor = make_monitor("llama", queue_capacity=16)
        monitor.queue(3)
        monitor.record(0.01)  # what was there when the first sample came is in no rate
        wait_until(lambda: answer(url, "inference_requests_total"), timeout_s=30)
        for number in range(200):
            monitor.record(0.3, tokens=50, first_token_s=0.05, error="oom" if number < 20 else None)
        wait_until(lambda: answer(url, 'inference_requests_total{status="success"}') == [181], timeout_s=30)
        # A new counter is 0 in the first push and right in the next, so that a rate sees all of it.
        wait_until(lambda: answer(url, "increase(inference_errors_total[5m]) >= 20"), timeout_s=30)
        assert answer(url, 'sum(inference_tokens_total{type="output"})') == [10_000]
        assert answer(url, "inference_queue_length / inference_queue_capacity") == [3 / 16]
        (p99,) = answer(
            url, "histogram_quantile(0.99, sum by (le) (rate(inference_request_duration_seconds_bucket[5m])))"
        )
        assert 0.16 < p99 <= 0.32
        (p95,) = answer(url, 'inference_recent_latency_seconds{quantile="0.95"}')
        assert p95 == pytest.approx(0.3, rel=0.0101)
        monitor.close()
        assert answer(url, "inference_up") == [0]


def test_pushed_and_scraped_are_one_series(make_monitor, tmp_path):
    with tocsin_up(tmp_path / "data") as url:
        monitor = make_monitor("llama", port=0)
        monitor.record(0.3)
        wait_until(lambda: answer(url, "count_over_time(inference_requests_total[1m]) > 3"), timeout_s=40)
        assert answer(url, "inference_requests_total") == [1]
        assert answer(url, "resets(inference_requests_total[5m])") == [0]
        monitor.close()


def test_histograms_arrive_by_otlp_as_well(make_monitor, tmp_path, monkeypatch):
    with tocsin_up(tmp_path / "data") as url:
        monkeypatch.setenv("TOCSIN_OTLP_URL", url)
        monitor = make_monitor("llama", gen_ai=True)
        for latency_s in (0.3, 0.3, 3.0):
            monitor.record(latency_s, tokens=50, route="/chat")
        wait_until(lambda: answer(url, "inference_request_duration_seconds_count") == [3], timeout_s=30)
        assert answer(url, 'inference_request_duration_seconds_bucket{le="0.32",route="/chat"}') == [2]
        assert answer(url, 'inference_requests_total{status="success"}') == [3]
        assert answer(url, 'gen_ai_client_token_usage_sum{gen_ai_token_type="output"}') == [150]
        monitor.close()


def test_what_is_kept_in_a_file_is_imported(make_monitor, tmp_path, monkeypatch):
    with monkeypatch.context() as offline:
        offline.setenv("TOCSIN_OFFLINE", str(tmp_path / "runs"))
        monitor = make_monitor("llama")
        for latency_s in (0.3, 0.3, 3.0):
            monitor.record(latency_s)
        monitor.close()
    with tocsin_up(tmp_path / "data") as url:
        command = [sys.executable, "-m", "tocsin", "import", str(tmp_path / "runs"), "--url", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert answer(url, 'inference_request_duration_seconds_bucket{model="llama",le="0.32"}') == [2]
