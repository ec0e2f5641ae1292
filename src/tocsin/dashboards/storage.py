"""Storage: how much is stored, how large it is, whether the disk lasts, and whether anything is refused."""

from __future__ import annotations

from typing import Final

from tocsin.dashboards.model import Dashboard, Headline, Panel, Query, Section, Unit, Variable

_HERE: Final = 'instance="$instance"'


def _losses(metric: str, labels: str) -> str:
    """Samples lost in a second; the window reaches from point to point, so that no loss goes unseen."""
    return f"sum by ({labels}) (rate({metric}{{{_HERE}}}[$__rate_interval]))"


def _measured(metric: str) -> str:
    """Whether a metric was measured at any time of the range, so that an old range is shown as well."""
    return f"present_over_time({metric}{{{_HERE}}}[$__range])"


_STORE: Final = _measured("tocsin_storage_series")
_QUEUES: Final = _measured("tocsin_remote_write_samples_pending")

_SIZE: Final = Panel(
    name="size",
    title="Size on disk",
    unit=Unit.BYTES,
    queries=(
        Query(f"tocsin_storage_file_bytes{{{_HERE}}}", "database"),
        Query(f"tocsin_storage_block_bytes{{{_HERE}}}", "{{tier}} blocks"),
    ),
    headline=Headline.SUM,
    stacked=True,
    minimum=0,
)

_FREE: Final = Panel(
    name="free",
    title="Free on the disk",
    unit=Unit.BYTES,
    queries=(Query(f"tocsin_storage_disk_free_bytes{{{_HERE}}}", "free"),),
    minimum=0,
)

_TAKEN: Final = Panel(
    name="taken",
    title="Samples taken",
    unit=Unit.PER_SECOND,
    queries=(Query(f"sum(rate(tocsin_storage_samples_total{{{_HERE}}}[$__rate_interval]))", "taken"),),
    minimum=0,
)

_REFUSED: Final = Panel(
    name="refused",
    title="Samples refused",
    unit=Unit.PER_SECOND,
    queries=(
        Query(_losses("tocsin_storage_rejected_samples_total", "reason"), "{{reason}}"),
        Query(_losses("tocsin_samples_dropped_total", "reason"), "on arrival: {{reason}}"),
    ),
    headline=Headline.SUM,
    minimum=0,
)

_SERIES: Final = Panel(
    name="series",
    title="Series",
    unit=Unit.NUMBER,
    queries=(Query(f"tocsin_storage_series{{{_HERE}}}", "series"),),
    minimum=0,
)

_WAITING: Final = Panel(
    name="waiting",
    title="Samples waiting",
    unit=Unit.NUMBER,
    queries=(Query(f"tocsin_remote_write_samples_pending{{{_HERE}}}", "{{name}}"),),
    headline=Headline.SUM,
    minimum=0,
)

_SENT: Final = Panel(
    name="sent",
    title="Samples sent",
    unit=Unit.PER_SECOND,
    queries=(
        Query(
            f"sum by (name) (rate(tocsin_remote_write_samples_total{{{_HERE}}}[$__rate_interval]))",
            "{{name}}",
        ),
    ),
    headline=Headline.SUM,
    minimum=0,
)

_GIVEN_UP: Final = Panel(
    name="given_up",
    title="Samples given up",
    unit=Unit.PER_SECOND,
    queries=(
        Query(_losses("tocsin_remote_write_samples_dropped_total", "name, reason"), "{{name}}: {{reason}}"),
    ),
    headline=Headline.SUM,
    minimum=0,
    empty="No queue has given up a sample in this time range.",
)

_QUEUE: Final = Panel(
    name="queue",
    title="Queue on disk",
    unit=Unit.BYTES,
    queries=(Query(f"tocsin_remote_write_queue_bytes{{{_HERE}}}", "{{name}}"),),
    headline=Headline.SUM,
    minimum=0,
)


DASHBOARD: Final = Dashboard(
    name="storage",
    title="Storage",
    path="/storage",
    question="How much is stored, how large is it, will the disk last, and is anything refused?",
    sections=(
        Section("disk", "Disk", (_SIZE, _FREE), only_if=_STORE),
        Section("samples", "Samples", (_TAKEN, _REFUSED, _SERIES), only_if=_STORE),
        Section("remote_write", "Remote write", (_WAITING, _SENT, _GIVEN_UP, _QUEUE), only_if=_QUEUES),
    ),
    variables=(
        Variable("instance", "tocsin", metric="tocsin_config_last_reload_successful", label="instance"),
    ),
)
