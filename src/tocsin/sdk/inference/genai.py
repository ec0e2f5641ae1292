"""OpenTelemetry's names for generative AI, as Prometheus translates them, beside our own.

Source: github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai/gen-ai-metrics.md. They are marked
there as in development.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tocsin.sdk.readings import Reading

ALIASES: Final = {
    "inference_request_duration_seconds": "gen_ai_server_request_duration_seconds",
    "inference_time_to_first_token_seconds": "gen_ai_server_time_to_first_token_seconds",
    "inference_time_per_output_token_seconds": "gen_ai_server_time_per_output_token_seconds",
}
TOKEN_USAGE: Final = "gen_ai_client_token_usage"  # noqa: S105 - tokens of another kind
TOKEN_TYPE: Final = "gen_ai_token_type"  # noqa: S105

_PARTS: Final = ("_bucket", "_sum", "_count")
_NAMES: Final = {ours + part: theirs + part for ours, theirs in ALIASES.items() for part in _PARTS}
_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9_]")


def attributes_of(given: bool | Mapping[str, str], model: str) -> dict[str, str]:  # noqa: FBT001 - as given
    """The labels of their series: the operation, the model, and what is given under OpenTelemetry's names.

    >>> attributes_of({"gen_ai.operation.name": "embeddings"}, "e5")
    {'gen_ai_operation_name': 'embeddings', 'gen_ai_request_model': 'e5'}
    """
    known = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model}
    known.update({} if isinstance(given, bool) else given)
    return {_FOREIGN.sub("_", str(name)): str(value) for name, value in known.items()}


def aliases(readings: Iterable[Reading], attributes: tuple[tuple[str, str], ...]) -> Iterator[Reading]:
    """The same values under their names."""
    for name, value, own in readings:
        if name in _NAMES:
            yield Reading(_NAMES[name], value, (*attributes, *own))
