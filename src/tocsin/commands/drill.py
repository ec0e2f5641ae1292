"""``tocsin drill``: prove that a message arrives, from the series to the person."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from tocsin.commands.api import ask, server_url
from tocsin.commands.options import AsJson, Url, clock_text, terminal
from tocsin.errors import QueryError

_PATH: Final = "/api/tocsin/drills"
_INTERVAL_S: Final = 0.1
_GRACE_S: Final = 30.0
"""How much longer than agreed a server may take before it is given up."""

_STYLES: Final = {"accepted by": "green", "acknowledged": "green", "refused by": "red", "muted": "yellow"}
_RESULT_STYLES: Final = {"succeeded": "bold green", "failed": "bold red"}


def drill(
    receiver: Annotated[
        list[str] | None,
        typer.Option(help="Send it straight to this receiver; may be given often.", show_default=False),
    ] = None,
    severity: Annotated[str, typer.Option(help="Of the alert; it may decide on the route.")] = "info",
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A further label; may be given often.", show_default=False),
    ] = None,
    wait_acknowledge: Annotated[
        str | None, typer.Option(help="Wait so long for a person to acknowledge.", show_default=False)
    ] = None,
    timeout: Annotated[str, typer.Option(help="How long it may take until every channel accepts.")] = "1m",
    url: Url = None,
    as_json: AsJson = False,
    history: Annotated[bool, typer.Option("--history", help="Only list the drills that were.")] = False,
) -> int:
    """Send a marked test alert the way that real alerts go, and show how far it comes.

    Without --receiver it takes the route that its labels lead to. The exit status is 0 when every channel
    accepted it, 1 when one did not, and 2 when the drill could not be run.
    """
    address = url or server_url()
    if history:
        return _show_history(ask(address, _PATH), as_json=as_json)
    started = ask(
        address,
        _PATH,
        {
            "receiver": receiver or [],
            "severity": severity,
            "label": label or [],
            "timeout": timeout,
            "wait_acknowledge": wait_acknowledge or "",
        },
    )
    if as_json:
        *_, last = _followed(address, started)
        print(json.dumps(last, indent=2))
    else:
        last = _show(address, started, terminal())
    return 0 if last["result"] == "succeeded" else 1


def _followed(address: str, drill: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A drill again and again until its result is known; raises QueryError when it never is."""
    deadline_s = time.monotonic() + drill["timeout"] + drill["waitAcknowledge"] + _GRACE_S
    while True:
        yield drill
        if drill["result"] is not None:
            return
        if time.monotonic() > deadline_s:
            raise QueryError(f"the drill {drill['id']} does not end; the log of tocsin may say why")
        time.sleep(_INTERVAL_S)
        drill = ask(address, f"{_PATH}/{drill['id']}")


def _show(address: str, drill: dict[str, Any], console: Console) -> dict[str, Any]:
    """Print each stage as it happens; returns the drill as it ended."""
    console.print(_title(drill))
    console.print(Text(f"  {'time':<10}{'after':>8}  {'stage':<16}who, what", style="dim"))
    shown, last = 0, drill
    for last in _followed(address, drill):
        for stage in last["stages"][shown:]:
            console.print(_line(stage, last["started"]), soft_wrap=True)
        shown = len(last["stages"])
    console.print(_verdict(last), soft_wrap=True)
    return last


def _title(drill: dict[str, Any]) -> str:
    to = ", ".join(drill["receivers"]) or "whoever its route leads to"
    return f"Drill {drill['id']} to {to}, severity {drill['severity']}"


def _line(stage: dict[str, Any], started_s: float) -> Text:
    at = datetime.fromtimestamp(stage["at"]).astimezone()
    after = f"{stage['at'] - started_s:.1f} s"
    what = " ".join(filter(None, (stage["receiver"], stage["integration"] and f"({stage['integration']})")))
    details = ": ".join(filter(None, (what or stage["who"], stage["text"])))
    name = Text(f"{stage['stage']:<16}", style=_STYLES.get(stage["stage"], ""))
    return Text.assemble(f"  {at:%H:%M:%S}  {after:>8}  ", name, details)


def _verdict(drill: dict[str, Any]) -> Text:
    """What came of it, in a sentence, and the reasons below it."""
    result = drill["result"]
    words = Text(_sentence(drill), style=_RESULT_STYLES.get(result, "bold yellow"))
    return Text("\n").join([words, *(Text(f"  {reason}") for reason in drill["reasons"])])


def _sentence(drill: dict[str, Any]) -> str:
    channels = drill["channels"]
    accepted = [each["accepted"] for each in channels if each["accepted"] is not None]
    match drill["result"]:
        case "succeeded":
            which = "The channel" if len(channels) == 1 else f"All {len(channels)} channels"
            within = f"{max(accepted) - drill['started']:.1f} s"
            return f"{which} accepted it within {within}. That it is over is told within half a minute."
        case "muted":
            return "Not everybody was told." if accepted else "Nobody was told."
        case "interrupted":
            return "The drill was interrupted."
        case _:
            return f"Failed: {_share(len(accepted), len(channels))}."


def _share(accepted: int, channels: int) -> str:
    """How many channels accepted, in words."""
    missing = channels - accepted
    if not channels:
        return "nobody was told"
    if not missing:
        return "it was accepted, but not acknowledged"
    if accepted:
        return f"{missing} of {channels} channels did not accept it"
    return "the channel did not accept it" if missing == 1 else "no channel accepted it"


def _show_history(drills: Iterable[dict[str, Any]], *, as_json: bool) -> int:
    found = list(drills)
    if as_json:
        print(json.dumps(found, indent=2))
        return 0
    table = Table(
        *(Column(name, no_wrap=True) for name in ("drill", "started", "asked by", "to", "result")),
        Column("why", overflow="fold"),
        box=None,
        header_style="dim",
    )
    for each in found:
        to = ", ".join(each["receivers"]) or "its route"
        reasons = "; ".join(each["reasons"])
        result = each["result"] or "running"
        table.add_row(each["id"], clock_text(each["started"]), each["by"], to, result, reasons)
    terminal().print(table if found else "no drill was run in the last 90 days")
    return 0
