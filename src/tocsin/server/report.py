"""What a person is told when tocsin starts."""

from __future__ import annotations

from pathlib import Path

from tocsin import __version__
from tocsin.collect import GpuCollector
from tocsin.config.settings import Settings
from tocsin.model import format_duration_ms
from tocsin.server.parts import Parts
from tocsin.storage.remote import public_address


def start_lines(settings: Settings, parts: Parts, file: Path, url: str, start_s: float) -> list[str]:
    """A few lines: where it is, what it watches, and what is missing."""
    topics = {
        "data": _data(settings, file) + _forwarding(settings),
        "collects": _collects(settings, parts),
        "GPU": _gpu(parts),
        "scrapes": _scrapes(settings),
        "rules": _rules(settings, parts),
        "alerts": _alerts(settings),
    }
    return [
        f"tocsin {__version__} is ready after {start_s:.1f} s: {url}/",
        *(f"  {topic:<9} {text}" for topic, text in topics.items()),
    ]


def _data(settings: Settings, file: Path) -> str:
    kept = settings.storage
    if kept.write_url and kept.query_url:
        return f"written to {public_address(kept.write_url)}, read from {public_address(kept.query_url)}"
    summaries = f", summaries {format_duration_ms(kept.summaries[-1][1])}" if kept.summaries else ""
    hot = format_duration_ms(kept.hot)
    return f"{file} (kept {format_duration_ms(kept.retention)}{summaries}, {hot} in memory)"


def _forwarding(settings: Settings) -> str:
    engines = ", ".join(public_address(config.url) for config in settings.remote_write)
    return f"; forwarded to {engines}" if engines else ""


def _collects(settings: Settings, parts: Parts) -> str:
    names = ", ".join(collector.name for collector in parts.collectors)
    return f"{names}; every {format_duration_ms(settings.collectors.interval)}"


def _gpu(parts: Parts) -> str:
    gpu = next((each for each in parts.collectors if isinstance(each, GpuCollector)), None)
    return gpu.status() if gpu else "not collected (collectors: enabled: false)"


def _scrapes(settings: Settings) -> str:
    jobs = [config.job_name for config in settings.scrape_configs]
    return ", ".join([*jobs, "processes on this machine that use the SDK"])


def _rules(settings: Settings, parts: Parts) -> str:
    count = sum(len(group.rules) for group in parts.rules.groups)
    files = f", {', '.join(settings.rule_files)}" if settings.rule_files else ""
    return f"{count} rules (shipped{files})"


def _alerts(settings: Settings) -> str:
    if settings.alertmanager is None:
        return "shown on the page; to send them, see alertmanager in docs/configuration.md"
    return f"to {', '.join(receiver.name for receiver in settings.alertmanager.receivers)}"
