"""Puts together what the nodes have learnt, and tells tocsin."""

from __future__ import annotations

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from tocsin.integrations.flower import monitor
from toyfed.client_app import TRUTH

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """One federated training."""
    told = context.run_config
    strategy = monitor(FedAvg(), stalled_after_s=float(told["stalled-after-s"]))
    result = strategy.start(
        grid,
        ArrayRecord({"weights": Array(np.zeros(len(TRUTH)))}),
        num_rounds=int(told["num-server-rounds"]),
        timeout=float(told["timeout-s"]),
        train_config=ConfigRecord({"work-s": told["work-s"], "failing-round": told["failing-round"]}),
    )
    print({number: dict(metrics) for number, metrics in result.evaluate_metrics_clientapp.items()})
