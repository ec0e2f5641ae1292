"""Training: whether a run learns, how fast, and when it is done."""

from __future__ import annotations

from typing import Final

from tocsin.dashboards.model import Dashboard, Panel, Query, Section, Unit, Variable

_RUN: Final = 'run="$run"'

# Names with a colon are recorded by rules, and what the page says in words is not drawn again.
_VALUES: Final = "training_[a-zA-Z0-9_]+"
_FACTS: Final = (
    "training_(status|step|total_steps|start_time_seconds|validating|world_size|health|eta_seconds"
    "|checkpoint_(step|time_seconds)|[a-z_]+_total)"
)

_LOSS: Final = Panel(
    name="loss",
    title="Loss",
    unit=Unit.NUMBER,
    queries=(Query(f"training_loss{{{_RUN}}}", "loss {{rank}}"),),
    empty="This run reports no loss: pass loss=… to run.step().",
)

_LEARNING_RATE: Final = Panel(
    name="learning_rate",
    title="Learning rate",
    unit=Unit.NUMBER,
    queries=(Query(f"training_learning_rate{{{_RUN}}}", "learning rate {{rank}}"),),
    empty="This run reports no learning rate: pass lr=… to run.step().",
)

_THROUGHPUT: Final = Panel(
    name="throughput",
    title="Throughput",
    unit=Unit.STEPS_PER_SECOND,
    queries=(Query(f"training_steps_per_second{{{_RUN}}}", "steps per second {{rank}}"),),
    minimum=0,
    empty="This run has not reported its speed yet.",
)

_PARTS: Final = Panel(
    name="parts",
    title="Time of a step",
    unit=Unit.RATIO,
    queries=(Query(f"training_part_ratio{{{_RUN}}}", "{{part}} {{rank}}"),),
    minimum=0,
    empty="Nothing was told about the parts of a step in this time.",
)

DASHBOARD: Final = Dashboard(
    name="training",
    title="Training",
    path="/training",
    question="Does this run learn, how fast, and when is it done?",
    sections=(
        Section("progress", "Progress", (_LOSS, _LEARNING_RATE, _THROUGHPUT)),
        Section("parts", "Parts of a step", (_PARTS,), only_if=f"training_part_ratio{{{_RUN}}}"),
        Section("values", "More values", each=f'{{__name__=~"{_VALUES}",__name__!~"{_FACTS}",{_RUN}}}'),
    ),
    variables=(Variable("run", "Run", metric="training_status", label="run"),),
)
