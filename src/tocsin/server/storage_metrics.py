"""What the embedded store says about itself on ``/metrics``."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tocsin.storage import DuckDBStorage


class StorageMetrics:
    """A collector for a registry; every figure costs no more than a look at a file."""

    def __init__(self, storage: DuckDBStorage) -> None:
        self._storage = storage

    def collect(self) -> Iterable[Metric]:
        """The families as they are now."""
        storage = self._storage
        yield GaugeMetricFamily("tocsin_storage_series", "Series in the store.", storage.series_count)
        yield GaugeMetricFamily(
            "tocsin_storage_file_bytes", "Size of the store's file and log.", storage.file_bytes
        )
        blocks = GaugeMetricFamily(
            "tocsin_storage_block_bytes", "Size of the blocks of each tier.", None, ["tier"]
        )
        for tier, size in storage.block_bytes.items():
            blocks.add_metric([tier], size)
        yield blocks
        yield CounterMetricFamily(
            "tocsin_storage_samples", "Samples that the store took.", storage.stored_samples
        )
        yield GaugeMetricFamily(
            "tocsin_storage_disk_free_bytes",
            "Free space on the disk that holds the store.",
            shutil.disk_usage(storage.path.parent).free,
        )
        rejected = CounterMetricFamily(
            "tocsin_storage_rejected_samples",
            "Samples that the store did not take, by reason.",
            None,
            ["reason"],
        )
        for reason, count in storage.refused_samples.items():
            rejected.add_metric([reason], count)
        yield rejected
