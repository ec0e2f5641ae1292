"""``tocsin test promql``: run files in the format of Prometheus' promqltest."""

from __future__ import annotations

import sys
from pathlib import Path

from tocsin.errors import ConfigError
from tocsin.promql.promqltest import Report, read_skips, run_file
from tocsin.storage.head import Head


def run(files: list[Path], skips: Path | None) -> int:
    """Run the files, each on a fresh in-memory store; say what failed, and last how many passed.

    ``skips`` names evaluations to leave out. Returns the exit status: 0 all passed, 1 some failed,
    2 a file cannot be read.
    """
    report = Report()
    try:
        skipped = {} if skips is None else read_skips(skips)
        for file in files:
            run_file(file, Head, skipped.get(file.name, frozenset()), report)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    for failure in report.failures:
        print(failure)
    print(report)
    return 1 if report.failures else 0
