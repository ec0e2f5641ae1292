"""For every shipped alert what calls for it, how long that must last, and how serious it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from tests.rules.packs.exporters import (
    Drills,
    Experiment,
    Federation,
    Gpu,
    ModelServer,
    Node,
    Tocsin,
    Training,
)
from tests.rules.packs.world import Exporter


@dataclass(frozen=True)
class Scenario:
    """Trouble that begins at ``since_s``; the alert has to fire ``hold_s`` later, or up to ``slack_s`` after.

    What ends with the trouble ended up to one step, or one round, before. ``slack_s`` is for windows that
    have to fill first. ``beside`` may fire too.
    """

    exporter: Callable[..., Exporter]
    trouble: dict[str, float]
    hold_s: float
    severity: str
    since_s: float = 300
    slack_s: float = 0
    step_s: float = 15
    beside: tuple[str, ...] = ()


SCENARIOS = {
    # system
    "SystemDown": Scenario(Node, {"up": 0}, 60, "critical"),
    "HighCPUUsage": Scenario(Node, {"busy": 0.95}, 600, "warning", slack_s=120),
    "LowDiskSpace": Scenario(Node, {"disk_free": 0.19}, 300, "warning"),
    "DiskFull": Scenario(Node, {"disk_free": 0.01}, 60, "critical"),
    "HighMemoryUsage": Scenario(Node, {"memory_free": 0.08}, 300, "warning"),
    "MemoryExhausted": Scenario(Node, {"memory_free": 0.02}, 60, "critical"),
    "SwapInUse": Scenario(Node, {"memory_free": 0.15, "swap_free": 0.1}, 600, "warning"),
    "OutOfMemoryKill": Scenario(Node, {"oom_kills": 1}, 0, "critical"),
    "HighLoad": Scenario(Node, {"load": 5}, 900, "warning"),
    "FilesystemWillFill": Scenario(
        Node, {"disk_free": 0.35, "fill_rate": 4e7}, 900, "warning", slack_s=120, beside=("LowDiskSpace",)
    ),
    "FilesystemOutOfInodes": Scenario(Node, {"inodes_free": 0.04}, 300, "warning"),
    "ClockSkew": Scenario(Node, {"skew_s": -6}, 120, "warning"),
    "NetworkErrors": Scenario(Node, {"packet_errors": 0.05}, 600, "warning", slack_s=120),
    # tocsin
    "Watchdog": Scenario(Tocsin, {}, 0, "none", since_s=0),
    "StoreNotWritten": Scenario(Tocsin, {"stored": 0}, 60 + 30, "critical", slack_s=15),
    "StoreDiskNearlyFull": Scenario(Tocsin, {"disk_free": 9e8}, 300, "critical"),
    "SamplesRefused": Scenario(Tocsin, {"rejected": 2}, 300, "warning"),
    "RuleFailures": Scenario(Tocsin, {"rule_failures": 0.2}, 60, "warning"),
    "RuleEvaluationLate": Scenario(Tocsin, {"missed": 0.1}, 600, "warning"),
    "NotificationsFailing": Scenario(Tocsin, {"unsent": 1}, 0, "critical"),
    "ForwardingFailing": Scenario(Tocsin, {"given_up": 100}, 60, "warning"),
    "CollectorFailing": Scenario(Tocsin, {"collector_up": 0}, 300, "warning"),
    "ConfigurationNotLoaded": Scenario(Tocsin, {"config": 0}, 300, "warning"),
    # drill
    "TocsinDrill": Scenario(Drills, {"running": 1}, 0, "warning"),
    "DrillFailed": Scenario(Drills, {"success": 0}, 0, "critical"),
    "HeartbeatFailing": Scenario(Drills, {"heartbeat": 0}, 300, "warning"),
    # gpu
    "GPUTemperatureHigh": Scenario(Gpu, {"celsius": 86}, 300, "warning"),
    "GPUTemperatureCritical": Scenario(Gpu, {"celsius": 91}, 120, "critical"),
    "GPUMemoryExhausted": Scenario(Gpu, {"used": 75_000, "free": 5000}, 120, "critical"),
    "GPUAllocatedButIdle": Scenario(Gpu, {"util": 1}, 600, "warning"),
    "GPUXidError": Scenario(Gpu, {"xid": 79}, 60, "critical"),
    "GPUThrottled": Scenario(Gpu, {"reasons": 0x40}, 300, "warning"),
    "GPUMemoryErrors": Scenario(Gpu, {"double_bit": 0.1}, 0, "critical"),
    "GPUMemoryErrorsCorrected": Scenario(Gpu, {"single_bit": 1}, 300, "warning", slack_s=120),
    "GPURowRemapFailed": Scenario(Gpu, {"remap_failure": 1}, 60, "critical"),
    "GPULost": Scenario(Gpu, {"devices": 1}, 120, "critical"),
    # training
    "TrainingLossNotFinite": Scenario(Training, {"loss": math.inf}, 0, "critical", step_s=5),
    "TrainingLossSpike": Scenario(Training, {"loss_factor": 8}, 0, "warning", step_s=5),
    "TrainingGradientExplosion": Scenario(Training, {"norm": 50}, 0, "warning", step_s=5),
    "TrainingGradientVanishing": Scenario(Training, {"vanishing": 1}, 60, "warning"),
    "TrainingValidationPlateau": Scenario(Training, {"validation_plateau": 1}, 60, "info"),
    "TrainingRankBehind": Scenario(Training, {"behind": 0.1}, 120, "warning", slack_s=60),
    "TrainingFailed": Scenario(Training, {"status": 3}, 0, "critical", step_s=5),
    "TrainingStalled": Scenario(Training, {"is_stepping": 0}, 300 + 60 - 15, "warning", slack_s=30),
    "TrainingLossDiverging": Scenario(
        Training, {"growth": 0.03}, 300, "critical", since_s=1500, slack_s=600, beside=("TrainingLossSpike",)
    ),
    "TrainingLossPlateau": Scenario(
        Training, {"loss": 1.0}, 600, "info", since_s=60, slack_s=60 * 60, beside=("TrainingLossSpike",)
    ),
    "TrainingLearningRateFloor": Scenario(Training, {"lr": 1e-9}, 600, "warning"),
    "TrainingThroughputDrop": Scenario(Training, {"pace": 0.5}, 300, "warning", since_s=1500, slack_s=180),
    # inference
    "InferenceLatencyHigh": Scenario(ModelServer, {"latency_s": 4}, 300, "warning", slack_s=60),
    "InferenceFirstTokenSlow": Scenario(ModelServer, {"first_token_s": 3}, 300, "warning", slack_s=120),
    "InferenceErrorRateHigh": Scenario(ModelServer, {"errors": 0.2}, 300, "critical", slack_s=120),
    "InferenceQueueLong": Scenario(ModelServer, {"queue": 9}, 300, "warning"),
    "InferenceSaturated": Scenario(ModelServer, {"queue": 10}, 60, "critical"),
    "InferenceQueueWaitLong": Scenario(ModelServer, {"wait_s": 3}, 300, "warning", slack_s=120),
    "InferenceStalled": Scenario(ModelServer, {"rate": 0}, 300, "critical", slack_s=300),
    # federated
    "FederatedTrainingStalled": Scenario(Federation, {"round_s": 0}, 600 + 900 - 60, "critical", slack_s=60),
    "FederatedClientDropout": Scenario(Federation, {"connected": 4}, 300, "warning"),
    "FederatedClientFailures": Scenario(Federation, {"failures": 1}, 300, "warning", slack_s=600),
    "FederatedTrainingNotStarted": Scenario(Federation, {"status": 0}, 1800, "warning"),
    "FederatedTrainingFailed": Scenario(Federation, {"status": 3}, 0, "critical"),
    # nemo_run
    "NemoRunTaskFailed": Scenario(Experiment, {"status": 3}, 0, "critical"),
    "NemoRunTaskLost": Scenario(Experiment, {"status": 4}, 0, "critical"),
}
