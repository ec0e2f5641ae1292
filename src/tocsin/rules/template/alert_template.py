"""Templates of an alerting rule's labels and annotations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.errors import TocsinError
from tocsin.gotemplate.errors import TemplateError
from tocsin.gotemplate.evaluator import SHORT_CIRCUITS, expand
from tocsin.gotemplate.parser import Template, parse_template
from tocsin.gotemplate.signature import Signature
from tocsin.gotemplate.values import Record, Value
from tocsin.model import Labels
from tocsin.rules.template.functions import FUNCTIONS, Context, functions_for

_VARIABLES: Final = ("$labels", "$externalLabels", "$externalURL", "$value")
_OF_THE_CONTEXT: Final = ("query", "now", "externalURL", "pathPrefix")


@dataclass(frozen=True, slots=True)
class AlertTemplate:
    """Text with Go's template language as Prometheus extends it.

    >>> AlertTemplate.parse("up for {{ $value | humanizeDuration }}").text
    'up for {{ $value | humanizeDuration }}'
    """

    text: str
    template: Template

    @classmethod
    def parse(cls, text: str) -> AlertTemplate:
        """Read a template; raises TemplateError when it is malformed."""
        known = {*FUNCTIONS, *_OF_THE_CONTEXT, *SHORT_CIRCUITS}
        return cls(text, parse_template(text, known, _VARIABLES))


class AlertExpander:
    """Fills in templates for the alerts of one evaluation."""

    def __init__(self, context: Context) -> None:
        self._functions: Mapping[str, Signature] = functions_for(context)
        self._external: dict[str, Value] = {
            "ExternalLabels": dict(context.external_labels),
            "ExternalURL": context.external_url,
        }

    def expand(self, template: AlertTemplate, labels: Labels, value: float) -> str:
        """Fill one template in; raises TemplateError when it cannot be."""
        named: dict[str, Value] = {"Labels": dict(labels), **self._external, "Value": value}
        variables = dict(zip(_VARIABLES, (named["Labels"], *self._external.values(), value), strict=True))
        try:
            return expand(template.template, Record("alert", named), self._functions, variables)
        except TemplateError:
            raise
        except TocsinError as error:
            raise TemplateError(str(error)) from error
