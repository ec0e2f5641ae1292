"""``tocsin check``: say whether files are right."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tocsin.alerts.drills.failing import check_failed_to
from tocsin.commands import check_alertmanager, check_rules
from tocsin.config.alertmanager import is_alertmanager
from tocsin.config.settings import load_settings
from tocsin.config.short import read_expanded
from tocsin.errors import ConfigError
from tocsin.rules import builtin_rules, read_rule_file

app = typer.Typer(help="Say whether files are right.", no_args_is_help=True)

Files = Annotated[list[Path], typer.Argument(metavar="FILE…", show_default=False)]


@app.command("config")
def config(files: Files) -> int:
    """Check configuration files and the rule files that they name; an alertmanager.yml is recognised."""
    wrong = 0
    for file in files:
        try:
            print(f"{file}: {_checked(file)}")
        except ConfigError as error:
            print(error, file=sys.stderr)
            wrong += 1
    return 1 if wrong else 0


def _checked(file: Path) -> str:
    """What is right about a file; raises ConfigError when it is not."""
    if is_alertmanager(read_expanded(file)):
        return check_alertmanager.checked(file)
    settings = load_settings(file)
    builtin_rules(settings)
    check_failed_to(settings)
    for rule_file in settings.rule_files:
        read_rule_file(Path(rule_file))
    return "ok"


@app.command("alertmanager")
def alertmanager(files: Files) -> int:
    """Check Alertmanager's configuration files."""
    return check_alertmanager.run(files)


app.command("rules")(check_rules.command)
