"""``tocsin silences``: keep alerts quiet for a while; works on an Alertmanager as well."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from tocsin.commands.api import ask_alertmanager, server_url
from tocsin.commands.options import AsJson, By, Url, person
from tocsin.config.matchers import parse_matchers
from tocsin.errors import UsageError
from tocsin.model import Matcher, parse_duration_ms
from tocsin.model.timestamps import format_timestamp_ms
from tocsin.web.alert_messages import matcher_as_json, read_matcher

_LONGEST_MS: Final = 30 * 86_400_000
"""A silence until cleared needs an end all the same; whoever forgets it is told again then."""

app = typer.Typer(help="Keep alerts quiet for a while.")


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    expired: Annotated[bool, typer.Option("--expired", help="Also those that have ended.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List silences that are active or will be."""
    if context.invoked_subcommand is None:
        raise typer.Exit(listed(url, with_expired=expired, as_json=as_json))


def listed(url: str | None = None, *, with_expired: bool = False, as_json: bool = False) -> int:
    """Print silences."""
    every = ask_alertmanager(url or server_url(), "GET", "/api/v2/silences")
    found = [each for each in every if with_expired or each["status"]["state"] != "expired"]
    if as_json:
        print(json.dumps(found, indent=2))
        return 0
    print("\n".join(map(_shown, found)) if found else "no silences")
    return 0


def _shown(silence: dict[str, Any]) -> str:
    matchers = " ".join(str(read_matcher(matcher)) for matcher in silence["matchers"])
    end = silence["endsAt"][:19].replace("T", " ") + "Z"
    until = "cleared" if silence.get("untilCleared") and silence["status"]["state"] != "expired" else end
    head = f"{silence['id']}  {silence['status']['state']} until {until}, by {silence['createdBy']}"
    return f"{head}: {silence['comment']}\n    {matchers}"


@app.command("add")
def add(
    matchers: Annotated[
        list[str], typer.Argument(metavar="MATCHER…", help="Such as alertname=GPUHot or 'host=~vm.*'.")
    ],
    comment: Annotated[str, typer.Option(help="Why.", show_default=False)],
    lasts: Annotated[str, typer.Option("--for", help="How long.")] = "1h",
    until_cleared: Annotated[
        bool, typer.Option("--until-cleared", help="Until nothing that it keeps quiet fires any more.")
    ] = False,
    by: By = None,
    url: Url = None,
) -> int:
    """Keep quiet what satisfies all matchers; prints the id."""
    address = url or server_url()
    now_ms = time.time_ns() // 1_000_000
    found = [matcher for text in matchers for matcher in _parsed(text)]
    lasts_ms = _LONGEST_MS if until_cleared else _length_ms(lasts)
    body = {
        "matchers": list(map(matcher_as_json, found)),
        "startsAt": format_timestamp_ms(now_ms),
        "endsAt": format_timestamp_ms(now_ms + lasts_ms),
        "createdBy": person(by),
        "comment": comment,
        **({"untilCleared": True} if until_cleared else {}),
    }
    silence_id = ask_alertmanager(address, "POST", "/api/v2/silences", body)["silenceID"]
    print(silence_id)
    return 0


@app.command("expire")
def expire(
    ids: Annotated[list[str], typer.Argument(metavar="ID…", show_default=False)], url: Url = None
) -> int:
    """End silences."""
    for silence_id in ids:
        ask_alertmanager(url or server_url(), "DELETE", f"/api/v2/silence/{quote(silence_id, safe='')}")
    return 0


def _parsed(text: str) -> Sequence[Matcher]:
    try:
        return parse_matchers(text)
    except ValueError as error:
        raise UsageError(
            f"{error} (allowed are forms such as alertname=GPUHot, severity!=info, host=~vm.*)"
        ) from error


def _length_ms(text: str) -> int:
    try:
        return parse_duration_ms(text)
    except ValueError as error:
        raise UsageError(f"--for: {error}") from error
