"""Reading samples: text beside prometheus_client's parsers, and remote write requests.

The text is that of outside expositions when they lie beside the checkout, else of a registry with the same
kinds of metrics. "Repeated" is the second and every later scrape of a target, in which values have changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.table import Row
from tocsin.model import Labels, SampleBatch
from tocsin.receive import WriteRequestDecoder, decode_text_import, encode_write_request
from tocsin.scrape import ExpositionParser, TextFormat

EXPOSITIONS = Path(__file__).resolve().parents[2] / "shared" / "cases" / "textformat"
FILES = ("node_exporter.e2e-output.txt", "alltypes.237mfs.prom.txt")
ROUNDS = 20
SERIES = 5000
NOW_MS = 1_700_000_000_000


def rows() -> list[Row]:
    """Measure."""
    measured = [row for name, text in expositions().items() for row in text_rows(name, text)]
    return [*measured, *push_rows()]


def expositions() -> dict[str, bytes]:
    """Texts to read, by name."""
    outside = {name: EXPOSITIONS / name for name in FILES}
    if all(path.exists() for path in outside.values()):
        return {name: path.read_bytes() for name, path in outside.items()}
    return {"a registry": generate_latest(registry())}


def registry() -> CollectorRegistry:
    """Counters and histograms of a server with 100 handlers."""
    made = CollectorRegistry()
    requests = Counter("http_requests", "Requests.", ["handler", "code"], registry=made)
    latency = Histogram("http_latency_seconds", "Latency.", ["handler"], registry=made)
    for number in range(100):
        requests.labels(f"/api/v1/handler/{number}", "200").inc(number * 1.1)
        latency.labels(f"/api/v1/handler/{number}").observe(number / 10)
    return made


def text_rows(name: str, text: bytes) -> list[Row]:
    """The first and the repeated scrape of one text, and the peer's parser."""
    line_count = text.count(b"\n")
    changed = with_other_values(text)
    decoded = text.decode()
    parser = ExpositionParser(TextFormat())
    first_s = best_s(lambda: ExpositionParser(TextFormat()).parse(text))
    repeated_s = best_s(lambda: (parser.parse(text), parser.parse(changed))) / 2
    peer_s = best_s(lambda: list(text_string_to_metric_families(decoded)), rounds=3)
    peer = f"prometheus_client {rate(line_count, peer_s)} lines/s"
    return [
        Row(f"{name}, first scrape", f"{rate(line_count, first_s)} lines/s", "", peer),
        Row(
            f"{name}, repeated scrape",
            f"{rate(line_count, repeated_s)} lines/s",
            "≥ 1 M lines/s",
            f"{peer_s / repeated_s:.0f} times as fast as prometheus_client",
        ),
    ]


def with_other_values(text: bytes) -> bytes:
    """The same text a while later."""
    lines = text.split(b"\n")
    return b"\n".join(line + b"1" if line[-1:].isdigit() and line[:1] != b"#" else line for line in lines)


def push_rows() -> list[Row]:
    """Requests of remote write and of text import."""
    labels = [
        Labels({"__name__": "node_cpu_seconds_total", "cpu": str(i % 64), "instance": f"host-{i // 64}:9100"})
        .set(job="node", mode="idle", region="eu-west-1", zone="a")
        for i in range(SERIES)
    ]  # fmt: skip
    values = np.where(np.arange(SERIES) % 4, np.random.default_rng(0).random(SERIES), 0)
    batch = SampleBatch(labels, np.arange(SERIES), np.full(SERIES, NOW_MS), values)
    body = encode_write_request(batch)
    lines = "".join(
        f"{each} {value!r} {NOW_MS}\n" for each, value in zip(labels, values.tolist(), strict=True)
    )
    text = lines.encode()
    decoder = WriteRequestDecoder()
    first_s = best_s(lambda: WriteRequestDecoder().decode(body), rounds=3)
    repeated_s = best_s(lambda: decoder.decode(body))
    import_s = best_s(lambda: decode_text_import(text, "", NOW_MS), rounds=3)
    return [
        Row("remote write, 5,000 series, first request", f"{rate(SERIES, first_s)} samples/s"),
        Row("remote write, 5,000 series, later requests", f"{rate(SERIES, repeated_s)} samples/s"),
        Row("text import, 5,000 series with times", f"{rate(SERIES, import_s)} samples/s"),
    ]


def best_s(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The least time of several rounds, as the others hold what the machine did besides."""
    work()
    times_s = []
    for _ in range(rounds):
        started_s = time.perf_counter()
        work()
        times_s.append(time.perf_counter() - started_s)
    return min(times_s)


def rate(count: int, duration_s: float) -> str:
    """A rate for people."""
    per_second = count / duration_s
    return f"{per_second / 1e6:.2f} M" if per_second >= 1e6 else f"{per_second / 1e3:.0f} k"
