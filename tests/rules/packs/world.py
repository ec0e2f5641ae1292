"""The shipped rules over what exporters say, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.rules.helpers import START_MS, Scene
from tocsin.model import Labels, SampleBatch
from tocsin.rules import RuleGroup, shipped_rules

Exporter = Callable[[float], Mapping[Labels, float]]
"""What is said at a time in seconds; it may remember what it said before."""

SHORT_NAMES = "shipped/short_names.yml"
RECORDED = (SHORT_NAMES, "shipped/inference_servers.yml")
"""What other packs read."""


class World(Scene):
    """A store and the groups of some shipped files, those of the short names first."""

    def __init__(self, *files: str) -> None:
        super().__init__()
        self.groups = [
            RuleGroup(definition, self.surroundings)
            for definition in sorted(shipped_rules(), key=lambda definition: definition.file not in RECORDED)
            if not files or definition.file in {SHORT_NAMES, *files}
        ]
        self.fired: dict[str, float] = {}

    async def run(self, exporter: Exporter, duration_s: float, step_s: float) -> None:
        """Store what an exporter says and evaluate, noting which alerts fire since when."""
        for number in range(round(duration_s / step_s) + 1):
            at_s = number * step_s
            at_ms = START_MS + round(at_s * 1000)
            self.store.append_batch(SampleBatch.at(at_ms, exporter(at_s)))
            for group in self.groups:
                await group.evaluate(at_ms)
                for rule in group.rules:
                    assert not rule.status.last_error, (rule.name, rule.status.last_error)
            for alert in self.told:
                self.fired.setdefault(alert.name, (alert.starts_at_ms - START_MS) / 1000)


def together(*exporters: Exporter) -> Exporter:
    """All that several say."""

    def say(at_s: float) -> dict[Labels, float]:
        return {labels: value for exporter in exporters for labels, value in exporter(at_s).items()}

    return say
