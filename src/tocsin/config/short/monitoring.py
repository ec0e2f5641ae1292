"""The section ``monitoring``: how often things are looked at, and thresholds that most people want."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from tocsin.config.short.model import PositiveShortDurationMs, ShortModel


def _ratio(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"a ratio from 0 to 1 is needed, not {value:g} (80 % is 0.8)")
    return value


Ratio: TypeAlias = Annotated[float, AfterValidator(_ratio)]
Finite: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
PositiveNumber: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count: TypeAlias = Annotated[int, Field(ge=0)]
PositiveCount: TypeAlias = Annotated[int, Field(ge=1)]


class MemoryThresholds(ShortModel):
    """Shares of this machine's memory in use, from 0 to 1."""

    warning: Ratio | None = None
    critical: Ratio | None = None

    @model_validator(mode="after")
    def _ascends(self) -> MemoryThresholds:
        if self.warning is not None and self.critical is not None and self.warning >= self.critical:
            raise ValueError(f"warning ({self.warning:g}) must be below critical ({self.critical:g})")
        return self


class GpuThresholds(ShortModel):
    """How busy a GPU that is held must be, and how full its memory may be, from 0 to 1."""

    utilization_min: Ratio | None = None
    memory_max: Ratio | None = None


class TrainingThresholds(ShortModel):
    """Evaluations without a better validation loss, and bounds of what a training reports."""

    loss_plateau_patience: PositiveCount | None = None
    validation_loss_max: Finite | None = None
    learning_rate_min: PositiveNumber | None = None


class InferenceThresholds(ShortModel):
    """Seconds that 99 of 100 requests may take and that no request may take, and the longest queue."""

    latency_max: PositiveNumber | None = None
    timeout: PositiveNumber | None = None
    batch_queue_max: Count | None = None


class ThresholdsConfig(ShortModel):
    """Thresholds; a key that is left out is watched by the shipped rules only."""

    memory: MemoryThresholds = MemoryThresholds()
    gpu: GpuThresholds = GpuThresholds()
    training: TrainingThresholds = TrainingThresholds()
    inference: InferenceThresholds = InferenceThresholds()


class MonitoringConfig(ShortModel):
    """``enabled`` switches the thresholds; ``update_frequency`` is for collectors and all short rules."""

    enabled: bool = True
    update_frequency: PositiveShortDurationMs | None = None
    metrics_path: Literal["/metrics"] = "/metrics"
    export_format: Literal["prometheus"] = "prometheus"
    thresholds: ThresholdsConfig = ThresholdsConfig()
