"""A strategy of Flower's message API that reports what it does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import new_class
from typing import Any, Final, TypeVar

from tocsin.integrations._flower_course import Course
from tocsin.integrations._flower_grid import watched_grid
from tocsin.sdk.federated import FederatedMonitor

StrategyT = TypeVar("StrategyT")

_COURSE: Final = "_tocsin_course"


class _Watched:
    """Comes before the strategy's class, so that ``super()`` is the strategy as it was."""

    def start(self, grid: Any, *args: Any, **kwargs: Any) -> Any:
        course: Course = getattr(self, _COURSE)
        start: Callable[..., Any] = super().start  # type: ignore[misc]
        given = _Given(start, grid, args, kwargs)
        grid = watched_grid(grid, course)
        with course.training(self, grid, given.num_rounds):
            return given.call(grid, course)

    def configure_train(self, server_round: int, *args: Any, **kwargs: Any) -> Any:
        arrays = args[0] if args else kwargs.get("arrays")
        with getattr(self, _COURSE).configuring(server_round, "train", arrays):
            # Some strategies give a generator, which has not waited for nodes yet.
            return list(super().configure_train(server_round, *args, **kwargs))  # type: ignore[misc]

    def configure_evaluate(self, server_round: int, *args: Any, **kwargs: Any) -> Any:
        with getattr(self, _COURSE).configuring(server_round, "evaluate", None):
            return list(super().configure_evaluate(server_round, *args, **kwargs))  # type: ignore[misc]

    def aggregate_train(self, server_round: int, *args: Any, **kwargs: Any) -> Any:
        result = super().aggregate_train(server_round, *args, **kwargs)  # type: ignore[misc]
        getattr(self, _COURSE).trained(server_round, result)
        return result

    def aggregate_evaluate(self, server_round: int, *args: Any, **kwargs: Any) -> Any:
        metrics = super().aggregate_evaluate(server_round, *args, **kwargs)  # type: ignore[misc]
        getattr(self, _COURSE).evaluated_by_clients(server_round, metrics)
        return metrics

    @property
    def fl_monitor(self) -> FederatedMonitor:
        """The monitor, for what only the program knows, such as checkpoints."""
        course: Course = getattr(self, _COURSE)
        return course.fl


class _Given:
    """The arguments of ``start``, whose names are looked up in its signature."""

    def __init__(
        self, start: Callable[..., Any], grid: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._start, self._args, self._kwargs = start, args, kwargs
        # What does not fit is left to the call itself, which says so as it would without a monitor.
        self._bound: inspect.BoundArguments | None = None
        try:
            bound = inspect.signature(start).bind(grid, *args, **kwargs)
            bound.apply_defaults()
            self._bound = bound
        except (TypeError, ValueError):
            return

    @property
    def num_rounds(self) -> int:
        """How many rounds there will be; 0 where ``start`` has no such argument."""
        return int(self._bound.arguments.get("num_rounds") or 0) if self._bound else 0

    def call(self, grid: Any, course: Course) -> Any:
        """Call ``start``, with the evaluation on the server watched."""
        if self._bound is None:
            return self._start(grid, *self._args, **self._kwargs)
        bound = self._bound
        bound.arguments[next(iter(bound.arguments))] = grid
        if callable(evaluate := bound.arguments.get("evaluate_fn")):
            bound.arguments["evaluate_fn"] = _evaluation(evaluate, course)
        return self._start(*bound.args, **bound.kwargs)


def _evaluation(evaluate: Callable[..., Any], course: Course) -> Callable[..., Any]:
    def evaluate_fn(server_round: int, *args: Any, **kwargs: Any) -> Any:
        metrics = evaluate(server_round, *args, **kwargs)
        course.evaluated_by_server(server_round, metrics)
        return metrics

    return evaluate_fn


def watched(strategy: StrategyT, course: Course) -> StrategyT:
    """The strategy under a class that reports to a course; both share all their attributes.

    The class has the name of the strategy's, which Flower writes to its log.
    """
    kind = type(strategy)
    if issubclass(kind, _Watched):
        kind = kind.__mro__[2]
    described = {"__module__": kind.__module__, "__doc__": kind.__doc__}
    twin: Any = object.__new__(
        new_class(kind.__name__, (_Watched, kind), {}, lambda body: body.update(described))
    )
    twin.__dict__ = strategy.__dict__
    setattr(twin, _COURSE, course)
    result: StrategyT = twin
    return result
