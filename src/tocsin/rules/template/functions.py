"""The functions that Prometheus adds to Go's templates (prometheus/template)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import quote_plus, urlsplit

from tocsin.gotemplate.builtins import BUILTINS
from tocsin.gotemplate.errors import TemplateError
from tocsin.gotemplate.signature import Signature
from tocsin.gotemplate.values import Record, Value
from tocsin.model import Labels, parse_duration_ms
from tocsin.model.regex import Pattern, compile_regex, expand
from tocsin.rules.template.humanize import (
    go_time,
    graph_link,
    humanize,
    humanize_1024,
    humanize_duration,
    humanize_percentage,
    humanize_timestamp,
    to_float,
)

QueryFunction: TypeAlias = Callable[[str, int], Sequence[tuple[Labels, float]]]
"""Answers a PromQL query at a time in milliseconds with a vector; raises TocsinError."""

_HOST_PORT: Final = re.compile(r"(?:\[(?P<ip>[^\]]*)\]|(?P<host>[^:\[\]]*)):(?P<port>[^:]*)")
_WORD_START: Final = re.compile(r"(?<!\w)\w")


@dataclass(frozen=True, slots=True)
class Context:
    """What a template can ask for beside its own alert: the store at a time, and who we are."""

    query: QueryFunction
    at_ms: int
    external_url: str = ""
    external_labels: Labels = field(default_factory=Labels)


def functions_for(context: Context) -> Mapping[str, Signature]:
    """All functions, those that ask the store bound to the context."""

    def query(expression: str) -> Value:
        return [sample_record(labels, value) for labels, value in context.query(expression, context.at_ms)]

    return {
        **FUNCTIONS,
        "query": Signature(query, ("string",)),
        "now": Signature(lambda: context.at_ms / 1000),
        "externalURL": Signature(lambda: context.external_url),
        "pathPrefix": Signature(lambda: urlsplit(context.external_url).path),
    }


def sample_record(labels: Labels, value: float) -> Record:
    """A sample as templates see it."""
    return Record("template.sample", {"Labels": dict(labels), "Value": value})


def _first(samples: Sequence[Value]) -> Value:
    if not samples:
        raise TemplateError("first() called on vector with no elements")
    return samples[0]


def _label_of(sample: Record, name: str) -> str:
    labels = sample.fields["Labels"]
    return str(labels.get(name, "")) if isinstance(labels, Mapping) else ""


def _sort_by_label(name: str, samples: Sequence[Value]) -> Value:
    records = [sample for sample in samples if isinstance(sample, Record)]
    return sorted(records, key=lambda record: _label_of(record, name))


def _arguments(*values: Value) -> Value:
    return {f"arg{index}": value for index, value in enumerate(values)}


def _compile(pattern: str) -> Pattern:
    try:
        return compile_regex(pattern, dot_takes_newlines=False)
    except ValueError as error:
        raise TemplateError(str(error)) from error


def _replace_all(pattern: str, replacement: str, text: str) -> str:
    return _compile(pattern).sub(lambda match: expand(replacement, match), text)


def _strip_port(host_port: str) -> str:
    match = _HOST_PORT.fullmatch(host_port)
    return (match["ip"] or match["host"] or "") if match else host_port


def _strip_domain(host_port: str) -> str:
    match = _HOST_PORT.fullmatch(host_port)
    host = _strip_port(host_port)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        port = f":{match['port']}" if match and match["port"] else ""
        return host.partition(".")[0] + port
    return host_port


def _duration_s(text: str) -> float:
    try:
        return parse_duration_ms(text) / 1000
    except ValueError as error:
        raise TemplateError(str(error)) from error


FUNCTIONS: Final[Mapping[str, Signature]] = {
    **BUILTINS,
    "args": Signature(_arguments, ("any",), is_variadic=True),
    "first": Signature(_first, ("slice",)),
    "graphLink": Signature(lambda expression: graph_link(expression, as_table=False), ("string",)),
    "humanize": Signature(humanize, ("any",)),
    "humanize1024": Signature(humanize_1024, ("any",)),
    "humanizeDuration": Signature(humanize_duration, ("any",)),
    "humanizePercentage": Signature(humanize_percentage, ("any",)),
    "humanizeTimestamp": Signature(humanize_timestamp, ("any",)),
    "label": Signature(lambda name, sample: _label_of(sample, name), ("string", "struct")),
    "match": Signature(lambda pattern, text: bool(_compile(pattern).search(text)), ("string", "string")),
    "parseDuration": Signature(_duration_s, ("string",)),
    "reReplaceAll": Signature(_replace_all, ("string", "string", "string")),
    "safeHtml": Signature(lambda text: text, ("string",)),
    "sortByLabel": Signature(_sort_by_label, ("string", "slice")),
    "stripDomain": Signature(_strip_domain, ("string",)),
    "stripPort": Signature(_strip_port, ("string",)),
    "strvalue": Signature(lambda sample: _label_of(sample, "__value__"), ("struct",)),
    "tableLink": Signature(lambda expression: graph_link(expression, as_table=True), ("string",)),
    "title": Signature(lambda text: _WORD_START.sub(lambda m: m.group().upper(), text), ("string",)),
    "toLower": Signature(lambda text: text.lower(), ("string",)),
    "toTime": Signature(lambda value: go_time(to_float(value)), ("any",)),
    "toUpper": Signature(lambda text: text.upper(), ("string",)),
    "urlQueryEscape": Signature(quote_plus, ("string",)),
    "value": Signature(lambda sample: sample.fields["Value"], ("struct",)),
}
