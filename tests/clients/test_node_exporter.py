"""The system collector beside a real node_exporter on the same machine: the same series, the same numbers."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from collections.abc import AsyncIterator, Mapping

import pytest

from tests.clients.forwarders import process
from tests.scrape.exposition_server import MemoryStore, until
from tests.support.clock import ManualClock
from tests.support.peers import require_peer
from tests.support.ports import free_port
from tocsin.collect import SystemCollector, family_name
from tocsin.config.scrape import ScrapeConfig, TargetGroup
from tocsin.model import Labels
from tocsin.scrape import ScrapeManager

pytestmark = pytest.mark.peer

# What Debian, or the older version in it, has set otherwise than node_exporter has now.
FLAGS = {
    "netdev.device-exclude": "",
    "diskstats.device-exclude": r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$",
    "filesystem.mount-points-exclude": (
        "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)"
    ),
    "filesystem.fs-types-exclude": (
        "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|erofs|fusectl|hugetlbfs|iso9660|mqueue"
        "|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs)$"
    ),
}

# Series that only one of the two has, and why.
THEIRS_ONLY = {
    r"node_scrape_collector_success\{.*": "it has many collectors that have no counterpart here",
}
OURS_ONLY = {
    r'node_filesystem_.*fstype="overlay",mountpoint="/".*': "the root of a container is shown here",
}

MIB = 1 << 20

# How far a number may lie outside of what node_exporter said before and after, and why.
TOLERANCES = {
    r"node_load\d+": (0.01, "the kernel writes two decimals into the file, and gives more to getloadavg"),
    "node_cpu_(guest_)?seconds_total": (0.1, "both keep what the kernel takes back of idle time"),
    "node_memory_HugePages_.*": (0, ""),
    "node_memory_.*_bytes": (512 * MIB, "it rises and falls between two looks"),
    "node_filesystem_(free|avail)_bytes": (2048 * MIB, "other processes write and delete files"),
    "node_filesystem_files_free": (100_000, "other processes make and delete files"),
}
ROUNDING = 1e-9


@contextlib.asynccontextmanager
async def node_exporter(folder) -> AsyncIterator[str]:
    program, address = require_peer("prometheus-node-exporter"), f"127.0.0.1:{free_port()}"
    flags = [f"--collector.{name}={value}" for name, value in FLAGS.items()]
    log = folder / "node_exporter.log"
    async with process(log, program, f"--web.listen-address={address}", *flags):
        await until(lambda: "Listening on" in log.read_text())
        yield address


async def scraped(manager: ScrapeManager, store: MemoryStore, clock: ManualClock) -> dict[Labels, float]:
    """The next scrape, without the labels that it adds."""
    count = len(store.batches)
    await clock.advance(1)
    await until(lambda: len(store.batches) > count, 30)
    batch = store.batches[-1]
    values = zip(batch.series_index.tolist(), batch.values.tolist(), strict=True)
    return {batch.series[index].drop(("instance", "job")): value for index, value in values}


def collected(collector: SystemCollector) -> dict[Labels, float]:
    samples = (sample for family in collector.collect() for sample in family.samples)
    return {Labels({**sample.labels, "__name__": sample.name}): sample.value for sample in samples}


def unexplained(series: set[Labels], reasons: Mapping[str, str]) -> list[str]:
    return sorted(
        str(each) for each in series if not any(re.fullmatch(pattern, str(each)) for pattern in reasons)
    )


def tolerance(metric: str) -> float:
    return next((bound for pattern, (bound, _) in TOLERANCES.items() if re.fullmatch(pattern, metric)), 0.0)


async def test_every_series_and_number_is_that_of_node_exporter(tmp_path):
    store, clock = MemoryStore(), ManualClock()
    async with node_exporter(tmp_path) as address:
        job = ScrapeConfig(job_name="node", static_configs=[TargetGroup(targets=[address])])
        manager = ScrapeManager(store, clock)
        await manager.apply([job.resolved(1000, 1000)])
        before = await scraped(manager, store, clock)
        ours = await asyncio.to_thread(collected, SystemCollector())
        after = await scraped(manager, store, clock)
        await manager.close()
    types = {family_name(family): family.type for family in SystemCollector().collect()}
    assert {name: store.metadata[name].type.value for name in types} == types
    names = {labels.metric_name for labels in ours}
    theirs = {labels for labels in before.keys() & after.keys() if labels.metric_name in names}
    assert len(names) > 50
    assert unexplained(ours.keys() - before.keys(), OURS_ONLY) == []
    assert unexplained(theirs - ours.keys(), THEIRS_ONLY) == []
    for labels in theirs & ours.keys():
        low, high = sorted((before[labels], after[labels]))
        allowed = tolerance(labels.metric_name) + ROUNDING * abs(high)
        assert low - allowed <= ours[labels] <= high + allowed, (labels, low, ours[labels], high)
        assert math.isfinite(ours[labels])
