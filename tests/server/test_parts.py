from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric

from tocsin.server.parts import writable


class Families(CollectorRegistry):
    """Families that were collected before."""

    def __init__(self, *families: Metric) -> None:
        self._families = families

    def collect(self):
        return map(writable, self._families)


def test_a_counter_without_the_usual_ending_is_written_under_its_name():
    energy = Metric("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "Energy, in mJ.", "counter")
    energy.add_sample("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", {"gpu": "0"}, 5.0)
    usual = CounterMetricFamily("node_reads", "Reads.", value=1)
    assert generate_latest(Families(energy, usual)).decode().splitlines() == [
        "# HELP DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION Energy, in mJ.",
        "# TYPE DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION untyped",
        'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="0"} 5.0',
        "# HELP node_reads_total Reads.",
        "# TYPE node_reads_total counter",
        "node_reads_total 1.0",
    ]
