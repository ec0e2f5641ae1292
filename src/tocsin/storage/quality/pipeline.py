"""The parts in their order: enrichment, validation, outliers, sampling."""

from __future__ import annotations

from tocsin.model import STALE_NAN, Labels, SampleBatch
from tocsin.storage.quality.columns import Rows
from tocsin.storage.quality.enrichment import Enrichment
from tocsin.storage.quality.outliers import Outliers
from tocsin.storage.quality.passage import Note, Outcome, Passage, Reason
from tocsin.storage.quality.rules import QualityRules
from tocsin.storage.quality.sampling import Sampling
from tocsin.storage.quality.series import SeriesTable
from tocsin.storage.quality.validation import Validation

ENRICHMENT: str = "quality.enrichment"


class Pipeline:
    """Everything that happens to a batch before it is stored. Not thread-safe; it waits for nothing."""

    def __init__(self, rules: QualityRules, max_series: int) -> None:
        self.enrichment = Enrichment(rules.enrichment)
        self._parts = (Validation(rules.validation), Outliers(rules.outliers), Sampling(rules.sampling))
        self.series = SeriesTable(self.enrichment.rename, self, max_series)

    def admit(self, row: int, labels: Labels) -> None:
        """Find the rules for a new row."""
        for part in self._parts:
            part.admit(row, labels)

    def forget(self, rows: Rows) -> None:
        """Forget rows."""
        for part in self._parts:
            part.forget(rows)

    def run(self, batch: SampleBatch, now_ms: int) -> Passage:
        """Take a batch that is not empty through all parts."""
        passage = Passage.of(batch, self.series.layout(batch.series, now_ms))
        changed = passage.layout.changed
        if changed is not None:
            count = int(changed[batch.series_index].sum())
            passage.notes.append(Note(ENRICHMENT, Outcome.CHANGED, Reason.ENRICHMENT, count))
        self._end_abandoned(passage)
        for part in self._parts:
            part.apply(passage)
        return passage

    def _end_abandoned(self, passage: Passage) -> None:
        """End the series whose samples go under another name from now on."""
        abandoned = self.series.take_abandoned()
        if abandoned:
            time_ms = int(passage.batch.timestamps_ms.min())
            passage.extras += [(labels, time_ms, STALE_NAN) for labels in abandoned]
            passage.undo.append(lambda: self.series.abandoned.extend(abandoned))
