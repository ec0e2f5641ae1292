"""The real client of OpenTelemetry against a server that decodes and answers as tocsin does."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

from tests.receive.otlp.exports import NOW_MS, samples
from tocsin.errors import ParseError
from tocsin.model import MetricMetadata, MetricType
from tocsin.receive.otlp import OtlpDecoder, encode_failure, encode_received

DELTAS = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        headers, server = self.headers, self.server
        body = self.rfile.read(int(headers["Content-Length"]))
        content_type, encoding = headers["Content-Type"], headers.get("Content-Encoding", "")
        try:
            received = server.decoder.decode_metrics(body, content_type, encoding, NOW_MS)
        except ParseError as error:
            status_code, answer = 400, encode_failure(400, str(error), content_type)
        else:
            server.received.append(received)
            status_code, answer = 200, encode_received(received, content_type)
        self.send_response(status_code)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.decoder, server.received = OtlpDecoder(), []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def provider_for(server):
    """Makes providers that export when told to; all are shut down at the end."""
    providers = []

    def make(views=(), **options):
        url = f"http://127.0.0.1:{server.server_port}/v1/metrics"
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(endpoint=url, **options), export_interval_millis=3_600_000
        )
        resource = Resource({"service.name": "train", "service.namespace": "lab", "host.name": "gpu-1"})
        provider = MeterProvider([reader], resource, views=views, shutdown_on_exit=False)
        providers.append(provider)
        return provider

    yield make
    for provider in providers:
        provider.shutdown()


def without_scope(found):
    return {
        name.replace('otel_scope_name="loop",otel_scope_version="1.2",', "").replace(
            ',otel_scope_name="loop",otel_scope_version="1.2"', ""
        ): value
        for name, value in found.items()
    }


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
@pytest.mark.parametrize("temporality", [{}, DELTAS], ids=["cumulative", "delta"])
def test_what_the_sdk_measures_arrives(server, provider_for, compression, temporality):
    provider = provider_for(compression=compression, preferred_temporality=temporality)
    meter = provider.get_meter("loop", "1.2")
    steps = meter.create_counter("train.steps", "{step}", "Steps done")
    seconds = meter.create_histogram("step.duration", "s", explicit_bucket_boundaries_advisory=[0.5, 1.0])
    loss = meter.create_gauge("train.loss", "1")
    for _ in range(2):
        steps.add(2, {"run.id": "r1"})
        seconds.record(0.75)
        loss.set(0.5)
        assert provider.force_flush()
    assert without_scope(samples(server.received[-1].batch)) == {
        'train_steps_total{job="lab/train",run_id="r1"}': 4.0,
        'train_loss_ratio{job="lab/train"}': 0.5,
        'step_duration_seconds_bucket{job="lab/train",le="0.5"}': 0.0,
        'step_duration_seconds_bucket{job="lab/train",le="1"}': 2.0,
        'step_duration_seconds_bucket{job="lab/train",le="+Inf"}': 2.0,
        'step_duration_seconds_count{job="lab/train"}': 2.0,
        'step_duration_seconds_sum{job="lab/train"}': 1.5,
        'target_info{host_name="gpu-1",job="lab/train"}': 1.0,
    }
    assert server.received[-1].metadata["train_steps_total"] == MetricMetadata(
        MetricType.COUNTER, "Steps done"
    )


def test_the_sdk_takes_an_answer_of_partial_success(server, provider_for):
    view = View(instrument_name="*", aggregation=ExponentialBucketHistogramAggregation())
    provider = provider_for(views=[view])
    provider.get_meter("loop").create_histogram("a").record(1.0)
    assert provider.force_flush()
    (received,) = server.received
    assert received.dropped == {"native_histogram": 1}
    assert [series.metric_name for series in received.batch.series] == ["target_info"]
