"""``tocsin incidents``: what is wrong, what happened, and what a person says and does about it."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from rich.table import Column, Table

from tocsin.commands.api import ask, post_json, server_url
from tocsin.commands.options import AsJson, By, Url, age_text, clock_text, length_text, person, terminal

_PATH = "/api/tocsin/incidents"

app = typer.Typer(help="Show incidents, and say or do something about one.")

Number = Annotated[int, typer.Argument(metavar="N", help="The number of the incident.", min=1)]


class Status(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    status: Annotated[list[Status] | None, typer.Option(help="Only these; may be given often.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List incidents, the newest first; those that are not over unless --status says which."""
    if context.invoked_subcommand is None:
        raise typer.Exit(listed(status or [Status.OPEN, Status.ACKNOWLEDGED], url, as_json=as_json))


def listed(statuses: list[Status], url: str | None = None, *, as_json: bool = False) -> int:
    """Print the incidents of some statuses."""
    found = ask(url or server_url(), f"{_PATH}?{urlencode([('status', each) for each in statuses])}")
    if as_json:
        print(json.dumps(found, indent=2))
        return 0
    table = Table(
        "#",
        "status",
        "severity",
        "since",
        Column("what", overflow="fold"),
        "who",
        box=None,
        header_style="dim",
    )
    for each in found:
        by = each["acknowledgement"]["by"] if each["acknowledgement"] else ""
        since = age_text(each["opened"])
        table.add_row(str(each["id"]), each["status"], each["severity"], since, each["title"], by)
    terminal().print(table if found else f"no incident is {' or '.join(statuses)}")
    return 0


@app.command("show")
def show(number: Number, url: Url = None, as_json: AsJson = False) -> int:
    """Show one incident with its timeline."""
    found = ask(url or server_url(), f"{_PATH}/{number}")
    if as_json:
        print(json.dumps(found, indent=2))
        return 0
    print(f"#{found['id']} {found['title']}\n{_standing(found)}")
    table = Table("at", "kind", Column("text", overflow="fold"), box=None, show_header=False)
    for each in found["timeline"]:
        table.add_row(
            clock_text(each["at"]), each["kind"], " ".join(filter(None, (each["who"], each["text"])))
        )
    terminal().print(table)
    return 0


def _standing(incident: dict[str, Any]) -> str:
    parts = [incident["status"], incident["severity"], f"since {clock_text(incident['opened'])}"]
    parts.append(f"{incident['firing']} of {len(incident['alerts'])} alerts fire")
    if acknowledgement := incident["acknowledgement"]:
        parts.append(f"acknowledged by {acknowledgement['by']}")
    if incident["levels"]:
        parts.append(f"level {incident['level']} of {len(incident['levels'])} told")
    return ", ".join(filter(None, parts))


@app.command("acknowledge")
def acknowledge(
    number: Number,
    lasts: Annotated[
        str | None,
        typer.Option("--for", help="How long, such as 2h; then it is open again.", show_default=False),
    ] = None,
    by: By = None,
    url: Url = None,
) -> int:
    """Say that you act: nobody else is told until it is resolved, or the time is over."""
    body = {"by": person(by), **({"for": lasts} if lasts else {})}
    return _said(post_json(url or server_url(), f"{_PATH}/{number}/acknowledge", body))


@app.command("note")
def note(
    number: Number, text: Annotated[str, typer.Argument(metavar="TEXT")], by: By = None, url: Url = None
) -> int:
    """Add a note to the timeline."""
    return _said(post_json(url or server_url(), f"{_PATH}/{number}/notes", {"by": person(by), "text": text}))


@app.command("escalate")
def escalate(number: Number, by: By = None, url: Url = None) -> int:
    """Have the levels of its escalation begin."""
    return _said(post_json(url or server_url(), f"{_PATH}/{number}/escalate", {"by": person(by)}))


@app.command("merge")
def merge(
    number: Number,
    into: Annotated[int, typer.Argument(metavar="INTO", help="The one that stays.", min=1)],
    by: By = None,
    url: Url = None,
) -> int:
    """Make one incident of two."""
    return _said(post_json(url or server_url(), f"{_PATH}/{number}/merge", {"into": into, "by": person(by)}))


def _said(incident: dict[str, Any]) -> int:
    print(f"#{incident['id']} {incident['title']}: {incident['status']}")
    return 0


@app.command("summary")
def summary(
    month: Annotated[str | None, typer.Option(help="Such as 2026-11; this month unless given.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Print how a month went: how many, and how long until they were acknowledged and resolved."""
    parameters = urlencode({"month": month} if month else {})
    found = ask(url or server_url(), f"{_PATH}/summary?{parameters}")
    if as_json:
        print(json.dumps(found, indent=2))
        return 0
    by_severity = ", ".join(
        f"{count} {severity or 'without severity'}" for severity, count in found["bySeverity"].items()
    )
    table = Table(box=None, show_header=False)
    table.add_row("month", found["month"])
    table.add_row("incidents", f"{found['incidents']}{f' ({by_severity})' if by_severity else ''}")
    table.add_row("resolved", f"{found['resolved']}, opened again {found['reopened']} times")
    table.add_row("until acknowledged", f"{length_text(found['medianTimeToAcknowledge'])} (median)")
    table.add_row("until resolved", f"{length_text(found['medianTimeToResolve'])} (median)")
    terminal().print(table)
    return 0


@app.command("noise")
def noise(
    days: Annotated[int, typer.Option(help="How many days, with today.", min=1, max=366)] = 7,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Print who is told how often a day, and which rules nobody acts on."""
    found = ask(url or server_url(), f"{_PATH}/noise?days={days}")
    if as_json:
        print(json.dumps(found, indent=2))
        return 0
    told = Table(
        "receiver", "by", Column("messages a day", justify="right"), "most", box=None, header_style="dim"
    )
    for each in found["receivers"]:
        by_day = each["notificationsByDay"]
        told.add_row(each["receiver"], each["integration"], f"{sum(by_day) / days:.1f}", str(max(by_day)))
    rules = Table("rule", "messages", "incidents", "acted on", "", box=None, header_style="dim")
    for each in found["rules"]:
        advice = "" if each["actedOn"] or not each["incidents"] else "nobody acted: is it needed?"
        figures = (str(each[key]) for key in ("notifications", "incidents", "actedOn"))
        rules.add_row(each["rule"], *figures, advice)
    console = terminal()
    console.print(told if found["receivers"] else f"nobody was told anything in {days} days")
    if found["rules"]:
        console.print()
        console.print(rules)
    return 0
