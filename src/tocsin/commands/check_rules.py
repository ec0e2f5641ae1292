"""``tocsin check rules``: say whether rule files are right."""

from __future__ import annotations

import sys
from pathlib import Path

from tocsin.errors import ConfigError
from tocsin.rules import read_rule_file


def run(files: list[Path]) -> int:
    """Check files; returns 0 when all are right, 1 otherwise."""
    wrong = 0
    for file in files:
        try:
            groups = read_rule_file(file)
        except ConfigError as error:
            print(error, file=sys.stderr)
            wrong += 1
        else:
            print(f"{file}: {sum(len(group.config.rules) for group in groups)} rules found")
    return 1 if wrong else 0
