"""docs/collectors.md says what the collectors do, and its example runs."""

import re
from pathlib import Path

from tests.collect import nvml
from tocsin.collect import SystemCollector, load_custom_collector

PAGE = (Path(__file__).parents[2] / "docs" / "collectors.md").read_text()


def test_the_example_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "spool.py").write_text(example)
    monkeypatch.chdir(tmp_path)
    families = load_custom_collector("spool:Spool", tmp_path).collect()
    found = {family.name: family.samples[0].value for family in families}
    assert found == {"spool_files": 1, "spool_largest_file_bytes": len(example.encode())}


def test_every_metric_of_a_gpu_is_named(tmp_path):
    (found,) = nvml.collect(nvml.build(tmp_path), nvml.machine(nvml.CARD))
    assert {name for name, *_ in found.samples} <= named_metrics()


def test_every_metric_of_the_system_is_named():
    names = {sample.name for family in SystemCollector().collect() for sample in family.samples}
    others = {name for name in names if not name.startswith("node_memory_")}
    assert others <= named_metrics()


def named_metrics():
    """The metrics that the page names; ``_suffix`` replaces the end of a cell's first name."""
    named = set(re.findall(r"`(\w+)`", PAGE))
    for cell in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE):
        first, *rest = re.findall(r"`(\w+)`", cell) or [""]
        parts = first.split("_")
        named |= {"_".join(parts[:kept]) + suffix for suffix in rest for kept in range(1, len(parts))}
    return named | {name.replace("receive", "transmit") for name in named}
