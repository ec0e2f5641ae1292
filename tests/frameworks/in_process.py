"""A grid without sockets: a real strategy and a real ClientApp of Flower in one process."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

from flwr.app import Context, Error, Message, RecordDict
from flwr.serverapp import Grid

try:
    from flwr.supercore.task_identity import TaskIdentity
except ImportError:  # before 1.41 a message needs no identity
    TaskIdentity = SimpleNamespace()

SUPERLINK = 1


class InProcessGrid(Grid):
    """Nodes answer one after the other, at once; time-outs mean nothing.

    ``silent`` holds nodes that are listed and never answer, as after SIGKILL, and ``gone`` those for which
    the SuperLink answers.
    """

    run = SimpleNamespace(run_id=1)
    set_run = create_message = None

    def __init__(self, client_app, node_configs):
        TaskIdentity.run_id = TaskIdentity.task_id = TaskIdentity.node_id = SUPERLINK
        self._client_app = client_app
        self._replies = {}
        self._next_id = itertools.count(2**63 + 1)
        self.contexts = {}
        self.silent, self.gone = set(), set()
        for config in node_configs:
            self.add_node(config)

    def add_node(self, config):
        node = next(self._next_id)
        self.contexts[node] = Context(
            run_id=1, node_id=node, node_config=dict(config), state=RecordDict(), run_config={}
        )
        return node

    def get_node_ids(self):
        return list(self.contexts)

    def push_messages(self, messages):
        ids = []
        for message in messages:
            message.metadata.__dict__.update(_run_id=1, _message_id=message.object_id)
            ids.append(message.metadata.message_id)
            reply = self._deliver(message)
            if reply is not None:
                self._replies[ids[-1]] = reply
        return ids

    def pull_messages(self, message_ids):
        return [self._replies.pop(each) for each in message_ids if each in self._replies]

    def send_and_receive(self, messages, *, timeout=None):
        return self.pull_messages(self.push_messages(messages))

    def _deliver(self, message):
        source = node = message.metadata.dst_node_id
        if node in self.silent:
            return None
        if node in self.gone:
            reply, source = Message(Error(5, "Node Unavailable"), reply_to=message), SUPERLINK
        else:
            try:
                reply = self._client_app(message, self.contexts[node])
            except RuntimeError as error:
                reply = Message(Error(2, f"{type(error)}:<'{error}'>"), reply_to=message)
        reply.metadata.__dict__["_src_node_id"] = source
        return reply
