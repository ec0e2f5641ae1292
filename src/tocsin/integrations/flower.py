"""Flower: one line watches any strategy of the message API, another times what clients do.

``monitor`` goes around a strategy in the ServerApp; ``client_mod`` is a mod for the ClientApp. Written for
flwr 1.24 and newer; the strategy is asked, not Flower, so nothing of it is imported here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Final, TypeVar

from prometheus_client import CollectorRegistry

from tocsin.errors import UsageError
from tocsin.integrations._flower_course import Course
from tocsin.integrations._flower_nodes import Nodes
from tocsin.integrations._flower_records import tell
from tocsin.integrations._flower_strategy import watched
from tocsin.integrations._keys import Keys
from tocsin.sdk.federated import FederatedMonitor
from tocsin.sdk.guard import Guard
from tocsin.sdk.json_log import use_json
from tocsin.sdk.switches import Switches

__all__ = ["client_mod", "monitor"]

StrategyT = TypeVar("StrategyT")

LOGGER: Final = "flwr"
_HOOKS: Final = ("configure_train", "aggregate_train", "configure_evaluate", "aggregate_evaluate", "start")


def monitor(
    strategy: StrategyT,
    *,
    name: str | None = None,
    loss_keys: Sequence[str] | None = None,
    accuracy_keys: Sequence[str] | None = None,
    updates: bool = True,
    stalled_after_s: float = 30.0,
    poll_interval_s: float = 1.0,
    port: int | None = None,
    registry: CollectorRegistry | None = None,
) -> StrategyT:
    """The same strategy, watched: use what is returned in its place.

    It is of a class of its own with the strategy's name, is an instance of the strategy's class and shares
    its attributes. From ``start`` on, the eleven ``fl_`` metrics are served and the events are written to
    Flower's logger. Nothing of this raises into the training or waits for anybody. What is returned has an
    attribute ``fl_monitor``, the :class:`tocsin.FederatedMonitor`, for checkpoints that you save.

    ``name`` is the label ``strategy``, by default the class's name. ``loss_keys`` and ``accuracy_keys`` are
    names in a MetricRecord, the first one there counts. ``updates`` computes norm and cosine of every update.
    ``training_stalled`` is told once the strategy has waited ``stalled_after_s`` for nodes; nodes are asked
    for every ``poll_interval_s``. ``port`` and ``registry`` are those of FederatedMonitor.

    Raises UsageError for what is no strategy of the message API.

    >>> strategy = monitor(FedAvg())  # doctest: +SKIP
    >>> strategy.start(grid, arrays, num_rounds=3)  # doctest: +SKIP
    """
    if missing := [hook for hook in _HOOKS if not callable(getattr(strategy, hook, None))]:
        raise UsageError(_no_strategy(strategy, missing))
    keys = Keys().given(loss_keys, accuracy_keys)
    label = name or type(strategy).__name__
    guard = Guard(f'Flower strategy "{label}"')
    logger = logging.getLogger(LOGGER)
    fl = FederatedMonitor(label, port=port, registry=registry, logger=logger)
    _json_if_wanted(guard, "server")
    nodes = Nodes(fl, guard, stalled_after_s=stalled_after_s, interval_s=poll_interval_s)
    return watched(strategy, Course(fl, guard, nodes, keys, updates=updates))


def client_mod(message: Any, context: Any, call_next: Callable[[Any, Any], Any]) -> Any:
    """A mod for ``ClientApp(mods=[client_mod])``: how long the client worked, and which client it is.

    It adds a ConfigRecord ``tocsin`` to the answer, from which ``monitor`` makes ``fl_client_work_seconds``
    and a label ``client`` that outlives a restart of the node: ``client-name``, else ``partition-id``, of its
    node configuration. Under ``FL_LOG_FORMAT=json`` Flower's log in the client is JSON, too.

    >>> app = ClientApp(mods=[client_mod])  # doctest: +SKIP
    """
    guard = Guard("Flower client")
    _json_if_wanted(guard, "client")
    began_s = perf_counter()
    reply = call_next(message, context)
    with guard:
        tell(reply, context, perf_counter() - began_s)
    return reply


def _json_if_wanted(guard: Guard, role: str) -> None:
    with guard:
        if Switches.read(guard).log_format == "json":
            use_json(logging.getLogger(LOGGER), role)


def _no_strategy(strategy: object, missing: list[str]) -> str:
    kind = f"{type(strategy).__module__}.{type(strategy).__name__}"
    if callable(getattr(strategy, "configure_fit", None)):
        return (
            f"{kind} is a strategy of Flower's old API; use the one of the same name in "
            "flwr.serverapp.strategy, or report to tocsin.FederatedMonitor yourself"
        )
    return f"{kind} is no strategy of Flower: it lacks {', '.join(missing)}"
