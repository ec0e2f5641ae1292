"""What a push request holds once it is decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tocsin.model import MetricMetadata, SampleBatch


@dataclass(frozen=True, slots=True)
class Received:
    """Samples and metadata of one request; ``dropped`` counts by reason what could not be taken."""

    batch: SampleBatch
    metadata: Mapping[str, MetricMetadata] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
