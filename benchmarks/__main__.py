"""Runs every benchmark, or those named: ``python -m benchmarks [NAME…]``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from benchmarks import (
    alert_latency,
    alerts,
    inference_monitor,
    parsing,
    promql,
    quality,
    rules,
    startup,
    statsd,
    storage,
    torch_overhead,
    training_monitor,
)
from benchmarks.table import Row, print_rows

BENCHMARKS: dict[str, Callable[[], Sequence[Row]]] = {
    "alert_latency": alert_latency.rows,
    "alerts": alerts.rows,
    "inference_monitor": inference_monitor.rows,
    "parsing": parsing.rows,
    "promql": promql.rows,
    "quality": quality.rows,
    "rules": rules.rows,
    "startup": startup.rows,
    "statsd": statsd.rows,
    "storage": storage.rows,
    "torch_overhead": torch_overhead.rows,
    "training_monitor": training_monitor.rows,
}


def main(names: Sequence[str]) -> int:
    """Run them; returns the exit status."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark is named {unknown[0]} (there are {', '.join(BENCHMARKS)})", file=sys.stderr)
        return 2
    os.environ.setdefault("TOCSIN_SUMMARY", "0")  # a table shows what was measured
    for name in names or BENCHMARKS:
        print_rows(name, BENCHMARKS[name]())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
