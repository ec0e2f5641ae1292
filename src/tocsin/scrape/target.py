"""A target: one URL to scrape and the labels that its samples get."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit

from tocsin.config.scrape import ScrapeConfig, TargetGroup
from tocsin.model import Labels, format_duration_ms, parse_duration_ms
from tocsin.scrape.relabel import relabel

ADDRESS: Final = "__address__"
_PARAM_PREFIX: Final = "__param_"


class TargetError(ValueError):
    """A target cannot be scraped as its labels say."""


@dataclass(frozen=True, slots=True)
class Target:
    """What to scrape, how often, and the labels to attach."""

    labels: Labels
    discovered: Labels
    url: str
    interval_ms: int
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class Targets:
    """The outcome of discovery for one job."""

    active: tuple[Target, ...] = ()
    dropped: tuple[Labels, ...] = ()
    problems: tuple[str, ...] = ()


def make_targets(config: ScrapeConfig, groups: Iterable[TargetGroup]) -> Targets:
    """Apply a resolved job's defaults and relabelling to discovered groups; equal targets count once."""
    active: dict[tuple[Labels, str], Target] = {}
    dropped: list[Labels] = []
    problems: list[str] = []
    for group in groups:
        for address in group.targets:
            discovered = _discovered(config, group, address)
            try:
                target = _make_target(config, discovered)
            except TargetError as error:
                problems.append(f'the target "{address}" of the job "{config.job_name}" is left out: {error}')
                continue
            if target is None:
                dropped.append(Labels(discovered))
            else:
                active.setdefault((target.labels, target.url), target)
    return Targets(tuple(active.values()), tuple(dropped), tuple(problems))


def _discovered(config: ScrapeConfig, group: TargetGroup, address: str) -> dict[str, str]:
    defaults = {
        "job": config.job_name,
        "__scrape_interval__": format_duration_ms(config.interval_ms),
        "__scrape_timeout__": format_duration_ms(config.timeout_ms),
        "__metrics_path__": config.metrics_path,
        "__scheme__": config.scheme.value,
        **{_PARAM_PREFIX + name: values[0] for name, values in config.params.items() if values},
    }
    return {**defaults, **group.labels, ADDRESS: address}


def _make_target(config: ScrapeConfig, discovered: Mapping[str, str]) -> Target | None:
    labels = relabel(discovered, config.relabel_configs)
    if labels is None:
        return None
    address = labels.get(ADDRESS, "")
    if not address:
        raise TargetError("relabelling left it without an address")
    interval_ms = _duration(labels, "__scrape_interval__")
    timeout_ms = _duration(labels, "__scrape_timeout__")
    if timeout_ms > interval_ms:
        raise TargetError("its timeout is longer than its interval")
    return Target(
        Labels({"instance": address, **{n: v for n, v in labels.items() if not n.startswith("__")}}),
        Labels(discovered),
        _url(config, labels, address),
        interval_ms,
        timeout_ms,
    )


def _duration(labels: Mapping[str, str], name: str) -> int:
    try:
        duration_ms = parse_duration_ms(labels.get(name, ""))
    except ValueError as error:
        raise TargetError(f"its label {name} is {error}") from error
    if duration_ms <= 0:
        raise TargetError(f"its label {name} is not above 0")
    return duration_ms


def _url(config: ScrapeConfig, labels: Mapping[str, str], address: str) -> str:
    params = {name: list(values) for name, values in config.params.items()}
    for label, value in labels.items():
        if label.startswith(_PARAM_PREFIX):
            name = label.removeprefix(_PARAM_PREFIX)
            params[name] = [value, *params.get(name, [])[1:]]
    path = labels.get("__metrics_path__", "/metrics")
    path, _, query = path.partition("?")
    query = "&".join(part for part in (query, urlencode(sorted(params.items()), doseq=True)) if part)
    scheme = labels.get("__scheme__", "http")
    url = f"{scheme}://{address}/{path.removeprefix('/')}"
    url = f"{url}?{query}" if query else url
    try:
        parts = urlsplit(url)
        # Of the URL it would not be seen: a parser lowers the scheme, and drops blanks before it.
        valid = scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise TargetError(f'"{url}" is no URL ({error})') from error
    if not valid:
        raise TargetError(f'"{url}" is no HTTP URL')
    return url
