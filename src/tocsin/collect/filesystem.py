"""Sizes of mounted filesystems, as node_exporter's filesystem collector gives them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import Final, NamedTuple

import psutil
from prometheus_client.core import GaugeMetricFamily, Metric

from tocsin.collect.background import in_background

STAT_TIMEOUT_S: Final = 1.0
"""How long all mounts together may take to answer; below the shortest usual collection timeout."""

# node_exporter's defaults for --collector.filesystem.fs-types-exclude and mount-points-exclude.
_PSEUDO_TYPES: Final = re.compile(
    "autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|erofs|fusectl|hugetlbfs|iso9660|mqueue|nsfs"
    "|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs"
)
_PSEUDO_MOUNTS: Final = re.compile(
    r"/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)(/.*)?"
)

_SIZES: Final[tuple[tuple[str, str, Callable[[os.statvfs_result], float]], ...]] = (
    ("size_bytes", "Filesystem size in bytes.", lambda stat: stat.f_blocks * stat.f_frsize),
    ("free_bytes", "Filesystem free space in bytes.", lambda stat: stat.f_bfree * stat.f_frsize),
    (
        "avail_bytes",
        "Filesystem space available to non-root users in bytes.",
        lambda stat: stat.f_bavail * stat.f_frsize,
    ),
    ("files", "Filesystem total file nodes.", lambda stat: stat.f_files),
    ("files_free", "Filesystem total free file nodes.", lambda stat: stat.f_ffree),
)


class Mount(NamedTuple):
    """The labels of one mounted filesystem."""

    device: str
    fstype: str
    mountpoint: str


class FilesystemSizes:
    """Size, free space and file nodes by mount.

    A mount that fails or gives no answer in time has only ``node_filesystem_device_error`` 1 and
    ``node_filesystem_readonly``; one that hangs is left alone until its answer has come.
    """

    def __init__(self) -> None:
        self._pending: dict[str, Future[os.statvfs_result]] = {}

    def collect(self) -> Iterable[Metric]:
        """The ``node_filesystem_*`` families."""
        read_only = _mounts()
        answers = self._stat_all({mount.mountpoint for mount in read_only})
        families = [_family(name, text) for name, text, _ in _SIZES]
        errors = _family("device_error", "Whether an error occurred while getting statistics.")
        modes = _family("readonly", "Filesystem read-only status.")
        for mount, is_read_only in read_only.items():
            stat = answers.get(mount.mountpoint)
            errors.add_metric(mount, float(stat is None))
            modes.add_metric(mount, float(is_read_only))
            if stat is not None:
                for family, (_, _, measure) in zip(families, _SIZES, strict=True):
                    family.add_metric(mount, measure(stat))
        return [*families, errors, modes]

    def _stat_all(self, mountpoints: Iterable[str]) -> dict[str, os.statvfs_result]:
        asked = {path: _stat_in_background(path) for path in mountpoints if path not in self._pending}
        wait(asked.values(), timeout=STAT_TIMEOUT_S)
        self._pending |= asked
        finished = {path: future for path, future in self._pending.items() if future.done()}
        self._pending = {path: future for path, future in self._pending.items() if path not in finished}
        return {path: future.result() for path, future in finished.items() if future.exception() is None}


def _stat_in_background(mountpoint: str) -> Future[os.statvfs_result]:
    return in_background(lambda: os.statvfs(mountpoint))


def _mounts() -> dict[Mount, bool]:
    """The mounts worth a look, and whether each is read-only."""
    return {
        Mount(part.device, part.fstype, part.mountpoint): "ro" in part.opts.split(",")
        for part in psutil.disk_partitions(all=True)
        if _is_real(part.fstype, part.mountpoint)
    }


def _is_real(fstype: str, mountpoint: str) -> bool:
    # The root of a container is an overlay, and the disk that its training run can fill.
    if mountpoint == "/":
        return fstype != "rootfs"
    return not (_PSEUDO_TYPES.fullmatch(fstype) or _PSEUDO_MOUNTS.fullmatch(mountpoint))


def _family(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"node_filesystem_{name}", text, labels=Mount._fields)
