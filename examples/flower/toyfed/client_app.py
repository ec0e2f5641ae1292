"""What each node does: learn on data of its own, and try the model on further data."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from tocsin.integrations.flower import client_mod

TRUTH = np.array([3.0, -2.0, 0.5, 1.0])

app = ClientApp(mods=[client_mod])


def data(seed: int, size: int = 300) -> tuple[Any, Any]:
    """Points with some noise around a plane."""
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(size, len(TRUTH)))
    return points, points @ TRUTH + generator.normal(scale=0.1, size=size)


def quality(weights: Any, points: Any, values: Any) -> dict[str, float]:
    """The mean squared error, and the share of points that the model is close to."""
    errors = points @ weights - values
    return {"eval_loss": float(np.mean(errors**2)), "eval_acc": float(np.mean(np.abs(errors) < 0.5))}


@app.train()
def train(message: Message, context: Context) -> Message:
    """Some steps downhill."""
    config, node = message.content["config"], int(context.node_config["partition-id"])
    if config["server-round"] == config["failing-round"] and node == 1:
        raise RuntimeError("this node was told to fail in this round")
    time.sleep(config["work-s"])
    points, values = data(seed=node)
    weights = message.content["arrays"]["weights"].numpy().copy()
    for _ in range(5):
        weights -= 0.2 * points.T @ (points @ weights - values) / len(values)
    loss = quality(weights, points, values)["eval_loss"]
    metrics = MetricRecord({"train_loss": loss, "num-examples": len(values)})
    content = RecordDict({"arrays": ArrayRecord({"weights": Array(weights)}), "metrics": metrics})
    return Message(content, reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Loss and accuracy on data that was not learnt from."""
    points, values = data(seed=100 + int(context.node_config["partition-id"]))
    found = quality(message.content["arrays"]["weights"].numpy(), points, values)
    metrics = MetricRecord({**found, "num-examples": len(values)})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)
