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
        rejected.add_metric(["max_series"], storage.refused_samples)
        yield rejected
