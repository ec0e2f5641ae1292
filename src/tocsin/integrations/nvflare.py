"""NVIDIA FLARE: a component for the server's job configuration, and the settings of sites for StatsD.

``tocsin.integrations.nvflare.RoundWatcher`` tells a FederatedMonitor about rounds, loss, accuracy and
clients, which FLARE's own metrics lack. ``python -m tocsin.integrations.nvflare render SITE…`` prints what to
put into the ``resources.json`` of sites. Written for nvflare 2.9.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from tocsin.integrations._nvflare_watcher import Watcher

CLASSES: Final = (
    "nvflare.metrics.job_metrics_collector.JobMetricsCollector",
    "nvflare.metrics.system_metrics_collector.SysMetricsCollector",
    "nvflare.fuel_opt.statsd.statsd_reporter.StatsDReporter",
    "nvflare.app_common.widgets.convert_to_fed_event.ConvertToFedEvent",
    "tocsin.integrations.nvflare.RoundWatcher",
)
"""What a site that enforces its ``class_allow_list`` has to allow before a job may use it."""


def __getattr__(name: str) -> Any:
    if name == "RoundWatcher":
        return _round_watcher()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def _round_watcher() -> type:
    """The class, made when FLARE asks for it, so that this file can be imported without FLARE."""
    from nvflare.apis.fl_component import FLComponent  # noqa: PLC0415

    names = {"__doc__": Watcher.__doc__, "__module__": __name__}
    return type("RoundWatcher", (Watcher, FLComponent), names)


def site_resources(
    site: str, *, host: str = "127.0.0.1", port: int = 9125, is_server: bool = False
) -> dict[str, Any]:
    """What to add to ``<site>/local/resources.json``: components that send its metrics, and the allow-list.

    The tags become the labels ``site`` and, on clients, ``client``. The collector for jobs stands here as
    well, so jobs need no entry of their own; a reporter in both would send everything twice.

    >>> site_resources("site-1")["components"][0]["args"]["tags"]
    {'site': 'site-1', 'client': 'site-1'}
    """
    tags = {"site": site} if is_server else {"site": site, "client": site}
    return {
        "class_allow_list": list(CLASSES),
        "components": [
            {"id": "tocsin_system_metrics", "path": CLASSES[1], "args": {"tags": tags}},
            {"id": "tocsin_statsd", "path": CLASSES[2], "args": {"site": site, "host": host, "port": port}},
        ],
    }


def job_components(
    site: str, *, is_server: bool = False, statsd_port: int | None = None
) -> list[dict[str, Any]]:
    """What to add to the ``components`` of a job's ``config_fed_server.json`` or ``config_fed_client.json``.

    The server gets a RoundWatcher; clients pass on what their programs log. With ``statsd_port`` the job
    sends its metrics by itself, as the simulator needs it, where sites have no configuration.

    >>> [each["id"] for each in job_components("server", is_server=True)]
    ['tocsin_job_metrics', 'tocsin_rounds']
    """
    tags = {"site": site} if is_server else {"site": site, "client": site}
    components: list[dict[str, Any]] = [
        {"id": "tocsin_job_metrics", "path": CLASSES[0], "args": {"tags": tags}}
    ]
    if statsd_port is not None:
        reporter = {"site": site, "host": "127.0.0.1", "port": statsd_port}
        components.append({"id": "tocsin_statsd", "path": CLASSES[2], "args": reporter})
    if is_server:
        return [*components, {"id": "tocsin_rounds", "path": CLASSES[4], "args": {}}]
    events = {"events_to_convert": ["analytix_log_stats"], "fed_event_prefix": "fed."}
    return [*components, {"id": "tocsin_events", "path": CLASSES[3], "args": events}]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the settings of sites as JSON, by file."""
    parser = argparse.ArgumentParser(prog="python -m tocsin.integrations.nvflare")
    render = parser.add_subparsers(required=True).add_parser(
        "render", help="print what the configuration of sites needs"
    )
    render.add_argument("sites", nargs="+", metavar="SITE", help="names of clients")
    render.add_argument("--server", default="server", help="name of the server's site")
    render.add_argument("--host", default="127.0.0.1", help="where tocsin listens for StatsD")
    render.add_argument("--port", type=int, default=9125)
    given = parser.parse_args(arguments)
    json.dump(_files(given.sites, given.server, given.host, given.port), sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 0


def _files(sites: Sequence[str], server: str, host: str, port: int) -> dict[str, Any]:
    files: dict[str, Any] = {}
    for site in (server, *sites):
        is_server = site == server
        resources = site_resources(site, host=host, port=port, is_server=is_server)
        files[f"{site}/local/resources.json"] = resources
        job = "config_fed_server.json" if is_server else "config_fed_client.json"
        files[f"app_{site}/config/{job}"] = {"components": job_components(site, is_server=is_server)}
    return files


if __name__ == "__main__":
    sys.exit(main())
