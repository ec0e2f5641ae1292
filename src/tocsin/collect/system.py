"""Processors, memory, disks and network of this machine, under node_exporter's names and in its units."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import psutil
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tocsin.collect.cpu import CpuSeconds
from tocsin.collect.filesystem import FilesystemSizes
from tocsin.collect.guard import guarded

_log = logging.getLogger(__name__)

# node_exporter's default for --collector.diskstats.device-exclude: memory disks, loops and partitions.
_IGNORED_DISKS: Final = re.compile(r"(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+")

_MS_PER_S: Final = 1000

# Metric, help text, psutil's field, and how many of psutil's units make one of ours.
_DISK_COUNTERS: Final = (
    ("reads_completed", "The total number of reads completed successfully.", "read_count", 1),
    ("reads_merged", "The total number of reads merged.", "read_merged_count", 1),
    ("read_bytes", "The total number of bytes read successfully.", "read_bytes", 1),
    ("read_time_seconds", "The total number of seconds spent by all reads.", "read_time", _MS_PER_S),
    ("writes_completed", "The total number of writes completed successfully.", "write_count", 1),
    ("writes_merged", "The number of writes merged.", "write_merged_count", 1),
    ("written_bytes", "The total number of bytes written successfully.", "write_bytes", 1),
    ("write_time_seconds", "The total number of seconds spent by all writes.", "write_time", _MS_PER_S),
    ("io_time_seconds", "Total seconds spent doing I/Os.", "busy_time", _MS_PER_S),
)

_NETWORK_COUNTERS: Final = (
    ("receive_bytes", "bytes_recv"),
    ("receive_packets", "packets_recv"),
    ("receive_errs", "errin"),
    ("receive_drop", "dropin"),
    ("transmit_bytes", "bytes_sent"),
    ("transmit_packets", "packets_sent"),
    ("transmit_errs", "errout"),
    ("transmit_drop", "dropout"),
)


class SystemCollector:
    """What node_exporter gives in the nine of its collectors that are named below.

    A part that fails leaves out its own metrics and shows as ``node_scrape_collector_success`` 0.

    >>> "node_load1" in {family.name for family in SystemCollector().collect()}
    True
    """

    name = "system"

    def __init__(self) -> None:
        self._failed: set[str] = set()
        self._parts: tuple[tuple[str, Callable[[], Iterable[Metric]]], ...] = (
            ("cpu", CpuSeconds().collect),
            ("diskstats", _disks),
            ("filesystem", FilesystemSizes().collect),
            ("loadavg", _load),
            ("meminfo", _memory),
            ("netdev", _network),
            ("stat", _kernel),
            ("time", _time),
            ("uname", _uname),
        )

    def collect(self) -> Iterator[Metric]:
        """The ``node_*`` families."""
        success = GaugeMetricFamily(
            "node_scrape_collector_success", "Whether a collector succeeded.", labels=["collector"]
        )
        for part, collect in self._parts:
            families, failure = guarded(partial(_listed, collect))
            self._report(part, failure)
            success.add_metric([part], float(not failure))
            yield from families or ()
        yield success

    def _report(self, part: str, failure: str) -> None:
        if failure and part not in self._failed:
            _log.warning("the %s metrics of this machine cannot be read: %s", part, failure)
            self._failed.add(part)
        elif not failure:
            self._failed.discard(part)


def _listed(collect: Callable[[], Iterable[Metric]]) -> list[Metric]:
    return list(collect())


def _disks() -> Iterator[Metric]:
    disks = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
    for metric, text, field, units in _DISK_COUNTERS:
        family = CounterMetricFamily(f"node_disk_{metric}", text, labels=["device"])
        for device, counters in disks.items():
            if not _IGNORED_DISKS.fullmatch(device):
                family.add_metric([device], getattr(counters, field) / units)
        yield family


def _network() -> Iterator[Metric]:
    interfaces = psutil.net_io_counters(pernic=True, nowrap=False)
    for metric, field in _NETWORK_COUNTERS:
        text = f"Network device statistic {metric}."
        family = CounterMetricFamily(f"node_network_{metric}", text, labels=["device"])
        for device, counters in interfaces.items():
            family.add_metric([device], getattr(counters, field))
        yield family


def _load() -> Iterator[Metric]:
    for minutes, load in zip((1, 5, 15), psutil.getloadavg(), strict=True):
        yield GaugeMetricFamily(f"node_load{minutes}", f"{minutes}m load average.", value=load)


def _memory() -> Iterator[Metric]:
    # psutil adds reclaimable slabs to its "cached"; node_exporter gives each field as the kernel does.
    for line in Path(psutil.PROCFS_PATH, "meminfo").read_text(encoding="ascii").splitlines():
        field, _, rest = line.partition(":")
        amount, *unit = rest.split()
        name = field.replace("(", "_").replace(")", "") + ("_bytes" if unit else "")
        value = float(amount) * (1024 if unit else 1)
        yield GaugeMetricFamily(f"node_memory_{name}", f"Memory information field {name}.", value=value)


def _kernel() -> Iterator[Metric]:
    stats = psutil.cpu_stats()
    yield GaugeMetricFamily(
        "node_boot_time_seconds", "Node boot time, in unixtime.", value=psutil.boot_time()
    )
    yield CounterMetricFamily(
        "node_context_switches", "Total number of context switches.", value=stats.ctx_switches
    )
    yield CounterMetricFamily("node_intr", "Total number of interrupts serviced.", value=stats.interrupts)


def _time() -> Iterator[Metric]:
    text = "System time in seconds since epoch (1970)."
    yield GaugeMetricFamily("node_time_seconds", text, value=time.time())


def _uname() -> Iterator[Metric]:
    uname = os.uname()
    labels = {
        "sysname": uname.sysname,
        "release": uname.release,
        "version": uname.version,
        "machine": uname.machine,
        "nodename": uname.nodename,
        "domainname": _domain_name(),
    }
    text = "Labeled system information as provided by the uname system call."
    family = GaugeMetricFamily("node_uname_info", text, labels=list(labels))
    family.add_metric(list(labels.values()), 1)
    yield family


def _domain_name() -> str:
    return Path(psutil.PROCFS_PATH, "sys/kernel/domainname").read_text(encoding="utf-8").strip()
