"""OpenTelemetry's names for generative AI."""

from __future__ import annotations

import pytest

from tests.sdk.inference.helpers import said, values
from tocsin.receive.otlp.names import MetricKind, MetricNamer
from tocsin.sdk.inference.genai import ALIASES, TOKEN_USAGE
from tocsin.sdk.inference.tally import (
    FIRST_TOKEN_LIMITS_S,
    LATENCY_LIMITS_S,
    PER_TOKEN_LIMITS_S,
    TOKEN_LIMITS,
)

NAMES = {
    "gen_ai.server.request.duration": "s",
    "gen_ai.server.time_to_first_token": "s",
    "gen_ai.server.time_per_output_token": "s",
    "gen_ai.client.token.usage": "{token}",
}

# docs/gen-ai/gen-ai-metrics.md of open-telemetry/semantic-conventions-genai.
LIMITS = {
    LATENCY_LIMITS_S: (
        0.01,
        0.02,
        0.04,
        0.08,
        0.16,
        0.32,
        0.64,
        1.28,
        2.56,
        5.12,
        10.24,
        20.48,
        40.96,
        81.92,
    ),
    FIRST_TOKEN_LIMITS_S: (
        *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5),
        *(0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    ),
    PER_TOKEN_LIMITS_S: (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
    TOKEN_LIMITS: (
        *(1, 4, 16, 64, 256, 1024, 4096, 16384, 65536),
        *(262144, 1048576, 4194304, 16777216, 67108864),
    ),
}


def test_names_are_those_that_prometheus_gives_theirs():
    translated = {MetricNamer().name(name, unit, MetricKind.HISTOGRAM) for name, unit in NAMES.items()}
    assert translated == {*ALIASES.values(), TOKEN_USAGE}


@pytest.mark.parametrize("ours", LIMITS, ids=len)
def test_their_limits_of_buckets_are_among_ours(ours):
    assert set(LIMITS[ours]) <= set(ours)


def test_without_being_asked_for_they_are_not_there(monitor):
    monitor.record(0.5, tokens=10, first_token_s=0.1)
    assert not [name for name, _ in said(monitor) if name.startswith("gen_ai")]


@pytest.mark.parametrize(
    ("given", "attributes"),
    [
        (True, "chat/llama"),
        (
            {"gen_ai.operation.name": "embeddings", "gen_ai.provider.name": "openai"},
            "embeddings/llama/openai",
        ),
    ],
    ids=["by default", "given"],
)
def test_they_are_the_same_histograms(make_monitor, given, attributes):
    monitor = make_monitor("llama", gen_ai=given)
    monitor.record(0.5, tokens=10, input_tokens=300, first_token_s=0.05)
    monitor.record(0.7, tokens=20, route="/chat")
    for ours, theirs in ALIASES.items():
        for part in ("_sum", "_count", "_bucket"):
            found = values(monitor, theirs + part)
            assert found
            assert found == {
                f"{attributes}/{labels}".rstrip("/"): value
                for labels, value in values(monitor, ours + part).items()
            }
    usage = values(monitor, f"{TOKEN_USAGE}_sum")
    assert usage == {
        f"{attributes}/input": 300,
        f"{attributes}/output": 10,
        f"{attributes}//chat/output": 20,
    }
