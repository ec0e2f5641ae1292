"""``tocsin query EXPR``: ask a running tocsin, and see the answer in the terminal."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from tocsin.commands.api import ask, server_url
from tocsin.errors import UsageError
from tocsin.model import Labels, parse_duration_ms

_BARS: Final = "▁▂▃▄▅▆▇█"
_SPARKLINE_WIDTH: Final = 60
_DEFAULT_STEPS: Final = 60
_SECONDS: Final = re.compile(r"\d+(\.\d*)?", re.ASCII)


def query(
    expr: Annotated[str, typer.Argument(help="A PromQL expression.")],
    start: Annotated[str | None, typer.Option(help="Begin of a range: RFC 3339, seconds, or -1h.")] = None,
    end: Annotated[str | None, typer.Option(help="End of a range, or the time of an instant query.")] = None,
    step: Annotated[str | None, typer.Option(help="Step of a range, such as 15s.")] = None,
    url: Annotated[str | None, typer.Option(help="Of tocsin or any Prometheus-compatible server.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the data of the answer as JSON.")] = False,
) -> int:
    """Evaluate a PromQL expression: now, or from --start to --end."""
    now_s = time.time()
    end_s = time_s(end, now_s) if end else now_s
    if start is None:
        data = ask(url or server_url(), "/api/v1/query", {"query": expr, "time": end_s})
    else:
        start_s = time_s(start, now_s)
        step_text = step or str(max(1, round((end_s - start_s) / _DEFAULT_STEPS)))
        span = {"start": start_s, "end": end_s, "step": step_text}
        data = ask(url or server_url(), "/api/v1/query_range", {"query": expr, **span})
    if as_json:
        print(json.dumps(data, indent=2))
    else:
        _show(data, Console())
    return 0


def time_s(text: str, now_s: float) -> float:
    """Seconds since 1970 from seconds, a time in RFC 3339, or a duration before now such as ``-1h``."""
    try:
        if text.startswith("-"):
            return now_s - parse_duration_ms(text[1:]) / 1000
        return float(text) if _SECONDS.fullmatch(text) else datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise UsageError(
            f'not a time: "{text}" (allowed are forms such as 2026-01-31T12:00:00Z, 1700000000 or -1h)'
        ) from error


def _show(data: dict[str, Any], console: Console) -> None:
    result = data["result"]
    match data["resultType"]:
        case "scalar" | "string":
            console.print(result[1])
        case "vector":
            _show_vector(result, console)
        case _:
            _show_matrix(result, console)


def _show_vector(result: Sequence[dict[str, Any]], console: Console) -> None:
    table = Table("series", "value", box=None, header_style="dim")
    table.columns[1].justify = "right"
    for series in result:
        table.add_row(str(Labels(series["metric"])), series["value"][1])
    console.print(table if result else "no series")


def _show_matrix(result: Sequence[dict[str, Any]], console: Console) -> None:
    table = Table("series", "", "min", "max", "last", box=None, header_style="dim")
    for series in result:
        values = [float(text) for _, text in series["values"]]
        finite = [value for value in values if math.isfinite(value)] or [math.nan]
        figures = (min(finite), max(finite), values[-1])
        table.add_row(
            str(Labels(series["metric"])), sparkline(values), *(f"{figure:.6g}" for figure in figures)
        )
    console.print(table if result else "no series")


def sparkline(values: Sequence[float], width: int = _SPARKLINE_WIDTH) -> str:
    """Values as bars from lowest to highest, at most ``width`` of them, each the highest of its share.

    >>> sparkline([0, 1, 2, 3])
    '▁▃▆█'
    """
    shares = _shares(values, width)
    finite = [value for value in shares if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((value - low) * scale)] if math.isfinite(value) else " " for value in shares)


def _shares(values: Sequence[float], width: int) -> list[float]:
    if len(values) <= width:
        return list(values)
    bounds = [index * len(values) // width for index in range(width + 1)]
    return [max(values[first:end]) for first, end in pairwise(bounds)]
