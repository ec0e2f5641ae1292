"""The store that the API behind browser tests tells of, and what tocsin measures of itself there."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

MIB = 1 << 20
GIB = 1 << 30
DAY_S = 86_400
OWN = {"job": "tocsin", "instance": "vm"}
ELSEWHERE = "samples are kept by an engine elsewhere (storage.type)"

Measured = dict[str, list[tuple[dict[str, str], Callable[[float], float]]]]

STORE: Measured = {
    "tocsin_storage_file_bytes": [({}, lambda _: 256 * MIB)],
    "tocsin_storage_block_bytes": [
        ({"tier": "raw"}, lambda _: 3 * GIB),
        ({"tier": "5m"}, lambda _: 512 * MIB),
        ({"tier": "1h"}, lambda _: 256 * MIB),
    ],
    "tocsin_storage_disk_free_bytes": [({}, lambda _: 80 * GIB)],
    "tocsin_storage_samples_total": [({}, lambda _: 12_500)],
    "tocsin_storage_rejected_samples_total": [({"reason": "max_series"}, lambda _: 0)],
    "tocsin_storage_series": [({}, lambda _: 14_220)],
}
QUEUES: Measured = {
    "tocsin_remote_write_samples_pending": [({"name": "estate"}, lambda _: 1500)],
    "tocsin_remote_write_samples_total": [({"name": "estate"}, lambda _: 12_000)],
    "tocsin_remote_write_samples_dropped_total": [({"name": "estate", "reason": "refused"}, lambda _: 0)],
    "tocsin_remote_write_queue_bytes": [({"name": "estate"}, lambda _: 15 * MIB)],
}


def usage() -> dict[str, object]:
    """What ``/api/tocsin/storage`` gives where there are tiers."""
    now = time.time()
    tiers = [
        tier("raw", 0, 15, 2_345_678_901, 3 * GIB, 15, now - 12 * DAY_S, predicted=4 * GIB),
        tier("5m", 300, 90, 45_000_000, 512 * MIB, 12, now - 60 * DAY_S - 3600, predicted=768 * MIB),
        tier("1h", 3600, 730, 3_800_000, 256 * MIB, 3, None, predicted=None),
    ]
    return {
        "path": "/var/lib/tocsin/tocsin.duckdb",
        "series": 14_220,
        "samples": 2_400_000_000,
        "samplesPerDay": 195_000_000,
        "oldest": now - 12 * DAY_S,
        "newest": now,
        "retentionSeconds": 15 * DAY_S,
        "fileBytes": 256 * MIB,
        "diskFreeBytes": 80 * GIB,
        "bytesPerSample": 1.42,
        "bytesPerDay": 264 * MIB,
        "predictedBytes": 5 * GIB,
        "daysUntilFull": None,
        "tiers": tiers,
        "blockBytes": 3 * GIB + 768 * MIB,
        "encrypted": True,
    }


def tier(
    name: str,
    resolution_s: int,
    days: int,
    samples: int,
    size: int,
    blocks: int,
    oldest: float | None,
    *,
    predicted: int | None,
) -> dict[str, object]:
    """One tier as the API gives it; its newest block ended an hour ago."""
    return {
        "name": name,
        "resolutionSeconds": resolution_s,
        "retentionSeconds": days * DAY_S,
        "samples": samples,
        "bytes": size,
        "blocks": blocks,
        "oldest": oldest,
        "newest": None if oldest is None else time.time() - 3600,
        "predictedBytes": predicted,
    }


@dataclass
class FakeStore:
    """What is known of the store; ``usage`` is None where samples are kept elsewhere."""

    usage: dict[str, object] | None = field(default_factory=usage)
    fault: str = ""
    measured: Measured = field(default_factory=lambda: dict(STORE))
    losses: dict[str, list[tuple[dict[str, str], float]]] = field(default_factory=dict)
    instances: list[str] = field(default_factory=lambda: ["vm"])

    def answer(self) -> tuple[dict[str, object], int]:
        """Body and status of ``/api/tocsin/storage``."""
        if self.fault:
            return {"status": "error", "errorType": "internal", "error": self.fault}, 500
        if self.usage is None:
            return {"status": "error", "errorType": "not_found", "error": ELSEWHERE}, 404
        return {"status": "success", "data": self.usage}, 200

    def find(self) -> list[dict[str, str]]:
        """The instances that measured themselves."""
        return [{**OWN, "instance": instance} for instance in self.instances]

    def instant(self, expr: str, at_s: float) -> tuple[str, list[dict[str, object]]]:
        """Kind of the answer to an instant query, and the answer."""
        if expr.endswith("[2m]"):
            return "matrix", [{"metric": OWN, "values": [[at_s - age, "1"] for age in (10, 5, 0)]}]
        metric = re.findall(r"tocsin_\w+", expr)[0]
        if expr.startswith("sum by"):
            found = [(labels, count) for labels, count in self.losses.get(metric, []) if count > 0]
        elif metric == "tocsin_config_last_reload_successful":
            found = [(OWN, 1.0) for name in self.instances if f'"{name}"' in expr]
        else:
            found = [(labels, 1.0) for labels, _ in self.measured.get(metric, [])]
        return "vector", [{"metric": labels, "value": [at_s, str(value)]} for labels, value in found]

    def over(self, expr: str, grid: list[float]) -> list[dict[str, object]]:
        """The answer to a range query; ``rate`` is left to the formulas."""
        metric = re.findall(r"tocsin_\w+", expr)[0]
        return [
            {"metric": labels, "values": [[t, str(formula(t))] for t in grid]}
            for labels, formula in self.measured.get(metric, [])
        ]
