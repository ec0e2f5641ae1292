"""One rule of ``relabel_configs`` and ``metric_relabel_configs``."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self

from pydantic import Field, field_validator, model_validator

from tocsin.config.model import ConfigModel
from tocsin.model.regex import checked_regex


class RelabelAction(StrEnum):
    """What a rule does."""

    REPLACE = "replace"
    KEEP = "keep"
    DROP = "drop"
    KEEP_EQUAL = "keepequal"
    DROP_EQUAL = "dropequal"
    HASHMOD = "hashmod"
    LABEL_MAP = "labelmap"
    LABEL_DROP = "labeldrop"
    LABEL_KEEP = "labelkeep"
    LOWERCASE = "lowercase"
    UPPERCASE = "uppercase"


_NEED_TARGET: Final = frozenset(
    {
        RelabelAction.REPLACE,
        RelabelAction.HASHMOD,
        RelabelAction.LOWERCASE,
        RelabelAction.UPPERCASE,
        RelabelAction.KEEP_EQUAL,
        RelabelAction.DROP_EQUAL,
    }
)
_ONLY_KEYS: Final = {
    RelabelAction.LABEL_DROP: frozenset({"regex"}),
    RelabelAction.LABEL_KEEP: frozenset({"regex"}),
    RelabelAction.KEEP_EQUAL: frozenset({"source_labels", "target_label"}),
    RelabelAction.DROP_EQUAL: frozenset({"source_labels", "target_label"}),
}


class RelabelConfig(ConfigModel):
    """A relabelling rule with Prometheus' keys and defaults."""

    source_labels: tuple[str, ...] = ()
    separator: str = ";"
    regex: str = "(.*)"
    modulus: int = Field(default=0, ge=0)
    target_label: str = ""
    replacement: str = "$1"
    action: RelabelAction = RelabelAction.REPLACE

    @field_validator("action", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("regex")
    @classmethod
    def _checked(cls, value: str) -> str:
        return checked_regex(value)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.action in _NEED_TARGET and not self.target_label:
            raise ValueError(f"the relabel action {self.action} requires a target_label")
        if self.action is RelabelAction.HASHMOD and not self.modulus:
            raise ValueError("the relabel action hashmod requires a modulus above 0")
        if self.action is RelabelAction.LABEL_MAP and not self.replacement:
            raise ValueError("the relabel action labelmap requires a replacement")
        self._check_other_keys()
        return self

    def _check_other_keys(self) -> None:
        allowed = _ONLY_KEYS.get(self.action)
        if allowed is None:
            return
        for name, field in type(self).model_fields.items():
            if name not in allowed | {"action"} and getattr(self, name) != field.default:
                raise ValueError(
                    f"the relabel action {self.action} takes only {' and '.join(sorted(allowed))}"
                )
