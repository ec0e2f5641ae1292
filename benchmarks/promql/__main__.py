"""The benchmark of PromQL at other sizes: ``python -m benchmarks.promql --series 1000 --scrapes 240``."""

from __future__ import annotations

import argparse

from benchmarks.promql.report import REPETITIONS, SCRAPES, SERIES, rows
from benchmarks.table import print_rows


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.promql", description=__doc__)
    parser.add_argument("--series", type=int, default=SERIES, help="how many, in hundreds; at least 200")
    parser.add_argument("--scrapes", type=int, default=SCRAPES, help="how many samples each has, 15 s apart")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, help="how often each query is timed")
    options = parser.parse_args()
    title = f"promql, {options.series:,} series x {options.scrapes} scrapes"
    print_rows(title, rows(options.series, options.scrapes, options.repetitions))


if __name__ == "__main__":
    main()
