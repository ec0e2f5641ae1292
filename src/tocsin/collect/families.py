"""From the metric families of ``prometheus_client`` to tocsin's series."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import Metric

from tocsin.model import METRIC_NAME, Labels, MetricMetadata, MetricType


def family_name(family: Metric) -> str:
    """The name that the ``# TYPE`` line of the text format gives a family.

    A counter is named as its samples are: ``prometheus_client`` keeps it without ``_total``, while
    the counters of the DCGM exporter never had that suffix.
    """
    if family.type == "info":
        return f"{family.name}_info"
    if family.type == "counter" and all(sample.name != family.name for sample in family.samples):
        return f"{family.name}_total"
    return family.name


def family_metadata(families: Iterable[Metric]) -> dict[str, MetricMetadata]:
    """Type, help and unit by family name."""
    return {
        family_name(family): MetricMetadata(MetricType(family.type), family.documentation, family.unit)
        for family in families
    }


class SeriesTable:
    """Values by series for one source, with ``job`` and ``instance`` where a sample has none.

    The label sets of one round are kept for the next: building them is most of the work.
    """

    def __init__(self, *, job: str, instance: str) -> None:
        self._target = {"job": job, "instance": instance}
        self._known: dict[tuple[object, ...], Labels] = {}

    def values(self, families: Iterable[Metric]) -> dict[Labels, float]:
        """One value for each series; of two samples of one series the later counts."""
        known: dict[tuple[object, ...], Labels] = {}
        values: dict[Labels, float] = {}
        for family in families:
            for sample in family.samples:
                key = (sample.name, *sample.labels.items())
                labels = self._known.get(key)
                if labels is None:
                    labels = Labels({**self._target, **sample.labels, METRIC_NAME: sample.name})
                known[key] = labels
                values[labels] = float(sample.value)
        self._known = known
        return values
