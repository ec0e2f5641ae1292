"""The monitor that the server of a federated training reports to."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self

from prometheus_client import CollectorRegistry

from tocsin.sdk.clients import ClientSeries
from tocsin.sdk.events import log_event
from tocsin.sdk.federated_metrics import FederatedMetrics
from tocsin.sdk.gpus import GpuEvents
from tocsin.sdk.guard import Guard
from tocsin.sdk.json_log import use_json
from tocsin.sdk.lingering import LingeringEndpoint, Passed
from tocsin.sdk.switches import Switches
from tocsin.sdk.training import Status

_CLOSE_REASON_LIMIT: Final = 200


class FederatedMonitor:
    """Watches one federated training; nothing it does raises into the training or blocks it.

    It keeps the eleven ``fl_`` metrics, serves them on 127.0.0.1 at ``FL_METRICS_PORT`` (9101), where a
    tocsin on this machine finds them by itself, and writes the twelve events to ``logger``, as JSON where
    ``FL_LOG_FORMAT`` says so.

    ``strategy`` names how clients are put together; ``num_rounds`` says how many rounds there will be, and
    ``min_clients`` how many a round needs. ``port`` 0 takes any free port, and None that of the environment.
    ``registry`` is where the metrics are registered, by default one of their own.

    >>> with FederatedMonitor("FedAvg", num_rounds=1, port=0) as fl:
    ...     fl.round_start(1, selected=["a", "b"])
    ...     fl.client_reply("a", latency_s=0.4, examples=100)
    ...     fl.round_end(1, loss=0.7, accuracy=0.5)
    """

    def __init__(
        self,
        strategy: str,
        num_rounds: int = 0,
        *,
        min_clients: int | None = None,
        port: int | None = None,
        role: str = "server",
        logger: logging.Logger | None = None,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._guard = Guard(f'federated training "{strategy}"')
        self._switches = Switches()
        with self._guard:
            self._switches = Switches.read(self._guard)
        self._strategy = str(strategy)
        self._num_rounds, self._min_clients = num_rounds, min_clients
        self._wanted_port = port
        self._role = role
        self._logger = logger or logging.getLogger("tocsin.federated")
        self._registry = CollectorRegistry()
        self._metrics = FederatedMetrics(self._registry, self._strategy)
        self._clients = ClientSeries(self._registry)
        if registry is not None:
            # All or nothing: a registry that has one of the names already takes none of them.
            with self._guard.around("registry", "the metrics are not in the registry that was given"):
                registry.register(Passed(self._registry))
        self._gpus = GpuEvents(self._guard)
        self._endpoint: LingeringEndpoint | None = None
        self._pid = 0
        self._started_s = 0.0
        self._round = _Round()
        self._last_loss: float | None = None
        self._last_accuracy: float | None = None

    @property
    def port(self) -> int | None:
        """The port of ``/metrics``, or None when it is not served."""
        return self._endpoint.port if self._endpoint else None

    # The training.

    def __enter__(self) -> Self:
        with self._guard:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end(Status.COMPLETE if kind is None else Status.FAILED)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, fault, traceback)

    def start(
        self, *, num_rounds: int | None = None, min_clients: int | None = None, idle: bool = False
    ) -> None:
        """Begin; entering the ``with`` block does that.

        ``num_rounds`` and ``min_clients`` count from now on where they are given. With ``idle`` the training
        is not running before its first round begins, because it has to wait for clients.
        """
        with self._guard:
            if self._pid == os.getpid():
                return
            self._pid, self._started_s = os.getpid(), monotonic()
            self._round, self._last_loss, self._last_accuracy = _Round(), None, None
            self._num_rounds = self._num_rounds if num_rounds is None else num_rounds
            self._min_clients = self._min_clients if min_clients is None else min_clients
            self._prepare_log()
            if self._switches.metrics_enabled:
                port = self._switches.metrics_port if self._wanted_port is None else self._wanted_port
                with self._guard.around("port", f"/metrics cannot be served on port {port}"):
                    if self._endpoint is not None:
                        self._endpoint.finish()
                    self._endpoint = LingeringEndpoint(port, self._registry, "federated")
            self._metrics.status(Status.IDLE if idle else Status.RUNNING)
            self._metrics.round_total.set(self._num_rounds)
            self._log(
                "training_start",
                strategy=self._strategy,
                num_rounds=self._num_rounds,
                min_clients=self._min_clients,
            )
            if self._switches.gpu_enabled:
                self._gpus.look(self._logger, exporter=self._switches.dcgm_enabled)

    def end(self, status: Status = Status.COMPLETE, *, linger: bool = True) -> None:
        """End, complete or failed; leaving the ``with`` block does that.

        It does not wait. A tocsin on this machine is sent the last values. Where others scrape ``/metrics``
        regularly, it stays until they have come once more, 16 s at the most, unless ``linger`` is false.
        """
        with self._guard:
            if self._pid != os.getpid():
                return
            self._pid = 0
            self._metrics.status(status)
            self._log(
                "training_end",
                total_rounds=self._round.number,
                final_loss=self._last_loss,
                final_accuracy=self._last_accuracy,
                total_duration_seconds=round(monotonic() - self._started_s, 3),
            )
            self._gpus.forget()
            if self._endpoint is not None:
                self._endpoint.close(linger=linger)

    # Rounds.

    def round_start(self, number: int, selected: Iterable[object] = ()) -> None:
        """A round begins with these clients; ids are taken as text."""
        with self._guard:
            clients = [str(client) for client in selected]
            self._round = _Round(int(number), clients)
            self._metrics.status(Status.RUNNING)
            self._metrics.round_current.set(number)
            self._metrics.selected.set(len(clients))
            self._metrics.responded.set(0)
            self._log(
                "round_start", round=int(number), num_clients_selected=len(clients), strategy=self._strategy
            )

    def client_reply(
        self,
        client: object,
        *,
        name: str | None = None,
        latency_s: float | None = None,
        work_s: float | None = None,
        examples: float | None = None,
        update_norm: float | None = None,
        cosine: float | None = None,
        sent_bytes: float | None = None,
        received_bytes: float | None = None,
    ) -> None:
        """A client has answered; ``cosine`` is that of its update to the aggregate.

        ``name`` is the label ``client`` of its series, by default its id; ``work_s`` is how long it worked.
        """
        with self._guard:
            self._round.replied.add(str(client))
            self._metrics.responded.set(len(self._round.replied))
            self._clients.note(
                str(client),
                name,
                latency_seconds=latency_s,
                work_seconds=work_s,
                examples=examples,
                update_norm=update_norm,
                update_cosine=cosine,
                sent_bytes=sent_bytes,
                received_bytes=received_bytes,
            )

    def client_update(self, client: object, *, norm: float | None, cosine: float | None) -> None:
        """How far a client that has answered moved the model, known once all answers are put together."""
        with self._guard:
            self._clients.note(str(client), update_norm=norm, update_cosine=cosine)

    def client_failure(self, client: object, error_type: str) -> None:
        """A client answered with an error, or its answer could not be used."""
        with self._guard:
            self._fail(str(client), str(error_type)[:_CLOSE_REASON_LIMIT])

    def round_end(self, number: int, *, loss: float | None = None, accuracy: float | None = None) -> None:
        """A round is over; those selected who neither answered nor failed count as failed."""
        with self._guard:
            for client in self._round.silent:
                self._fail(client, "no reply")
            duration_s = monotonic() - self._round.started_s
            self._metrics.duration.observe(duration_s)
            self._aggregated(loss, accuracy)
            self._log(
                "round_end",
                round=int(number),
                num_clients_responded=len(self._round.replied),
                aggregated_loss=loss,
                aggregated_accuracy=accuracy,
                round_duration_seconds=round(duration_s, 3),
            )

    def evaluation(
        self,
        number: int,
        *,
        loss: float | None = None,
        accuracy: float | None = None,
        examples: int | None = None,
        aggregated: bool = True,
    ) -> None:
        """The aggregate was evaluated, by the clients or on the server.

        Where both are done, ``aggregated`` says whose word ``fl_aggregated_loss`` and ``…_accuracy`` take.
        """
        with self._guard:
            if aggregated:
                self._aggregated(loss, accuracy)
            self._log(
                "evaluation_result", round=int(number), loss=loss, accuracy=accuracy, num_examples=examples
            )

    def checkpoint_saved(self, number: int, path: object, size_bytes: int | None = None) -> None:
        """The aggregate was saved; ``path`` may be None, and a size that is not given is looked up."""
        with self._guard:
            self._metrics.checkpoints.inc()
            if size_bytes is None and path is not None:
                with self._guard.around("checkpoint", "the size of a checkpoint is not known"):
                    size_bytes = os.stat(str(path)).st_size  # noqa: PTH116 - any path-like text
            self._log(
                "checkpoint_saved",
                round=int(number),
                path=None if path is None else str(path),
                size_bytes=size_bytes,
            )

    # Clients.

    def clients_connected(self, count: int) -> None:
        """So many clients are connected now."""
        with self._guard:
            self._metrics.connected.set(count)

    def client_join(self, client: object, address: str | None = None) -> None:
        """A client has connected."""
        with self._guard:
            self._log("client_join", node_id=str(client), client_address=address)

    def client_leave(self, client: object, reason: str | None = None) -> None:
        """A client is gone."""
        with self._guard:
            self._clients.forget(str(client))
            self._log("client_leave", node_id=str(client), reason=reason)

    def stalled(self, waiting_since_s: float, *, connected: int, required: int | None) -> None:
        """The training waits for clients, and has waited for so long."""
        with self._guard:
            self._metrics.connected.set(connected)
            self._log(
                "training_stalled",
                round=self._round.number,
                waiting_since_seconds=round(waiting_since_s, 3),
                connected_clients=connected,
                required_clients=required,
            )

    def _fail(self, client: str, error_type: str) -> None:
        self._round.failed.add(client)
        self._metrics.failed.inc()
        self._log("client_failure", round=self._round.number, node_id=client, error_type=error_type)

    def _aggregated(self, loss: float | None, accuracy: float | None) -> None:
        if loss is not None:
            self._last_loss = float(loss)
            self._metrics.loss.set(self._last_loss)
        if accuracy is not None:
            self._last_accuracy = float(accuracy)
            self._metrics.accuracy.set(self._last_accuracy)

    def _prepare_log(self) -> None:
        # A framework's logger has a level already, which only the switch itself may change.
        if self._logger.level == logging.NOTSET or "FL_LOG_LEVEL" in os.environ:
            self._logger.setLevel(self._switches.log_level)
        if self._switches.log_format == "json":
            use_json(self._logger, self._role)
        elif not self._logger.hasHandlers():
            self._logger.addHandler(logging.StreamHandler())

    def _log(self, name: str, **data: Any) -> None:
        log_event(self._logger, name, **data)


class _Round:
    """The round under way, and who was heard in it."""

    def __init__(self, number: int = 0, selected: Iterable[str] = ()) -> None:
        self.number = number
        self.started_s = monotonic()
        self.selected = list(selected)
        self.replied: set[str] = set()
        self.failed: set[str] = set()

    @property
    def silent(self) -> list[str]:
        """Those selected who neither answered nor failed."""
        return [each for each in self.selected if each not in self.replied | self.failed]
