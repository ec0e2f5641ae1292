"""``tocsin check alertmanager``: say whether Alertmanager's configuration files are right."""

from __future__ import annotations

import sys
from pathlib import Path

from tocsin.config import read_source
from tocsin.config.alertmanager import advice, read_alertmanager
from tocsin.errors import ConfigError


def run(files: list[Path]) -> int:
    """Check files; returns 0 when all are right, 1 otherwise."""
    wrong = 0
    for file in files:
        try:
            print(f"{file}: {checked(file)}")
        except ConfigError as error:
            print(error, file=sys.stderr)
            wrong += 1
    return 1 if wrong else 0


def checked(file: Path) -> str:
    """What a file holds, after advice about it on stderr; raises ConfigError when it is wrong."""
    config = read_alertmanager(file)
    for sentence in advice(read_source(file)):
        print(sentence, file=sys.stderr)
    counts = {
        "route": sum(1 for _ in config.route.walk()),
        "receiver": len(config.receivers),
        "inhibit rule": len(config.inhibit_rules),
        "time interval": len(config.time_intervals),
    }
    return "ok, " + ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for what, count in counts.items())
