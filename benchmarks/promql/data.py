"""Made series, shaped like those that node_exporter and a web service give: 100 for each host.

Counters have rates of their own and start anew now and then; gauges wander. Values carry no more decimals
than the real ones do, and a seed makes them the same in each run.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cramjam
import numpy as np
import numpy.typing as npt

from tocsin.model import Labels, SampleBatch
from tocsin.receive import encode_write_request

INTERVAL_MS = 15_000
SERIES_PER_HOST = 100
SERIES_PER_REQUEST = 5000
PHASE_MS = 4000
"""Where samples lie between multiples of 15 s. Queries avoid it, so that no sample lies on a window's edge,
which is where Prometheus 2 and Prometheus 3 differ."""

RESET_SHARE = 0.1
SEED = 7

Floats = npt.NDArray[np.float64]
Values = Callable[[np.random.Generator, tuple[int, int]], Floats]

# Bytes that stand for a value in a request until the real one is put there.
_PLACEHOLDER = 123456789.987654321
_TIME_OFFSET = 9
_TIME_SIZE = 6


def counter(mean_rate: float, decimals: int = 0) -> Values:
    """Counters whose rates, a second, differ around a mean; some start anew."""

    def values(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
        scrapes, count = shape
        rates = random.exponential(mean_rate, count) + mean_rate / 100
        unit = 10.0**-decimals
        grown: Floats = random.poisson(rates * INTERVAL_MS / 1000 / unit, shape).cumsum(axis=0) * unit
        grown += np.round(random.exponential(mean_rate * 1e6, count))
        for column in np.flatnonzero(random.random(count) < RESET_SHARE):
            at = random.integers(1, scrapes)
            grown[at:, column] -= grown[at - 1, column]
        return np.round(grown, decimals)

    return values


def gauge(mean: float, spread: float, decimals: int = 0) -> Values:
    """Values that wander around a mean."""

    def values(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
        scrapes, count = shape
        walk = random.normal(0, spread / np.sqrt(scrapes), shape).cumsum(axis=0)
        level = random.normal(mean, spread, count)
        wandered: Floats = np.abs(level + walk + random.normal(0, spread / 10, shape))
        return np.round(wandered, decimals)

    return values


def constant(low: float, high: float) -> Values:
    """Whole numbers that stay as they are."""

    def values(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
        return np.broadcast_to(random.uniform(low, high, shape[1]).round(), shape).astype(np.float64)

    return values


def draining(size: float) -> Values:
    """Free space that shrinks, here and there so fast that it is gone within hours."""

    def values(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
        scrapes, count = shape
        used_each = random.exponential(size / scrapes / 5, count) * (random.random(count) < 0.5)
        written = random.poisson(used_each / 4096, shape).cumsum(axis=0) * 4096.0
        return np.maximum(random.uniform(0.05, 0.9, count) * size - written, 0).round()

    return values


def _combinations(**values: str) -> tuple[dict[str, str], ...]:
    """All combinations of labels whose possible values are separated by blanks."""
    names = list(values)
    return tuple(
        dict(zip(names, chosen, strict=True))
        for chosen in itertools.product(*(text.split() for text in values.values()))
    )


@dataclass(frozen=True)
class Family:
    """One metric: the label sets that each host has, and how their values come about."""

    name: str
    variants: tuple[dict[str, str], ...]
    values: Values


_DEVICES = _combinations(device="nvme0n1 nvme1n1 sda sdb")
_NETWORKS = _combinations(device="eth0 eth1 ib0 lo")
_MOUNTS = _combinations(fstype="ext4", mountpoint="/ /boot /data /home /var")

FAMILIES = (
    Family(
        "http_requests_total",
        _combinations(job="shop", handler="/cart /pay /search /user", method="GET POST", code="200 500")
        + _combinations(job="shop", handler="/cart /pay /search /user", method="GET", code="404"),
        counter(20),
    ),
    Family(
        "node_cpu_seconds_total",
        _combinations(cpu="0 1 2 3", mode="idle iowait irq nice softirq steal system user"),
        counter(0.12, decimals=2),
    ),
    Family("node_disk_io_time_seconds_total", _DEVICES, counter(0.3, decimals=3)),
    Family("node_disk_read_bytes_total", _DEVICES, counter(5e6)),
    Family("node_disk_written_bytes_total", _DEVICES, counter(2e6)),
    Family("node_network_receive_bytes_total", _NETWORKS, counter(1e7)),
    Family("node_network_transmit_bytes_total", _NETWORKS, counter(4e6)),
    Family("node_filesystem_avail_bytes", _MOUNTS, draining(4e11)),
    Family("node_filesystem_size_bytes", _MOUNTS, constant(4e11, 4.1e11)),
    Family(
        "node_hwmon_temp_celsius",
        _combinations(chip="platform_coretemp_0 platform_coretemp_1", sensor="temp1 temp2 temp3 temp4"),
        gauge(55, 8, decimals=1),
    ),
    Family("node_load1", ({},), gauge(2, 1.5, decimals=2)),
    Family("node_load5", ({},), gauge(2, 1, decimals=2)),
    Family("node_load15", ({},), gauge(2, 0.5, decimals=2)),
    Family("node_memory_MemTotal_bytes", ({},), constant(6.4e10, 6.8e10)),
    Family("node_memory_MemAvailable_bytes", ({},), gauge(3e10, 1e10)),
    Family("node_memory_MemFree_bytes", ({},), gauge(1e10, 4e9)),
    Family("node_memory_Cached_bytes", ({},), gauge(2e10, 5e9)),
    Family("node_boot_time_seconds", ({},), constant(1.69e9, 1.7e9)),
    Family("node_uname_info", ({"release": "6.1.0-31-amd64", "machine": "x86_64"},), constant(1, 1)),
    Family("up", ({},), constant(1, 1)),
)


@dataclass(frozen=True)
class History:
    """Series with one sample of each at each scrape; ``values`` has shape (scrapes, series)."""

    series: list[Labels]
    times_ms: npt.NDArray[np.int64]
    values: Floats

    def requests(self) -> Iterator[bytes]:
        """Requests of remote write, each with one sample of up to 5,000 series, in order of time."""
        templates = [
            (first, _Template(self.series[first : first + SERIES_PER_REQUEST]))
            for first in range(0, len(self.series), SERIES_PER_REQUEST)
        ]
        for time_ms, row in zip(self.times_ms.tolist(), self.values, strict=True):
            for first, template in templates:
                yield template.request(time_ms, row[first : first + SERIES_PER_REQUEST])


def made_history(series_count: int, scrapes: int, now_ms: int) -> History:
    """Series of ``series_count / 100`` hosts; the newest sample lies up to a minute before ``now_ms``."""
    hosts = [f"host-{number:04d}" for number in range(series_count // SERIES_PER_HOST)]
    random = np.random.default_rng(SEED)
    series: list[Labels] = []
    columns = []
    for family in FAMILIES:
        labels = [_labels(family, host, variant) for host in hosts for variant in family.variants]
        columns.append(family.values(random, (scrapes, len(labels))))
        series += labels
    newest_ms = (now_ms - 45_000) // INTERVAL_MS * INTERVAL_MS + PHASE_MS
    times_ms = newest_ms - INTERVAL_MS * np.arange(scrapes - 1, -1, -1, dtype=np.int64)
    return History(series, times_ms, np.hstack(columns))


def _labels(family: Family, host: str, variant: dict[str, str]) -> Labels:
    nodename = {"nodename": host} if family.name == "node_uname_info" else {}
    common = {"__name__": family.name, "job": "node", "instance": f"{host}:9100"}
    return Labels({**common, **nodename, **variant})


class _Template:
    """A request whose values and time are exchanged in place: making one for each scrape is then quick."""

    def __init__(self, series: list[Labels]) -> None:
        sample = SampleBatch.at(1_700_000_000_000, dict.fromkeys(series, _PLACEHOLDER))
        raw = bytes(cramjam.snappy.decompress_raw(encode_write_request(sample)))
        self._bytes = np.frombuffer(raw, dtype=np.uint8).copy()
        placeholder = np.float64(_PLACEHOLDER).tobytes()
        starts = [part.end() for part in re.finditer(re.escape(placeholder), raw)]
        self._values_at = np.array(starts)[:, np.newaxis] + np.arange(-8, 0)
        self._times_at = self._values_at[:, :1] + _TIME_OFFSET + np.arange(_TIME_SIZE)
        assert len(starts) == len(series)

    def request(self, time_ms: int, values: Floats) -> bytes:
        """The request with these values at this time."""
        self._bytes[self._values_at] = values.astype("<f8")[:, np.newaxis].view(np.uint8)
        groups = (time_ms >> (7 * np.arange(_TIME_SIZE))) & 0x7F
        groups[:-1] |= 0x80
        self._bytes[self._times_at] = groups
        return bytes(cramjam.snappy.compress_raw(self._bytes.tobytes()))
