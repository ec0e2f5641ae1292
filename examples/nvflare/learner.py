"""What each site does: learn a linear regression on data of its own, and log the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
from nvflare.apis.analytix import AnalyticsDataType
from nvflare.apis.dxo import DXO, DataKind, MetaKey, from_shareable
from nvflare.apis.executor import Executor
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.widgets.streaming import create_analytic_dxo, send_analytic_dxo

TRUTH = np.array([[3.0, -2.0, 0.5], [1.0, 0.0, -1.0], [0.2, 0.4, 0.6]])
WEIGHTS = "numpy_key"


class Learner(Executor):
    """Some steps downhill in each round; the loss of the model that came is logged first."""

    def execute(self, task_name: str, shareable: Any, fl_ctx: Any, abort_signal: Any) -> Any:
        """One task of the server."""
        del task_name, abort_signal
        weights = from_shareable(shareable).data[WEIGHTS]
        number = shareable.get_header(AppConstants.CURRENT_ROUND)
        site = fl_ctx.get_identity_name()
        points = np.random.default_rng(len(site) + ord(site[-1])).normal(size=(200, len(TRUTH)))
        values = points @ TRUTH
        errors = points @ weights - values
        self._log(fl_ctx, "val_loss", float(np.mean(errors**2)), number)
        self._log(fl_ctx, "val_accuracy", float(np.mean(np.abs(errors) < 0.5)), number)
        for _ in range(5):
            weights = weights - 0.2 * points.T @ (points @ weights - values) / len(values)
        meta = {MetaKey.NUM_STEPS_CURRENT_ROUND: len(values)}
        return DXO(DataKind.WEIGHTS, data={WEIGHTS: weights}, meta=meta).to_shareable()

    def _log(self, fl_ctx: Any, name: str, value: float, number: int) -> None:
        dxo = create_analytic_dxo(
            tag=name, value=value, data_type=AnalyticsDataType.SCALAR, global_step=number
        )
        send_analytic_dxo(self, dxo=dxo, fl_ctx=fl_ctx)
