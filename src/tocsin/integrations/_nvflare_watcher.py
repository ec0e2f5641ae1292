"""What the events of an NVIDIA FLARE server say about rounds and clients, for a FederatedMonitor.

Events and properties are taken by their texts, which belong to FLARE's wire format, so that this file can
be read and tried without FLARE.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any, Final

from tocsin.integrations._keys import Keys, number
from tocsin.sdk.federated import FederatedMonitor
from tocsin.sdk.guard import Guard
from tocsin.sdk.training import Status

_STARTED: Final = frozenset({"_training_started", "_round_started"})
_METRICS: Final = frozenset({"analytix_log_stats", "fed.analytix_log_stats"})

_ROUND: Final = "current_round"
_ROUNDS: Final = "num_rounds"
_ACCEPTED: Final = "_aggregation_accepted"
_RESULT: Final = "_training_result_"
_WORKFLOW: Final = "__workflow__"
_DATA: Final = "__event_data__"
_IDENTITY: Final = "__identity_name__"
_INITIAL_METRICS: Final = "initial_metrics"
_STEPS: Final = "NUM_STEPS_CURRENT_ROUND"


class Watcher:
    """The component's own part; FLARE's ``FLComponent`` stands behind it among the bases.

    ``strategy`` is the label, by default the class of the workflow. Rounds count from 1, where FLARE's count
    from 0. Loss and accuracy of a round are the mean of what its clients told last, by analytics events
    (``SummaryWriter`` and the like) or as metrics of their models.
    """

    def __init__(
        self,
        strategy: str = "",
        loss_keys: Sequence[str] | None = None,
        accuracy_keys: Sequence[str] | None = None,
        port: int | None = None,
    ) -> None:
        super().__init__()
        self._fl_guard = Guard("NVIDIA FLARE")
        self._fl_strategy, self._fl_port = strategy, port
        self._fl_keys = Keys().given(loss_keys, accuracy_keys)
        self._fl: FederatedMonitor | None = None
        self._fl_lock = Lock()
        self._fl_round: int | None = None
        self._fl_clients: set[str] = set()
        self._fl_told: dict[str, dict[str, float]] = {}
        self._fl_failed = False

    def handle_event(self, event_type: str, fl_ctx: Any) -> None:
        """Take one of FLARE's events; they come from several threads."""
        with self._fl_guard, self._fl_lock:
            if event_type in _STARTED:
                self._start(fl_ctx)
            if self._fl is not None:
                self._take(self._fl, event_type, fl_ctx)

    def _take(self, fl: FederatedMonitor, event_type: str, fl_ctx: Any) -> None:
        match event_type:
            case "_round_started":
                self._begin_round(fl, fl_ctx)
            case "_after_contribution_accept":
                self._contribution(fl, fl_ctx)
            case "_after_save_model":
                fl.checkpoint_saved(self._fl_round or 0, None)
            case "_round_done":
                self._end_round(fl)
            case "_end_workflow":
                self._end_round(fl)
                # Later the signal is set in any case, so that clients end.
                signal = fl_ctx.get_run_abort_signal()
                self._fl_failed |= signal is not None and bool(signal.triggered)
            case "_fatal_system_error":
                self._fl_failed = True
            case "_end_run":
                self._end(fl)
            case _ if event_type in _METRICS:
                self._metric(fl_ctx)

    def _start(self, fl_ctx: Any) -> None:
        if self._fl is not None:
            return
        workflow = self._workflow(fl_ctx)
        strategy = self._fl_strategy or (type(workflow).__name__ if workflow is not None else "nvflare")
        self._fl = FederatedMonitor(strategy, port=self._fl_port)
        rounds, least = fl_ctx.get_prop(_ROUNDS), getattr(workflow, "_min_clients", None)
        self._fl.start(num_rounds=int(rounds or 0), min_clients=least)
        self._see_clients(self._fl, fl_ctx)

    def _workflow(self, fl_ctx: Any) -> Any:
        name = fl_ctx.get_prop(_WORKFLOW)
        return fl_ctx.get_engine().get_component(name) if name else None

    def _begin_round(self, fl: FederatedMonitor, fl_ctx: Any) -> None:
        self._end_round(fl)
        self._see_clients(fl, fl_ctx)
        self._fl_round = int(fl_ctx.get_prop(_ROUND)) + 1
        # A workflow that samples clients tells nobody whom, so only an answer shows who was selected.
        sampled = getattr(self._workflow(fl_ctx), "num_clients", None)
        is_sample = isinstance(sampled, int) and 0 < sampled < len(self._fl_clients)
        fl.round_start(self._fl_round, selected=() if is_sample else sorted(self._fl_clients))

    def _contribution(self, fl: FederatedMonitor, fl_ctx: Any) -> None:
        peer = fl_ctx.get_peer_context()
        if peer is None:
            return
        client = peer.get_identity_name()
        if fl_ctx.get_prop(_ACCEPTED) is False:
            fl.client_failure(client, "contribution not accepted")
            return
        meta = self._meta(fl_ctx.get_prop(_RESULT))
        fl.client_reply(client, examples=number([meta], (_STEPS,)))
        self._fl_told.setdefault(client, {}).update(meta.get(_INITIAL_METRICS) or {})

    def _meta(self, result: Any) -> dict[str, Any]:
        """What a client has written on its model, where the workflow shows it."""
        if result is None:
            return {}
        from nvflare.apis.dxo import from_shareable  # noqa: PLC0415

        return from_shareable(result).meta or {}

    def _metric(self, fl_ctx: Any) -> None:
        from nvflare.apis.dxo import from_shareable  # noqa: PLC0415

        shareable = fl_ctx.get_prop(_DATA)
        client = shareable.get_peer_prop(_IDENTITY, None) or fl_ctx.get_identity_name()
        data = from_shareable(shareable).data
        values = data["track_value"] if isinstance(data["track_value"], dict) else {}
        values = values or {data["track_key"]: data["track_value"]}
        self._fl_told.setdefault(str(client), {}).update(values)

    def _end_round(self, fl: FederatedMonitor) -> None:
        if self._fl_round is None:
            return
        number_, self._fl_round = self._fl_round, None
        told, self._fl_told = self._fl_told, {}
        loss, accuracy = _mean(told, self._fl_keys.loss), _mean(told, self._fl_keys.accuracy)
        if loss is not None or accuracy is not None:
            fl.evaluation(number_, loss=loss, accuracy=accuracy)
        fl.round_end(number_, loss=loss, accuracy=accuracy)

    def _end(self, fl: FederatedMonitor) -> None:
        self._end_round(fl)
        fl.end(Status.FAILED if self._fl_failed else Status.COMPLETE)
        self._fl = None

    def _see_clients(self, fl: FederatedMonitor, fl_ctx: Any) -> None:
        clients = {client.name for client in fl_ctx.get_engine().get_clients() or ()}
        for client in sorted(clients - self._fl_clients):
            fl.client_join(client)
        for client in sorted(self._fl_clients - clients):
            fl.client_leave(client, "no longer among the clients of the server")
        self._fl_clients = clients
        fl.clients_connected(len(clients))


def _mean(told: dict[str, dict[str, float]], keys: Sequence[str]) -> float | None:
    found = [value for values in told.values() if (value := number([values], keys)) is not None]
    return sum(found) / len(found) if found else None
