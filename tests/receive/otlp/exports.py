"""Export requests for tests, and the slow and obvious way to read them."""

from __future__ import annotations

import math
import struct

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tocsin.model import STALE_NAN, Labels
from tocsin.receive.otlp import LabelNamer, MetricKind, MetricNamer, OtlpDecoder

CUMULATIVE, DELTA = 2, 1
NOW_MS = 1_700_000_000_000
NOW_NS = NOW_MS * 1_000_000
PROTOBUF = "application/x-protobuf"


def attributes(values):
    """Attributes whose values are texts."""
    return [{"key": key, "value": {"string_value": value}} for key, value in values.items()]


def number(value=None, *, time_ns=NOW_NS, flags=0, **labels):
    content = {} if value is None else {"as_double": value}
    return {"time_unix_nano": time_ns, "flags": flags, "attributes": attributes(labels), **content}


def gauge(name, *points, unit="", description=""):
    return {"name": name, "unit": unit, "description": description, "gauge": {"data_points": points}}


def counter(name, *points, unit="", temporality=CUMULATIVE, is_monotonic=True):
    data = {
        "data_points": points,
        "aggregation_temporality": temporality,
        "is_monotonic": is_monotonic,
    }
    return {"name": name, "unit": unit, "sum": data}


def histogram(name, *points, temporality=CUMULATIVE):
    return {"name": name, "histogram": {"data_points": points, "aggregation_temporality": temporality}}


def buckets(counts, bounds, *, total=None, time_ns=NOW_NS, flags=0, **labels):
    content = {} if total is None else {"sum": total}
    return {
        "time_unix_nano": time_ns,
        "flags": flags,
        "count": sum(counts),
        "bucket_counts": counts,
        "explicit_bounds": bounds,
        "attributes": attributes(labels),
        **content,
    }


def export(*metrics, resource=None, scope=None):
    """One resource with one scope."""
    return ExportMetricsServiceRequest(
        resource_metrics=[
            {
                "resource": {"attributes": attributes(resource or {})},
                "scope_metrics": [{"scope": scope or {}, "metrics": metrics}],
            }
        ]
    )


def decode(request, decoder=None, now_ms=NOW_MS):
    decoder = decoder or OtlpDecoder()
    return decoder.decode_metrics(request.SerializeToString(), PROTOBUF, "", now_ms)


def rows(batch):
    """The samples with their values bit for bit, in any order; of two at the same time the later counts."""
    columns = zip(batch.series_index, batch.timestamps_ms.tolist(), batch.values, strict=True)
    found = {(str(batch.series[i]), timestamp_ms): struct.pack("<d", v) for i, timestamp_ms, v in columns}
    return sorted((*place, value) for place, value in found.items())


def samples(batch):
    """Values by series, of batches with one sample for each."""
    columns = zip(batch.series_index, batch.values.tolist(), strict=True)
    return {str(batch.series[i]): value for i, value in columns}


def slowly(request):
    """The samples of a request with texts for attributes and cumulative metrics, read one by one."""
    found = {}
    for resource_metrics in request.resource_metrics:
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                for series, timestamp_ms, value in _points(resource_metrics, scope_metrics, metric):
                    found[str(Labels(series)), timestamp_ms] = struct.pack("<d", value)
    return sorted((*place, value) for place, value in found.items())


def _points(resource_metrics, scope_metrics, metric):
    data = metric.WhichOneof("data")
    kind = {
        "gauge": MetricKind.GAUGE,
        "histogram": MetricKind.HISTOGRAM,
        "summary": MetricKind.SUMMARY,
        "sum": MetricKind.MONOTONIC_COUNTER if metric.sum.is_monotonic else MetricKind.NON_MONOTONIC_COUNTER,
    }[data]
    name = MetricNamer().name(metric.name, metric.unit, kind)
    for point in getattr(metric, data).data_points:
        labels = _labels(resource_metrics.resource, scope_metrics, point)
        timestamp_ms = point.time_unix_nano // 1_000_000 or NOW_MS
        for suffix, more, value in _values(data, point):
            stale = point.flags & 1
            yield {**labels, **more, "__name__": name + suffix}, timestamp_ms, STALE_NAN if stale else value


def _values(data, point):
    if data in {"gauge", "sum"}:
        return [("", {}, float(getattr(point, point.WhichOneof("value"))))]
    values = [("_count", {}, float(point.count))]
    if data == "summary":
        quantiles = [("", {"quantile": f"{q.quantile:g}"}, q.value) for q in point.quantile_values]
        return [*values, ("_sum", {}, point.sum), *quantiles]
    if point.HasField("sum"):
        values.append(("_sum", {}, point.sum))
    for index, bound in enumerate(point.explicit_bounds):
        if bound < math.inf:
            below = float(sum(point.bucket_counts[: index + 1]))
            values.append(("_bucket", {"le": f"{bound:g}"}, below))
    return [*values, ("_bucket", {"le": "+Inf"}, float(point.count))]


def _labels(resource, scope_metrics, point):
    namer = LabelNamer(prefix_leading_underscore=True, keep_multiple_underscores=True)
    labels = {}
    for attribute in sorted(point.attributes, key=lambda each: (each.key, each.value.string_value)):
        name, value = namer.name(attribute.key), attribute.value.string_value
        labels[name] = f"{labels[name]};{value}" if labels.get(name) else value
    known = {each.key: each.value.string_value for each in reversed(resource.attributes)}
    if "service.name" in known:
        job = [known["service.namespace"]] if "service.namespace" in known else []
        labels["job"] = "/".join([*job, known["service.name"]]) or labels.get("job", "")
    labels["instance"] = known.get("service.instance.id") or labels.get("instance", "")
    if scope_metrics.scope.name:
        labels["otel_scope_name"] = scope_metrics.scope.name
        labels["otel_scope_version"] = scope_metrics.scope.version
        labels["otel_scope_schema_url"] = scope_metrics.schema_url
    return labels
