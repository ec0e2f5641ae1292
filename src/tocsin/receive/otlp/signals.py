"""The kinds of requests that OTLP knows, and their messages."""

from __future__ import annotations

from enum import Enum
from typing import Any

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace


class Signal(Enum):
    """One kind of request: its messages, what it holds, and how an answer counts what was not taken."""

    METRICS = (
        metrics.ExportMetricsServiceRequest,
        metrics.ExportMetricsServiceResponse,
        "data_point",
        ("resource_metrics", "scope_metrics", "metrics"),
    )
    LOGS = (
        logs.ExportLogsServiceRequest,
        logs.ExportLogsServiceResponse,
        "log_record",
        ("resource_logs", "scope_logs", "log_records"),
    )
    TRACES = (
        trace.ExportTraceServiceRequest,
        trace.ExportTraceServiceResponse,
        "span",
        ("resource_spans", "scope_spans", "spans"),
    )

    def __init__(self, request: Any, response: Any, record: str, path: tuple[str, str, str]) -> None:
        self.request = request
        self.response = response
        self.record = record
        self.path = path

    def record_count(self, message: Any) -> int:
        """How many records a request holds."""
        resources, scopes, records = self.path
        return sum(
            len(getattr(scope, records))
            for resource in getattr(message, resources)
            for scope in getattr(resource, scopes)
        )
