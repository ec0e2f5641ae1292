"""What a training wants to be told about."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """Limits of the health checks; the files beside this one say what each means and how often it is wrong.

    >>> HealthSettings(spike_deviations=20, off=frozenset({"plateau"})).stall_least_s
    30.0
    """

    spike_deviations: float = 12.0
    """Robust standard deviations above the median of the last 100 steps."""
    spike_least_rise: float = 0.2
    """Ratio of that median, below which no rise is a spike."""
    divergence_rise: float = 0.25
    """Ratio of the best level by which the loss has to be above it."""
    divergence_patience_steps: int = 50
    plateau_patience_steps: int | None = None
    """None: a quarter of ``total_steps`` where that is known, 1,000 at most and otherwise."""
    plateau_most_gain: float = 0.02
    """Ratio of the level; a larger gain is never a plateau."""
    gradient_factor: float = 10.0
    """Times the 95th percentile of the last 100 norms."""
    vanishing_ratio: float = 1e-4
    """Of the highest median norm so far."""
    learning_rate_floor: float = 1e-7
    throughput_factor: float = 2.0
    """Times the usual duration of a step."""
    stall_factor: float = 10.0
    """Times the usual duration of a step."""
    stall_least_s: float = 30.0
    off: frozenset[str] = field(default_factory=frozenset)
    """Checks that are left out, by name."""
