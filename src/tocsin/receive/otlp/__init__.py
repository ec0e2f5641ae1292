"""OTLP: metrics that OpenTelemetry's SDKs and collectors push over HTTP."""

from tocsin.receive.otlp.answer import Answer, encode_failure, encode_received
from tocsin.receive.otlp.body import unsupported_reason
from tocsin.receive.otlp.decoder import OtlpDecoder
from tocsin.receive.otlp.names import LabelNamer, MetricKind, MetricNamer
from tocsin.receive.otlp.received import ReceivedExport
from tocsin.receive.otlp.settings import OtlpSettings, TranslationStrategy
from tocsin.receive.otlp.signals import Signal
from tocsin.receive.otlp.units import unit_name

__all__ = [
    "Answer",
    "LabelNamer",
    "MetricKind",
    "MetricNamer",
    "OtlpDecoder",
    "OtlpSettings",
    "ReceivedExport",
    "Signal",
    "TranslationStrategy",
    "encode_failure",
    "encode_received",
    "unit_name",
    "unsupported_reason",
]
