"""Flower from outside: nodes and runs of a SuperLink, from its Control API.

``python -m tocsin.integrations.flower_watch --superlink 127.0.0.1:8000`` serves them on 127.0.0.1:9102, where
a tocsin on this machine finds them; no app has to be changed. It also sees what a ServerApp cannot tell: that
its run was stopped. For flwr 1.24 and newer: the Control API speaks gRPC until 1.36, and HTTP since.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tocsin.sdk.endpoint import Endpoint
from tocsin.sdk.guard import Guard
from tocsin.sdk.training import Status

MOST_RUNS: Final = 20
"""So many of the newest runs have series of their own."""

_HTTP_SINCE: Final = (1, 37)

NODE_STATUSES: Final = ("registered", "online", "offline", "unregistered")

_PER_RUN: Final = {
    "sent_bytes": ("bytes_sent", "Bytes that the run's messages were sent in."),
    "received_bytes": ("bytes_recv", "Bytes that the run's answers came in."),
    "clientapp_seconds": ("clientapp_runtime", "How long the run's ClientApps have worked."),
}


class SuperLink(Collector):
    """``flower_…``: asked for at each scrape, which takes some 20 ms.

    ``ask`` returns the nodes and the runs as Flower's protobuf messages. While it fails,
    ``flower_superlink_up`` is 0 and there is nothing else.
    """

    def __init__(self, ask: Callable[[], tuple[Sequence[Any], Sequence[Any]]]) -> None:
        self._ask = ask
        self._guard = Guard("Flower SuperLink")

    def describe(self) -> Iterator[Metric]:
        """Nothing, so that registering asks nobody."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """One family for each series."""
        answer: tuple[Sequence[Any], Sequence[Any]] | None = None
        with self._guard.around("ask", "the SuperLink does not answer"):
            answer = self._ask()
        up = float(answer is not None)
        yield GaugeMetricFamily("flower_superlink_up", "Whether the SuperLink answers.", value=up)
        if answer is not None:
            nodes, runs = answer
            yield _counted("flower_nodes", "Nodes by status.", [node.status for node in nodes], NODE_STATUSES)
            yield _counted("flower_runs", "Runs by status.", [_status_text(run) for run in runs], ())
            yield from _newest(sorted(runs, key=lambda run: str(run.pending_at))[-MOST_RUNS:])


def _counted(name: str, text: str, found: Sequence[str], expected: Sequence[str]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=["status"])
    counts = {**dict.fromkeys(expected, 0), **Counter(found)}
    for status, count in counts.items():
        family.add_metric([status], count)
    return family


def _newest(runs: Sequence[Any]) -> Iterator[Metric]:
    text = "Where the run stands: 0 pending, 1 running, 2 complete, 3 failed or stopped."
    status = GaugeMetricFamily("flower_run_status", text, labels=["run"])
    for run in runs:
        status.add_metric([str(run.run_id)], _status(run))
    yield status
    for name, (attribute, text) in _PER_RUN.items():
        family = CounterMetricFamily(f"flower_run_{name}", text, labels=["run"])
        for run in runs:
            # An older Flower does not count them.
            if (value := getattr(run, attribute, None)) is not None:
                family.add_metric([str(run.run_id)], value)
        yield family


def _status_text(run: Any) -> str:
    return ":".join(part for part in (run.status.status, run.status.sub_status) if part)


def _status(run: Any) -> Status:
    match run.status.status:
        case "pending":
            return Status.IDLE
        case "finished":
            return Status.COMPLETE if run.status.sub_status == "completed" else Status.FAILED
        case _:
            return Status.RUNNING


def control_api(address: str, root_certificates: bytes | None) -> Callable[[], Any]:
    """A function that asks the SuperLink at ``host:port``, by plain HTTP where there are no certificates."""
    from flwr.proto.control_pb2 import ListNodesRequest, ListRunsRequest  # noqa: PLC0415

    connect = _http_client if _flower_version() >= _HTTP_SINCE else _grpc_client
    client = connect(address, root_certificates)

    def ask() -> tuple[list[Any], list[Any]]:
        nodes = client.ListNodes(ListNodesRequest()).nodes_info
        runs = client.ListRuns(ListRunsRequest()).run_dict
        return list(nodes), list(runs.values())

    return ask


def _http_client(address: str, root_certificates: bytes | None) -> Any:
    from flwr.supercore.control.control_http_client import ControlHttpClient  # noqa: PLC0415

    return ControlHttpClient.from_server_address(
        address, insecure=root_certificates is None, root_certificates=root_certificates, interceptors=[]
    )


def _grpc_client(address: str, root_certificates: bytes | None) -> Any:
    import grpc  # noqa: PLC0415
    from flwr.proto.control_pb2_grpc import ControlStub  # noqa: PLC0415

    options = [("grpc.max_receive_message_length", -1)]
    if root_certificates is None:
        return ControlStub(grpc.insecure_channel(address, options))
    credentials = grpc.ssl_channel_credentials(root_certificates)
    return ControlStub(grpc.secure_channel(address, credentials, options))


def _flower_version() -> tuple[int, ...]:
    return tuple(int(part) for part in version("flwr").split(".")[:2])


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tocsin.integrations.flower_watch")
    parser.add_argument("--superlink", default="127.0.0.1:8000", metavar="HOST:PORT")
    parser.add_argument("--port", type=int, default=9102, help="where to serve /metrics, on 127.0.0.1")
    parser.add_argument("--root-certificates", type=Path, help="for a SuperLink with TLS")
    given = parser.parse_args(arguments)
    certificates = given.root_certificates.read_bytes() if given.root_certificates else None
    registry = CollectorRegistry()
    registry.register(SuperLink(control_api(given.superlink, certificates)))
    ending = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())
    endpoint = Endpoint(given.port, registry, "flower")
    ending.wait()
    endpoint.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
