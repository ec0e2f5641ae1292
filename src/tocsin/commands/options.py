"""Options and texts that several verbs have in common."""

from __future__ import annotations

import getpass
import time
from datetime import datetime
from typing import Annotated, TypeAlias

import typer
from rich.console import Console

from tocsin.errors import UsageError
from tocsin.model import format_duration_ms

Url: TypeAlias = Annotated[str | None, typer.Option(help="Of the tocsin to ask.", show_default=False)]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
By: TypeAlias = Annotated[
    str | None, typer.Option(help="Who acts; your login name unless given.", show_default=False)
]


def person(by: str | None) -> str:
    """Who acts; raises UsageError where nobody is named and this machine does not know either."""
    if by is not None:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise UsageError("who you are is not known here; say --by NAME") from error


def terminal() -> Console:
    """Prints tables, in which what stands in brackets or between colons is no more than text."""
    return Console(markup=False, emoji=False)


def clock_text(time_s: float) -> str:
    """A time as a person here reads it."""
    return f"{datetime.fromtimestamp(time_s).astimezone():%Y-%m-%d %H:%M:%S}"


def length_text(seconds: float | None) -> str:
    """A length of time in whole seconds.

    >>> length_text(93_784), length_text(None)
    ('1d2h3m4s', '-')
    """
    return "-" if seconds is None else format_duration_ms(round(seconds) * 1000)


def age_text(time_s: float) -> str:
    """How long ago a time was."""
    return length_text(max(0.0, time.time() - time_s))
