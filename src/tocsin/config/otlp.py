"""The ``otlp`` section: how names and attributes of OpenTelemetry become those of series.

Source: prometheus.io/docs/prometheus/latest/configuration/configuration. Keys are Prometheus'.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from tocsin.config.model import ConfigModel


class OtlpConfig(ConfigModel):
    """What of the translation can be chosen; the defaults are Prometheus', but that scopes become labels."""

    translation_strategy: Literal[
        "UnderscoreEscapingWithSuffixes",
        "UnderscoreEscapingWithoutSuffixes",
        "NoUTF8EscapingWithSuffixes",
        "NoTranslation",
    ] = "UnderscoreEscapingWithSuffixes"
    promote_resource_attributes: tuple[str, ...] = ()
    promote_all_resource_attributes: bool = False
    ignore_resource_attributes: tuple[str, ...] = ()
    keep_identifying_resource_attributes: bool = False
    promote_scope_metadata: bool = True
    label_name_underscore_sanitization: bool = True
    label_name_preserve_multiple_underscores: bool = True

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.promote_all_resource_attributes and self.promote_resource_attributes:
            raise ValueError(
                "promote_all_resource_attributes and promote_resource_attributes exclude each other"
            )
        if self.ignore_resource_attributes and not self.promote_all_resource_attributes:
            raise ValueError("ignore_resource_attributes needs promote_all_resource_attributes: true")
        return self
