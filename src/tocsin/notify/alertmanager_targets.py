"""From discovered targets to the addresses of Alertmanagers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tocsin.config.alerting import AlertmanagersConfig
from tocsin.config.scrape import TargetGroup
from tocsin.scrape.relabel import relabel

ADDRESS: Final = "__address__"
_SCHEME: Final = "__scheme__"
_PATH: Final = "__alerts_path__"


@dataclass(frozen=True, slots=True)
class AlertmanagerTargets:
    """Where to post alerts, addresses that relabelling drops, and a sentence for each that cannot be used."""

    urls: list[str]
    dropped: list[str]
    problems: frozenset[str]


def alertmanager_urls(config: AlertmanagersConfig, groups: Iterable[TargetGroup]) -> AlertmanagerTargets:
    """The addresses that alerts are posted to; each counts once.

    >>> config = AlertmanagersConfig(path_prefix="/x")
    >>> alertmanager_urls(config, [TargetGroup(targets=("am:9093",))]).urls
    ['http://am:9093/x/api/v2/alerts']
    """
    urls: dict[str, None] = {}
    dropped: list[str] = []
    problems: set[str] = set()
    for group in groups:
        for address in group.targets:
            labels = relabel(_discovered(config, group, address), config.relabel_configs)
            if labels is None:
                dropped.append(address)
                continue
            url = _url(labels)
            if _is_usable(url):
                urls[url] = None
            else:
                problems.add(f'the Alertmanager "{address}" is left out: "{url}" is no HTTP URL')
    return AlertmanagerTargets(list(urls), dropped, frozenset(problems))


def _discovered(config: AlertmanagersConfig, group: TargetGroup, address: str) -> Mapping[str, str]:
    prefix = config.path_prefix.strip("/")
    path = f"/{prefix}/api/v2/alerts" if prefix else "/api/v2/alerts"
    return {_SCHEME: config.scheme, _PATH: path, **group.labels, ADDRESS: address}


def _url(labels: Mapping[str, str]) -> str:
    path = labels.get(_PATH, "").removeprefix("/")
    return f"{labels.get(_SCHEME, 'http')}://{labels.get(ADDRESS, '')}/{path}"


def _is_usable(url: str) -> bool:
    if any(character.isspace() for character in url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
