"""``tocsin storage`` and what the store says of itself, on a real process."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from tests.support.process import running_tocsin
from tocsin.commands.storage import rows, storage
from tocsin.errors import UsageError


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("usage")
    environment = {"TOCSIN_RUNTIME_DIR": str(folder / "runtime")}
    config = "collectors: {enabled: false, interval: 200ms}"
    with running_tocsin(folder, config, environment=environment) as tocsin:
        lines = "".join(f'x{{n="{n}"}} {n}\n' for n in range(100))
        httpx.post(f"{tocsin.url}/api/v1/import/prometheus", content=lines, trust_env=False)
        yield tocsin


def test_the_command_shows_figures(tocsin, capsys):
    assert storage(url=tocsin.url) == 0
    shown = capsys.readouterr().out
    assert "tocsin.duckdb" in "".join(shown.split())
    for topic in ("series", "raw", "5m", "1h", "known after an hour"):
        assert topic in shown


def test_an_older_store_can_be_predicted():
    figures = {
        "path": "x",
        "series": 1,
        "samples": 10**9,
        "samplesPerDay": 10**8,
        "oldest": 0.0,
        "newest": 1.0,
        "retentionSeconds": 7 * 86_400.0,
        "fileBytes": 2 * 10**9,
        "blockBytes": 4 * 10**9,
        "tiers": [
            {
                "name": "5m",
                "resolutionSeconds": 300.0,
                "retentionSeconds": 30 * 86_400.0,
                "samples": 10**6,
                "blocks": 3,
                "bytes": 4 * 10**9,
                "oldest": None,
                "newest": None,
                "predictedBytes": None,
            }
        ],
        "diskFreeBytes": 10**9,
        "bytesPerSample": 2.0,
        "bytesPerDay": 2e8,
        "predictedBytes": 3e9,
        "daysUntilFull": 5.0,
    }
    shown = dict(rows(figures))
    assert shown["growth"] == "200.0 MB a day, 3.0 GB in the end"
    assert shown["5m"] == "1,000,000 summaries, 4.0 GB in 3 blocks, kept 30 days"
    assert shown["full"] == "in 5.0 days"
    assert dict(rows({**figures, "daysUntilFull": None}))["full"].startswith("never")


def test_the_command_prints_json(tocsin, capsys):
    storage(url=tocsin.url, as_json=True)
    usage = json.loads(capsys.readouterr().out)
    assert usage["series"] >= 100
    assert usage["fileBytes"] > 0
    assert usage["oldest"] <= usage["newest"] <= time.time()


def test_metrics_tell_the_same(tocsin):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        text = httpx.get(f"{tocsin.url}/metrics", trust_env=False).text
        figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("tocsin_storage"))
        if float(figures.get("tocsin_storage_series", 0)) >= 100:
            break
        time.sleep(0.1)
    assert float(figures["tocsin_storage_file_bytes"]) > 0
    assert float(figures["tocsin_storage_disk_free_bytes"]) > 0
    assert figures['tocsin_storage_rejected_samples_total{reason="max_series"}'] == "0.0"


def test_without_a_server_it_is_a_sentence():
    with pytest.raises(UsageError, match="is tocsin up"):
        storage(url="http://127.0.0.1:9")
