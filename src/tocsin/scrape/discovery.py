"""Where targets come from: the configuration, files that others write, servers, processes on this machine."""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Protocol

from tocsin import runtime
from tocsin.config.scrape import DnsDiscoveryConfig, FileDiscoveryConfig, HttpDiscoveryConfig, TargetGroup
from tocsin.errors import ConfigError
from tocsin.scrape.dns_discovery import DnsDiscovery
from tocsin.scrape.groups import parse_json_groups, read_groups
from tocsin.scrape.http_discovery import HttpDiscovery

_log = logging.getLogger(__name__)

CHECK_INTERVAL_MS: Final = 5000
"""How often files are looked at for a change; a look costs one ``stat`` a file."""


class Discovery(Protocol):
    """A source of target groups."""

    @property
    def check_interval_ms(self) -> int | None:
        """How often to ask again; None when the answer never changes."""
        ...

    def groups(self) -> list[TargetGroup]:
        """The groups as they are now. Never raises; called from a thread, one call at a time."""
        ...

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong now, one sentence for each file."""
        ...


class DiscoveryConfigs(Protocol):
    """A part of the configuration that says where its targets come from."""

    @property
    def static_configs(self) -> tuple[TargetGroup, ...]:
        """Targets that are written down."""
        ...

    @property
    def file_sd_configs(self) -> tuple[FileDiscoveryConfig, ...]:
        """Files that name targets."""
        ...

    @property
    def http_sd_configs(self) -> tuple[HttpDiscoveryConfig, ...]:
        """Servers that name targets."""
        ...

    @property
    def dns_sd_configs(self) -> tuple[DnsDiscoveryConfig, ...]:
        """Names of which there are records."""
        ...


class StaticDiscovery:
    """The ``static_configs`` of a job."""

    check_interval_ms = None
    problems: Mapping[str, str] = {}

    def __init__(self, groups: Iterable[TargetGroup]) -> None:
        self._groups = list(groups)

    def groups(self) -> list[TargetGroup]:
        """The groups written in the configuration."""
        return self._groups


class FileDiscovery:
    """One entry of ``file_sd_configs``: JSON and YAML files by name or glob.

    A file that is broken counts as it was when it last was not.
    """

    def __init__(self, config: FileDiscoveryConfig) -> None:
        self._patterns = [str(file) for file in config.files]
        self._files = _GroupFiles()
        self.check_interval_ms = min(config.refresh_interval, CHECK_INTERVAL_MS)

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong now, one sentence for each file."""
        return self._files.problems

    def groups(self) -> list[TargetGroup]:
        """The groups of all files that exist now."""
        names = {name for pattern in self._patterns for name in glob.glob(pattern)}  # noqa: PTH207 - absolute
        return self._files.read(Path(name) for name in sorted(names))


class LocalDiscovery:
    """Processes of this user on this machine that announce themselves through the SDK."""

    check_interval_ms = CHECK_INTERVAL_MS

    def __init__(self) -> None:
        self._files = _GroupFiles()

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong now, one sentence for each file."""
        return self._files.problems

    def groups(self) -> list[TargetGroup]:
        """The groups of processes that are alive; files left behind by dead ones are removed."""
        alive = sorted(runtime.announced("targets"))
        _remove_left_behind()
        return self._files.read(alive)


def discoveries(config: DiscoveryConfigs) -> list[Discovery]:
    """All sources of targets of a job; raises ConfigError when a file of a ``tls_config`` cannot be used."""
    static: list[Discovery] = [StaticDiscovery(config.static_configs)] if config.static_configs else []
    return [
        *static,
        *(FileDiscovery(each) for each in config.file_sd_configs),
        *(HttpDiscovery(each) for each in config.http_sd_configs),
        *(DnsDiscovery(each) for each in config.dns_sd_configs),
    ]


class _GroupFiles:
    """Reads files again only when they changed, and remembers what they last held."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int, int], tuple[TargetGroup, ...]]] = {}
        self.problems: dict[str, str] = {}

    def read(self, paths: Iterable[Path]) -> list[TargetGroup]:
        found = {path: self._read_file(path) for path in paths}
        self._known = {path: known for path, known in self._known.items() if path in found}
        self.problems = {name: text for name, text in self.problems.items() if Path(name) in found}
        return [group for groups in found.values() for group in groups]

    def _read_file(self, path: Path) -> tuple[TargetGroup, ...]:
        known_stamp, known_groups = self._known.get(path, (None, ()))
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp == known_stamp:
                return known_groups
            groups = _parse(path)
        except (ConfigError, OSError) as error:
            self._report(path, str(error))
            return known_groups
        self.problems.pop(str(path), None)
        self._known[path] = (stamp, groups)
        return groups

    def _report(self, path: Path, problem: str) -> None:
        if self.problems.get(str(path)) != problem:
            _log.warning("targets of %s stay as they were: %s", path, problem)
        self.problems[str(path)] = problem


def _parse(path: Path) -> tuple[TargetGroup, ...]:
    name = str(path)
    groups = parse_json_groups(path.read_bytes(), name) if path.suffix == ".json" else read_groups(path)
    labels = {"__meta_filepath": name}
    return tuple(group.model_copy(update={"labels": {**labels, **group.labels}}) for group in groups)


def _remove_left_behind() -> None:
    """Remove files of ours whose process is gone."""
    for path in (runtime.runtime_dir() / "targets").glob("[0-9]*.json"):
        pid = path.stem.partition("-")[0]
        try:
            if (
                pid.isdecimal()
                and not runtime.process_is_alive(int(pid))
                and path.stat().st_uid == os.getuid()
            ):
                path.unlink()
        except OSError as error:
            _log.debug("cannot remove %s: %s", path, error)
