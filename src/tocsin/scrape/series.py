"""From the labels of a scraped line to the labels that are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.config.scrape import ScrapeConfig
from tocsin.errors import ParseError
from tocsin.model import METRIC_NAME, Labels
from tocsin.scrape.relabel import relabel

_EXPORTED: Final = "exported_"

REPORT_METRICS: Final = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)
"""The series that each scrape writes about itself, in this order."""


@dataclass(frozen=True, slots=True)
class SeriesResolver:
    """Gives the series of one target their final labels, under the rules of its job."""

    config: ScrapeConfig
    target_labels: Labels

    def __call__(self, scraped: Mapping[str, str]) -> Labels | None:
        """The labels to store, or None when relabelling drops the series; raises ParseError at a limit."""
        attach = _honour if self.config.honor_labels else _override
        labels = attach(scraped, self.target_labels)
        kept = relabel(labels, self.config.metric_relabel_configs)
        if kept is None:
            return None
        if not kept.get(METRIC_NAME):
            raise ParseError(f"relabelling left a series without a metric name: {Labels(kept)}")
        self._check_limits(kept)
        return Labels(kept)

    def report_series(self) -> list[Labels]:
        """The series that each scrape writes about itself."""
        return [self.target_labels.merge({METRIC_NAME: name}) for name in REPORT_METRICS]

    def _check_limits(self, labels: Mapping[str, str]) -> None:
        config = self.config
        name = labels[METRIC_NAME]
        if 0 < config.label_limit < len(labels):
            raise ParseError(
                f'a series of "{name}" has {len(labels)} labels (label_limit {config.label_limit})'
            )
        for label, value in labels.items():
            if 0 < config.label_name_length_limit < len(label.encode()):
                raise ParseError(
                    f'a label name of "{name}" is longer than label_name_length_limit: "{label}"'
                )
            if 0 < config.label_value_length_limit < len(value.encode()):
                raise ParseError(f'the label "{label}" of "{name}" is longer than label_value_length_limit')


def _honour(scraped: Mapping[str, str], target: Labels) -> dict[str, str]:
    """The scraped label wins; one that is empty on purpose keeps the target's label away."""
    return {**dict(target.pairs), **scraped}


def _override(scraped: Mapping[str, str], target: Labels) -> dict[str, str]:
    """The target's label wins; a scraped one of the same name gets the prefix ``exported_``."""
    labels = {**scraped, **dict(target.pairs)}
    conflicts = [(name, scraped[name]) for name, _ in target.pairs if scraped.get(name)]
    for name, value in sorted(conflicts, key=lambda conflict: len(conflict[0])):
        exported = _EXPORTED + name
        while labels.get(exported):
            exported = _EXPORTED + exported
        labels[exported] = value
    return labels
