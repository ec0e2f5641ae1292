"""What happens in a training with Flower, as its strategy and its grid tell it, for a FederatedMonitor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import time
from typing import Any, Final

from tocsin.integrations._flower_nodes import Nodes
from tocsin.integrations._flower_records import error_type, metrics_of, size_bytes, told
from tocsin.integrations._keys import Keys, number
from tocsin.integrations._updates import direction
from tocsin.sdk.federated import FederatedMonitor
from tocsin.sdk.guard import Guard
from tocsin.sdk.training import Status

UPDATES_LIMIT_BYTES: Final = 250_000_000
"""Answers of a round beyond so many bytes get no norm and cosine; so many take two seconds."""

_TRAIN: Final = "train"


@dataclass
class _Round:
    number: int
    before: Any = None
    phase: str = _TRAIN
    sent_s: float = 0.0
    is_open: bool = False
    pending: dict[int, Any] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    answers: dict[str, Any] = field(default_factory=dict)
    loss: float | None = None
    accuracy: float | None = None


class Course:
    """Follows one training. Strategy and grid call it in the order in which things happen."""

    def __init__(
        self, fl: FederatedMonitor, guard: Guard, nodes: Nodes, keys: Keys, *, updates: bool
    ) -> None:
        self.fl = fl
        self._guard, self._nodes, self._keys, self._updates = guard, nodes, keys, updates
        self._round = _Round(0)
        self._has_server_evaluation = False

    @contextmanager
    def training(self, strategy: Any, grid: Any, num_rounds: int) -> Iterator[None]:
        """One ``start`` of the strategy; whatever ends it, be it an exit from outside, ends the training."""
        with self._guard:
            self._round, self._has_server_evaluation = _Round(0), False
            required = _required(strategy)
            self.fl.start(num_rounds=num_rounds, min_clients=required, idle=True)
            self._nodes.start(getattr(grid, "_grid", grid), required)
        status, is_stopped = Status.FAILED, False
        try:
            yield
            status = Status.COMPLETE
        except SystemExit:
            # Flower gives a run that was stopped from outside a few seconds, so nothing may linger.
            is_stopped = True
            raise
        finally:
            with self._guard:
                if status is Status.COMPLETE:
                    self._end_round()
            self._nodes.stop()
            self.fl.end(status, linger=not is_stopped)

    @contextmanager
    def configuring(self, number: int, phase: str, arrays: Any) -> Iterator[None]:
        """The strategy chooses nodes for a phase of a round, and waits for them where it has to."""
        with self._guard:
            if phase == _TRAIN:
                self._end_round()
                self._round = _Round(int(number), before=arrays if self._updates else None)
            self._round.phase = phase
            self._nodes.waiting()
        yield
        self._nodes.found()

    # The traffic.

    def sending(self, messages: list[Any]) -> None:
        """These messages are about to be sent; those of a training phase begin the round."""
        with self._guard:
            this = self._round
            this.sent_s = time()
            this.pending |= {id(message): message for message in messages}
            if this.phase == _TRAIN:
                this.is_open = True
                self.fl.round_start(this.number, [each.metadata.dst_node_id for each in messages])

    def received(self, messages: list[Any], replies: list[Any]) -> None:
        """What came back until the time-out; who did not answer by then has failed."""
        self.arrived(replies)
        with self._guard:
            for message in messages:
                if self._round.pending.pop(id(message), None) is not None:
                    self._fail(str(message.metadata.dst_node_id), "no reply")

    def arrived(self, replies: list[Any]) -> None:
        """Some answers. The SuperLink answers for nodes that it lost, so an answer's sender says nothing."""
        with self._guard:
            asked = {each.metadata.message_id: each for each in self._round.pending.values()}
            for reply in replies:
                message = asked.get(reply.metadata.reply_to_message_id)
                if message is None:
                    continue
                del self._round.pending[id(message)]
                node = str(message.metadata.dst_node_id)
                if reply.has_error():
                    self._fail(node, error_type(reply.error))
                elif self._round.phase == _TRAIN:
                    self._answer(node, message, reply)

    def _fail(self, node: str, error: str) -> None:
        """Once for a node and round: who is silent in training mostly is so in evaluation, too."""
        if node not in self._round.failed:
            self._round.failed.add(node)
            self.fl.client_failure(node, error)

    def _answer(self, node: str, message: Any, reply: Any) -> None:
        content, client = reply.content, told(reply.content)
        passed_s = time() - self._round.sent_s
        latency_s = reply.metadata.created_at - self._round.sent_s
        self.fl.client_reply(
            node,
            name=client.name,
            # The answer's own time is exact, but of another clock.
            latency_s=latency_s if 0 <= latency_s <= passed_s else passed_s,
            work_s=client.seconds,
            examples=number(metrics_of(content), self._keys.examples),
            sent_bytes=size_bytes(content),
            received_bytes=size_bytes(message.content),
        )
        if self._updates:
            # The records themselves: strategies that clip put others into the answer.
            self._round.answers[node] = list(content.array_records.values())

    # What came out.

    def trained(self, number: int, result: Any) -> None:
        """The strategy has put the answers together, into arrays and metrics."""
        with self._guard:
            arrays, metrics = result
            answers, self._round.answers = self._round.answers, {}
            if self._round.before is not None:
                with self._guard.around("updates", "norms and cosines of updates are not known"):
                    self._compare(answers, arrays)
            self._note(metrics, counts=self._round.number == number)

    def evaluated_by_clients(self, number: int, metrics: Any) -> None:
        """The clients have evaluated the aggregate."""
        self._evaluated(number, metrics, counts=not self._has_server_evaluation)

    def evaluated_by_server(self, number: int, metrics: Any) -> None:
        """The server has evaluated the aggregate, and its word counts from now on, not the clients'."""
        self._has_server_evaluation |= metrics is not None
        self._evaluated(number, metrics, counts=True)

    def _evaluated(self, number_: int, metrics: Any, *, counts: bool) -> None:
        if metrics is None:
            return
        with self._guard:
            self._note(metrics, counts=counts)
            self.fl.evaluation(
                number_,
                loss=number([metrics], self._keys.loss),
                accuracy=number([metrics], self._keys.accuracy),
                aggregated=counts,
            )

    def _note(self, metrics: Any, *, counts: bool) -> None:
        """Keep loss and accuracy for the end of the round; an evaluation's replace those of the training."""
        if metrics is None or not counts:
            return
        loss, accuracy = number([metrics], self._keys.loss), number([metrics], self._keys.accuracy)
        self._round.loss = self._round.loss if loss is None else loss
        self._round.accuracy = self._round.accuracy if accuracy is None else accuracy

    def _end_round(self) -> None:
        """Flower tells of no end: a round is over when the next begins, or the training is."""
        if self._round.is_open:
            self._round.is_open = False
            self.fl.round_end(self._round.number, loss=self._round.loss, accuracy=self._round.accuracy)

    def _compare(self, answers: dict[str, Any], aggregate: Any) -> None:
        before = _layers([self._round.before])
        after = _layers([aggregate] if aggregate is not None else [])
        examined_bytes = 0
        for node, records in answers.items():
            examined_bytes += sum(record.count_bytes() for record in records)
            if examined_bytes > UPDATES_LIMIT_BYTES:
                sentence = f"answers beyond {UPDATES_LIMIT_BYTES} bytes a round get no norm and cosine"
                self._guard.tell_once("updates limit", sentence)
                return
            found = direction(before, _layers(records), after)
            if found is not None:
                self.fl.client_update(node, norm=found.norm, cosine=found.cosine)


def _layers(records: list[Any]) -> dict[str, Any]:
    return {name: array.numpy() for record in records for name, array in record.items()}


def _required(strategy: Any) -> int | None:
    """How many nodes a strategy waits for, or the one inside it; None where it does not tell."""
    inner = getattr(strategy, "strategy", None)
    wanted = [
        value
        for each in (strategy, inner)
        for name in ("min_available_nodes", "min_train_nodes")
        if isinstance(value := getattr(each, name, None), int)
    ]
    return max(wanted, default=None)
