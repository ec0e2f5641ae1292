"""``tocsin check``: say whether files are right."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tocsin.commands import check_rules
from tocsin.config.settings import load_settings
from tocsin.errors import ConfigError
from tocsin.rules import read_rule_file

app = typer.Typer(help="Say whether files are right.", no_args_is_help=True)

Files = Annotated[list[Path], typer.Argument(metavar="FILE…", show_default=False)]


@app.command("config")
def config(files: Files) -> int:
    """Check configuration files and the rule files that they name."""
    wrong = 0
    for file in files:
        try:
            settings = load_settings(file)
            for rule_file in settings.rule_files:
                read_rule_file(Path(rule_file))
        except ConfigError as error:
            print(error, file=sys.stderr)
            wrong += 1
        else:
            print(f"{file}: ok")
    return 1 if wrong else 0


@app.command("rules")
def rules(files: Files) -> int:
    """Check rule files."""
    return check_rules.run(files)
