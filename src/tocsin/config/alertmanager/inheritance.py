"""What receivers take from the ``global`` section, as Alertmanager does when it loads a file.

This is done with the text of the file, before it is read as models, so that whatever is still missing
is reported at the receiver that misses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

_Keys: TypeAlias = Mapping[str, str]

_INHERITED: Final[Mapping[str, tuple[_Keys, ...]]] = {
    "email_configs": (
        {"from": "smtp_from"},
        {"hello": "smtp_hello"},
        {"smarthost": "smtp_smarthost"},
        {"auth_username": "smtp_auth_username"},
        {"auth_password": "smtp_auth_password", "auth_password_file": "smtp_auth_password_file"},
        {"auth_secret": "smtp_auth_secret", "auth_secret_file": "smtp_auth_secret_file"},
        {"auth_identity": "smtp_auth_identity"},
        {"require_tls": "smtp_require_tls"},
        {"tls_config": "smtp_tls_config"},
        {"force_implicit_tls": "smtp_force_implicit_tls"},
    ),
    "opsgenie_configs": (
        {"api_url": "opsgenie_api_url"},
        {"api_key": "opsgenie_api_key", "api_key_file": "opsgenie_api_key_file"},
    ),
    "pagerduty_configs": ({"url": "pagerduty_url"},),
    "slack_configs": ({"app_url": "slack_app_url"},),
    "telegram_configs": (
        {"api_url": "telegram_api_url"},
        {"bot_token": "telegram_bot_token", "bot_token_file": "telegram_bot_token_file"},
    ),
    "victorops_configs": (
        {"api_url": "victorops_api_url"},
        {"api_key": "victorops_api_key", "api_key_file": "victorops_api_key_file"},
    ),
    "webex_configs": ({"api_url": "webex_api_url"},),
    "wechat_configs": (
        {"api_url": "wechat_api_url"},
        {"api_secret": "wechat_api_secret", "api_secret_file": "wechat_api_secret_file"},
        {"corp_id": "wechat_api_corp_id"},
    ),
}
"""By kind of channel: keys and where they stand in ``global``; what stands together is taken together."""

_SLACK_TOKEN: Final[_Keys] = {"app_token": "slack_app_token", "app_token_file": "slack_app_token_file"}
_SLACK_URL: Final[_Keys] = {"api_url": "slack_api_url", "api_url_file": "slack_api_url_file"}

_NO_TEXT: Final = frozenset({"api_url", "app_url", "http_config", "require_tls", "tls_config", "url"})
"""Keys that cannot be empty, and are reported when they are."""

# Email is not sent over HTTP, Apprise makes its own requests, and Webex needs a token of its own.
_WITHOUT_HTTP: Final = frozenset({"email_configs", "apprise_configs", "webex_configs"})


def with_globals(data: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a file in which each receiver has what it takes from ``global``."""
    general, receivers = data.get("global") or {}, data.get("receivers")
    if not isinstance(general, dict) or not isinstance(receivers, list):
        return dict(data)
    return {**data, "receivers": [_receiver(receiver, general) for receiver in receivers]}


def _receiver(receiver: Any, general: Mapping[str, Any]) -> Any:
    if not isinstance(receiver, dict):
        return receiver
    return {
        kind: [_channel(kind, channel, general) for channel in channels]
        if isinstance(channels, list)
        else channels
        for kind, channels in receiver.items()
    }


def _channel(kind: str, channel: Any, general: Mapping[str, Any]) -> Any:
    if not isinstance(channel, dict):
        return channel
    taken = dict(channel)
    if kind.endswith("_configs") and kind not in _WITHOUT_HTTP:
        _take(taken, {"http_config": "http_config"}, general)
    for keys in _INHERITED.get(kind, ()):
        _take(taken, keys, general)
    if kind == "slack_configs":
        _take_slack(taken, channel, general)
    return taken


def _take(channel: dict[str, Any], keys: _Keys, general: Mapping[str, Any]) -> None:
    """Take what stands together, unless any of it has a value of its own; an empty text is none."""
    if all(key not in channel or (channel[key] == "" and key not in _NO_TEXT) for key in keys):
        channel.update({key: general[name] for key, name in keys.items() if name in general})


def _take_slack(taken: dict[str, Any], own: Mapping[str, Any], general: Mapping[str, Any]) -> None:
    """The token or the URL; a URL or an authorization of its own keeps a receiver from the token."""
    http_config = own.get("http_config")
    has_url = any(own.get(key) for key in _SLACK_URL)
    is_authorized = isinstance(http_config, dict) and any(
        http_config.get(key) for key in ("authorization", "bearer_token", "bearer_token_file")
    )
    if not has_url and not is_authorized:
        _take(taken, _SLACK_TOKEN, general)
    if not any(taken.get(key) for key in _SLACK_TOKEN):
        _take(taken, _SLACK_URL, general)
