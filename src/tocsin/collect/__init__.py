"""What this machine tells: system, process, GPU and custom collectors, and the loop that runs them."""

from tocsin.collect.collector import Collector
from tocsin.collect.custom import CustomCollector, load_custom_collector
from tocsin.collect.families import family_metadata, family_name
from tocsin.collect.gpu import GpuCollector
from tocsin.collect.loop import CollectLoop
from tocsin.collect.nemo_run import NemoRunCollector
from tocsin.collect.process import ProcessCollector
from tocsin.collect.registry import COLLECTORS, default_collectors
from tocsin.collect.system import SystemCollector

__all__ = [
    "COLLECTORS",
    "CollectLoop",
    "Collector",
    "CustomCollector",
    "GpuCollector",
    "NemoRunCollector",
    "ProcessCollector",
    "SystemCollector",
    "default_collectors",
    "family_metadata",
    "family_name",
    "load_custom_collector",
]
