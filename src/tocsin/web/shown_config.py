"""The configuration of alerting as text, without secrets."""

from __future__ import annotations

from typing import Any, Final

import yaml

from tocsin.config.alertmanager import AlertmanagerConfig

_HIDDEN: Final = "**********"
_SECRET: Final = "<secret>"  # noqa: S105 - it is none
"""What Alertmanager writes, and amtool reads, in the place of a secret."""


def shown_alertmanager_config(config: AlertmanagerConfig) -> str:
    """An alertmanager.yml that says what is in force."""
    content = config.model_dump(
        mode="json",
        by_alias=True,
        exclude_unset=True,
        exclude_none=True,
        # The former are among time_intervals, and the latter are the names again.
        exclude={"mute_time_intervals": True, "receivers": {"__all__": {"labels"}}},
    )
    return yaml.safe_dump(_secrets_named(content), sort_keys=False, allow_unicode=True)


def _secrets_named(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _secrets_named(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_secrets_named(value) for value in content]
    return _SECRET if content == _HIDDEN else content
