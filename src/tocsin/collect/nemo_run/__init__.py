"""NeMo-Run's experiments, from outside: read from the files that it writes, without importing it."""

from tocsin.collect.nemo_run.collector import NemoRunCollector
from tocsin.collect.nemo_run.experiment import Experiment, Status, Task
from tocsin.collect.nemo_run.store import ExperimentStore, default_home

__all__ = ["Experiment", "ExperimentStore", "NemoRunCollector", "Status", "Task", "default_home"]
