"""``tocsin routes``: show a routing tree, and say who would be told of an alert."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from tocsin.alerts import Route, build_route
from tocsin.config import read_source
from tocsin.config.alertmanager import AlertmanagerConfig, is_alertmanager, read_alertmanager
from tocsin.config.matchers import parse_matchers
from tocsin.config.settings import load_settings
from tocsin.errors import UsageError
from tocsin.model import MatchType

app = typer.Typer(help="Show a routing tree, and say who would be told of an alert.", no_args_is_help=True)


@app.command("show")
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An alertmanager.yml, or tocsin's own file.")],
) -> int:
    """Show the routing tree of a configuration file."""
    print("\n".join(tree(read_route(file))))
    return 0


@app.command("test")
def told(
    labels: Annotated[list[str] | None, typer.Argument(metavar="LABEL=VALUE…", show_default=False)] = None,
    config: Annotated[
        Path, typer.Option("--config", "--config.file", help="An alertmanager.yml, or tocsin's own file.")
    ] = Path("alertmanager.yml"),
    verify: Annotated[
        str | None, typer.Option("--verify.receivers", help="Fail unless just these are told, as in a,b.")
    ] = None,
) -> int:
    """Print the receivers that are told of an alert with some labels, in the order of the tree."""
    found = receivers(read_route(config), labels or ())
    print(",".join(found))
    if verify is not None and verify.split(",") != found:
        print(f"the receivers are not those that were expected: {verify}", file=sys.stderr)
        return 1
    return 0


def read_route(file: Path) -> Route:
    """The routing tree of a file; raises ConfigError when it is wrong, UsageError when it has none."""
    return build_route(_alertmanager(file).route)


def _alertmanager(file: Path) -> AlertmanagerConfig:
    if is_alertmanager(read_source(file)):
        return read_alertmanager(file)
    config = load_settings(file).alertmanager
    if config is None:
        raise UsageError(f"{file} has no routes: neither of its own nor in a section alertmanager")
    return config


def receivers(route: Route, labels: Iterable[str]) -> list[str]:
    """The receivers of an alert, whose labels are given as ``name=value``.

    Raises UsageError for a label that is not given so.
    """
    return [found.receiver for found in route.match(dict(map(_label, labels)))]


def _label(text: str) -> tuple[str, str]:
    try:
        (matcher,) = parse_matchers(text)
    except ValueError:
        matcher = None
    if matcher is None or matcher.type is not MatchType.EQUAL:
        raise UsageError(f'not a label: "{text}" (allowed are forms such as severity=critical)')
    return matcher.name, matcher.value


def tree(route: Route) -> Iterator[str]:
    """A tree as lines of text, as amtool draws it."""
    yield "."
    yield f"└── {_node(route)}"
    yield from _below(route, "    ")


def _node(route: Route) -> str:
    shown = "{" + ",".join(map(str, route.matchers)) + "}" if route.matchers else "default-route"
    continues = "  continue: true" if route.continues else ""
    return f"{shown}{continues}  receiver: {route.receiver}"


def _below(route: Route, indent: str) -> Iterator[str]:
    for number, child in enumerate(route.routes, 1):
        is_last = number == len(route.routes)
        yield f"{indent}{'└' if is_last else '├'}── {_node(child)}"
        yield from _below(child, indent + ("    " if is_last else "│   "))
