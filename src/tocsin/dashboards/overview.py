"""Overview: whether this machine is well. Processor, memory, disks, network, and GPUs where there are any."""

from __future__ import annotations

from typing import Final

from tocsin.dashboards.model import (
    Dashboard,
    Headline,
    Panel,
    Query,
    Section,
    Severity,
    Threshold,
    Unit,
    Variable,
)

_HERE: Final = 'instance="$instance"'
_DISKS: Final = f'{_HERE},device!~"(loop|ram|zram|sr).*"'
_LINKS: Final = f'{_HERE},device!~"lo|(veth|docker|br-|virbr|cni|flannel|ifb|tunl).*"'
_FILESYSTEMS: Final = f'{_HERE},fstype!~"tmpfs|devtmpfs|ramfs|squashfs"'


def _cpu_percent(modes: str) -> str:
    """Time spent in some modes, in percent of all processors together."""
    busy = f'sum(rate(node_cpu_seconds_total{{{_HERE},mode=~"{modes}"}}[$__rate_interval]))'
    return f'100 * {busy} / count(node_cpu_seconds_total{{{_HERE},mode="idle"}})'


def _rate(metric: str, matchers: str) -> str:
    return f"rate({metric}{{{matchers}}}[$__rate_interval])"


_CPU: Final = Panel(
    name="cpu",
    title="CPU",
    unit=Unit.PERCENT,
    queries=(
        Query(_cpu_percent("user|nice"), "user"),
        Query(_cpu_percent("system|irq|softirq"), "system"),
        Query(_cpu_percent("iowait"), "I/O wait"),
        Query(_cpu_percent("steal"), "stolen"),
    ),
    headline=Headline.SUM,
    stacked=True,
    minimum=0,
    maximum=100,
    thresholds=(Threshold(80, Severity.WARNING),),
    aliases=("cpu_usage_percent",),
)

_LOAD: Final = Panel(
    name="load",
    title="Load",
    unit=Unit.NUMBER,
    queries=(
        Query(f"node_load1{{{_HERE}}}", "1 min"),
        Query(f"node_load5{{{_HERE}}}", "5 min"),
        Query(f"node_load15{{{_HERE}}}", "15 min"),
        Query(f'count(node_cpu_seconds_total{{{_HERE},mode="idle"}})', "processors"),
    ),
    minimum=0,
)

_MEMORY: Final = Panel(
    name="memory",
    title="Memory",
    unit=Unit.BYTES,
    queries=(
        Query(f"node_memory_MemTotal_bytes{{{_HERE}}} - node_memory_MemAvailable_bytes{{{_HERE}}}", "used"),
        Query(f"node_memory_SwapTotal_bytes{{{_HERE}}} - node_memory_SwapFree_bytes{{{_HERE}}}", "swap used"),
        Query(f"node_memory_MemTotal_bytes{{{_HERE}}}", "total"),
    ),
    minimum=0,
    aliases=("memory_usage",),
)

_DISK_SPACE: Final = Panel(
    name="disk_space",
    title="Disk space used",
    unit=Unit.PERCENT,
    queries=(
        Query(
            f"100 - 100 * min by (mountpoint) (node_filesystem_avail_bytes{{{_FILESYSTEMS}}}"
            f" / node_filesystem_size_bytes{{{_FILESYSTEMS}}})",
            "{{mountpoint}}",
        ),
    ),
    headline=Headline.MAX,
    minimum=0,
    maximum=100,
    thresholds=(Threshold(80, Severity.WARNING),),
    aliases=("disk_free_percent",),
)

_DISK_THROUGHPUT: Final = Panel(
    name="disk_throughput",
    title="Disk throughput",
    unit=Unit.BYTES_PER_SECOND,
    queries=(
        Query(_rate("node_disk_read_bytes_total", _DISKS), "{{device}} read"),
        Query(_rate("node_disk_written_bytes_total", _DISKS), "{{device}} written"),
    ),
    headline=Headline.SUM,
    minimum=0,
    empty="No disk reports its traffic here, which is usual inside a container.",
)

_NETWORK: Final = Panel(
    name="network",
    title="Network",
    unit=Unit.BYTES_PER_SECOND,
    queries=(
        Query(_rate("node_network_receive_bytes_total", _LINKS), "{{device}} in"),
        Query(_rate("node_network_transmit_bytes_total", _LINKS), "{{device}} out"),
    ),
    headline=Headline.SUM,
    minimum=0,
    empty="No network link except the loopback reports its traffic here.",
)


_GPU_UTILIZATION: Final = Panel(
    name="gpu_utilization",
    title="GPU utilization",
    unit=Unit.PERCENT,
    queries=(Query(f"DCGM_FI_DEV_GPU_UTIL{{{_HERE}}}", "GPU {{gpu}}"),),
    headline=Headline.MAX,
    minimum=0,
    maximum=100,
    aliases=("gpu_utilization",),
)

_GPU_MEMORY: Final = Panel(
    name="gpu_memory",
    title="GPU memory used",
    unit=Unit.BYTES,
    queries=(Query(f"DCGM_FI_DEV_FB_USED{{{_HERE}}} * 1048576", "GPU {{gpu}}"),),
    headline=Headline.MAX,
    minimum=0,
)

_GPU_TEMPERATURE: Final = Panel(
    name="gpu_temperature",
    title="GPU temperature",
    unit=Unit.CELSIUS,
    queries=(Query(f"DCGM_FI_DEV_GPU_TEMP{{{_HERE}}}", "GPU {{gpu}}"),),
    headline=Headline.MAX,
    thresholds=(Threshold(85, Severity.WARNING),),
    aliases=("nvidia_gpu_temperature_celsius",),
)

_GPU_POWER: Final = Panel(
    name="gpu_power",
    title="GPU power",
    unit=Unit.WATTS,
    queries=(Query(f"DCGM_FI_DEV_POWER_USAGE{{{_HERE}}}", "GPU {{gpu}}"),),
    headline=Headline.SUM,
    minimum=0,
)

DASHBOARD: Final = Dashboard(
    name="overview",
    title="Overview",
    path="/",
    question="Is this machine well, and if not, since when?",
    sections=(
        Section("compute", "Compute", (_CPU, _LOAD, _MEMORY)),
        Section(
            "gpu",
            "GPUs",
            (_GPU_UTILIZATION, _GPU_MEMORY, _GPU_TEMPERATURE, _GPU_POWER),
            only_if=f"DCGM_FI_DEV_GPU_UTIL{{{_HERE}}}",
        ),
        Section("io", "Disks and network", (_DISK_SPACE, _DISK_THROUGHPUT, _NETWORK)),
    ),
    variables=(Variable("instance", "Machine", metric="node_load1", label="instance"),),
)
