"""Training: whether a run learns, how fast, and when it is done."""

from __future__ import annotations

from typing import Final

from tocsin.dashboards.model import Dashboard, Panel, Query, Section, Unit, Variable

_RUN: Final = 'run="$run"'

# Names with a colon are recorded by rules, and what the page says in words is not drawn again.
_VALUES: Final = "training_[a-zA-Z0-9_]+"
_FACTS: Final = (
    "training_(status|step|total_steps|start_time_seconds|steps_dropped_total|health_events_total)"
)

_LOSS: Final = Panel(
    name="loss",
    title="Loss",
    unit=Unit.NUMBER,
    queries=(Query(f"training_loss{{{_RUN}}}", "loss"),),
    empty="This run reports no loss: pass loss=… to run.step().",
)

_LEARNING_RATE: Final = Panel(
    name="learning_rate",
    title="Learning rate",
    unit=Unit.NUMBER,
    queries=(Query(f"training_learning_rate{{{_RUN}}}", "learning rate"),),
    empty="This run reports no learning rate: pass lr=… to run.step().",
)

_THROUGHPUT: Final = Panel(
    name="throughput",
    title="Throughput",
    unit=Unit.STEPS_PER_SECOND,
    queries=(Query(f"training_steps_per_second{{{_RUN}}}", "steps per second"),),
    minimum=0,
    empty="This run has not reported its speed yet.",
)

DASHBOARD: Final = Dashboard(
    name="training",
    title="Training",
    path="/training",
    question="Does this run learn, how fast, and when is it done?",
    sections=(
        Section("progress", "Progress", (_LOSS, _LEARNING_RATE, _THROUGHPUT)),
        Section("values", "More values", each=f'{{__name__=~"{_VALUES}",__name__!~"{_FACTS}",{_RUN}}}'),
    ),
    variables=(Variable("run", "Run", metric="training_status", label="run"),),
)
