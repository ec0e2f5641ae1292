"""Labels of series: from the attributes of a resource, a scope and a data point.

Source: Prometheus, storage/remote/otlptranslator;
opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from tocsin.errors import ParseError
from tocsin.model import METRIC_NAME, Labels
from tocsin.receive.otlp.attributes import attribute_text, attribute_texts
from tocsin.receive.otlp.names import LabelNamer
from tocsin.receive.otlp.settings import OtlpSettings

TARGET_INFO: Final = "target_info"

_NAMESPACE: Final = "service.namespace"
_SERVICE: Final = "service.name"
_INSTANCE: Final = "service.instance.id"
_IDENTIFYING: Final = (_NAMESPACE, _SERVICE, _INSTANCE)

_SCOPE: Final = "otel_scope_"


def point_labels(
    attributes: Iterable[Any], promoted: Mapping[str, str], fixed: Mapping[str, str], namer: LabelNamer
) -> dict[str, str]:
    """The labels of a data point without its metric's name.

    Labels that are ``fixed`` win over attributes, and those over ``promoted`` ones. Raises ParseError when
    an attribute has no name that can be translated.
    """
    labels = translated(_pairs(attributes), namer)
    missing = {name: value for name, value in promoted.items() if not labels.get(name)}
    return {**labels, **missing, **fixed}


def identity_labels(resource: Any) -> dict[str, str]:
    """The labels ``job`` and ``instance`` of a resource, as far as it names its service."""
    texts = attribute_texts(resource.attributes)
    labels = {}
    if _SERVICE in texts:
        prefix = f"{texts[_NAMESPACE]}/" if _NAMESPACE in texts else ""
        labels["job"] = prefix + texts[_SERVICE]
    if _INSTANCE in texts:
        labels["instance"] = texts[_INSTANCE]
    return {name: value for name, value in labels.items() if value}


def promoted_labels(resource: Any, settings: OtlpSettings) -> dict[str, str]:
    """The attributes of a resource that become labels of all its series."""
    pairs = [pair for pair in _pairs(resource.attributes) if settings.promotes(pair[0])]
    namer, labels = settings.label_namer(), dict[str, str]()
    for name, value in sorted(pairs):
        labels.setdefault(namer.name(name), value)
    return labels


def scope_labels(scope: Any, schema_url: str, settings: OtlpSettings) -> dict[str, str]:
    """The labels that tell scopes apart; none for a scope without a name."""
    if not settings.promote_scope_metadata or not scope.name:
        return {}
    namer = settings.label_namer()
    labels = {namer.name(_SCOPE + name): value for name, value in _pairs(scope.attributes)}
    own = {"name": scope.name, "version": scope.version, "schema_url": schema_url}
    return {**labels, **{_SCOPE + name: value for name, value in own.items()}}


def target_info_labels(resource: Any, settings: OtlpSettings) -> Labels | None:
    """The series that holds the attributes of a resource; None when it has nothing to tell or no name.

    Raises ParseError when an attribute has no name that can be translated.
    """
    identity = identity_labels(resource)
    others = [pair for pair in _pairs(resource.attributes) if pair[0] not in _IDENTIFYING]
    if not identity or not others:
        return None
    shown = _pairs(resource.attributes) if settings.keep_identifying_resource_attributes else others
    labels = translated(shown, settings.label_namer())
    return Labels({**labels, **identity, METRIC_NAME: target_info_name(settings)})


def target_info_name(settings: OtlpSettings) -> str:
    """The name of the series that hold attributes of resources."""
    return f"{settings.namespace}_{TARGET_INFO}" if settings.namespace else TARGET_INFO


def translated(pairs: Collection[tuple[str, str]], namer: LabelNamer) -> dict[str, str]:
    """Translate names; values whose names become the same are joined with semicolons, in the names' order."""
    labels: dict[str, str] = {}
    for key, value in sorted(pairs):
        name = _translated_name(key, namer)
        labels[name] = f"{labels[name]};{value}" if labels.get(name) else value
    return labels


def _translated_name(key: str, namer: LabelNamer) -> str:
    try:
        return namer.name(key)
    except ParseError as error:
        raise ParseError(f'the attribute "{key}" cannot become a label: {error}') from error


def _pairs(attributes: Iterable[Any]) -> list[tuple[str, str]]:
    """Names and values as text; the name of the metric is none of its attributes."""
    pairs = [(each.key, attribute_text(each.value)) for each in attributes]
    return [pair for pair in pairs if pair[0] != METRIC_NAME]
