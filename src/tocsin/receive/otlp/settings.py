"""What of the translation can be chosen; the names are those of ``otlp`` in a prometheus.yml."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tocsin.receive.otlp.names import LabelNamer, MetricNamer


class TranslationStrategy(StrEnum):
    """How names are translated; the first is Prometheus' default."""

    UNDERSCORE_ESCAPING_WITH_SUFFIXES = "UnderscoreEscapingWithSuffixes"
    UNDERSCORE_ESCAPING_WITHOUT_SUFFIXES = "UnderscoreEscapingWithoutSuffixes"
    NO_UTF8_ESCAPING_WITH_SUFFIXES = "NoUTF8EscapingWithSuffixes"
    NO_TRANSLATION = "NoTranslation"

    @property
    def utf8_allowed(self) -> bool:
        """Whether names keep characters that Prometheus once did not allow."""
        return self in {
            TranslationStrategy.NO_UTF8_ESCAPING_WITH_SUFFIXES,
            TranslationStrategy.NO_TRANSLATION,
        }

    @property
    def with_suffixes(self) -> bool:
        """Whether names end in unit and type."""
        return self in {
            TranslationStrategy.UNDERSCORE_ESCAPING_WITH_SUFFIXES,
            TranslationStrategy.NO_UTF8_ESCAPING_WITH_SUFFIXES,
        }


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """Settings of the receiver; the defaults are Prometheus', but that scopes become labels."""

    translation_strategy: TranslationStrategy = TranslationStrategy.UNDERSCORE_ESCAPING_WITH_SUFFIXES
    namespace: str = ""
    promote_resource_attributes: tuple[str, ...] = ()
    promote_all_resource_attributes: bool = False
    ignore_resource_attributes: tuple[str, ...] = ()
    keep_identifying_resource_attributes: bool = False
    promote_scope_metadata: bool = True
    label_name_underscore_sanitization: bool = True
    label_name_preserve_multiple_underscores: bool = True

    def metric_namer(self) -> MetricNamer:
        """What translates names of metrics."""
        strategy = self.translation_strategy
        return MetricNamer(self.namespace, strategy.utf8_allowed, strategy.with_suffixes)

    def label_namer(self) -> LabelNamer:
        """What translates names of attributes."""
        return LabelNamer(
            utf8_allowed=self.translation_strategy.utf8_allowed,
            prefix_leading_underscore=self.label_name_underscore_sanitization,
            keep_multiple_underscores=self.label_name_preserve_multiple_underscores,
        )

    def promotes(self, attribute: str) -> bool:
        """Whether an attribute of a resource becomes a label of all its series."""
        if self.promote_all_resource_attributes:
            return attribute not in self.ignore_resource_attributes
        return attribute in self.promote_resource_attributes
