"""What strategy, grid and messages of Flower look like from outside, without Flower."""

from __future__ import annotations

import itertools
import time
from types import SimpleNamespace


class Record(dict):
    def count_bytes(self):
        return 8 * len(self)


class Array:
    def __init__(self, values):
        import numpy as np

        self._values = np.array(values)

    def numpy(self):
        return self._values


class Content(dict):
    @property
    def metric_records(self):
        return {name: record for name, record in self.items() if name == "metrics"}

    @property
    def array_records(self):
        return {name: record for name, record in self.items() if name == "arrays"}

    @property
    def config_records(self):
        return {name: record for name, record in self.items() if name in {"config", "tocsin"}}


class Message:
    def __init__(self, content=None, *, node=0, reply_to=None, error=None):
        self.content, self.error = content, error
        self.metadata = SimpleNamespace(
            dst_node_id=node,
            src_node_id=node,
            message_id="",
            reply_to_message_id=reply_to.metadata.message_id if reply_to else "",
            created_at=time.time(),
        )

    def has_error(self):
        return self.error is not None


class Grid:
    """``answers[node]`` makes the reply of a node, and gives None for silence."""

    def __init__(self, nodes=(1, 2)):
        self.nodes = list(nodes)
        self.answers = {}
        self._ids = itertools.count(1)
        self._replies = {}

    def get_node_ids(self):
        return list(self.nodes)

    def push_messages(self, messages):
        ids = []
        for message in messages:
            message.metadata.message_id = f"m{next(self._ids)}"
            ids.append(message.metadata.message_id)
            reply = self.answers.get(message.metadata.dst_node_id, answer)(message)
            if reply is not None:
                self._replies[ids[-1]] = reply
        return ids

    def pull_messages(self, message_ids):
        return [self._replies.pop(each) for each in message_ids if each in self._replies]

    def send_and_receive(self, messages, *, timeout=None):
        return self.pull_messages(self.push_messages(messages))


def answer(message):
    arrays = Record(w=Array([1.0, message.metadata.dst_node_id]))
    metrics = Record({"loss": 0.5, "accuracy": 0.75, "num-examples": 10})
    return Message(
        Content(arrays=arrays, metrics=metrics), node=message.metadata.dst_node_id, reply_to=message
    )


def failure(code, reason, node=None):
    def reply(message):
        source = message.metadata.dst_node_id if node is None else node
        return Message(node=source, reply_to=message, error=SimpleNamespace(code=code, reason=reason))

    return reply


class Strategy:
    """Calls its parts in the order in which Flower does."""

    min_available_nodes, min_train_nodes = 2, 2

    def configure_train(self, server_round, arrays, config, grid):
        return (Message(Content(arrays=arrays), node=node) for node in grid.get_node_ids())

    configure_evaluate = configure_train

    def aggregate_train(self, server_round, replies):
        good = [reply for reply in replies if not reply.has_error()]
        return (good[0].content["arrays"] if good else None), None

    def aggregate_evaluate(self, server_round, replies):
        good = [reply for reply in replies if not reply.has_error()]
        return good[0].content["metrics"] if good else None

    def start(self, grid, initial_arrays, num_rounds=3, timeout=3600, evaluate_fn=None):
        self.said = f"Starting {type(self).__name__}"
        arrays = initial_arrays
        if evaluate_fn:
            evaluate_fn(0, arrays)
        for number in range(1, num_rounds + 1):
            messages = self.configure_train(number, arrays, {}, grid)
            new, _ = self.aggregate_train(number, grid.send_and_receive(messages=messages, timeout=timeout))
            arrays = arrays if new is None else new
            messages = self.configure_evaluate(number, arrays, {}, grid)
            self.aggregate_evaluate(number, grid.send_and_receive(messages=messages, timeout=timeout))
            if evaluate_fn:
                evaluate_fn(number, arrays)
        return arrays


def begin():
    return Record(w=Array([0.0, 0.0]))
