"""The keys of a Slack receiver."""

from __future__ import annotations

from typing import Final

from pydantic import Field, SecretStr, model_validator

from tocsin.config.alertmanager.channel import HttpChannelConfig
from tocsin.config.alertmanager.http import HttpUrl, SecretUrl
from tocsin.config.alertmanager.values import Secret, SecretFile, Text, only_one
from tocsin.config.go_duration import GoDurationMs
from tocsin.config.http import Authorization
from tocsin.config.model import ConfigModel

SLACK_APP_URL: Final = "https://slack.com/api/chat.postMessage"
"""Where messages of Slack apps are posted to, with a bot token."""


class SlackConfirmationConfig(ConfigModel):
    """What is asked before an action is taken."""

    text: Text
    title: str = ""
    ok_text: str = ""
    dismiss_text: str = ""


class SlackActionConfig(ConfigModel):
    """A button under a message; with a ``url`` it is a link, otherwise it has a ``name``."""

    type: Text
    text: Text
    url: str = ""
    style: str = ""
    name: str = ""
    value: str = ""
    confirm: SlackConfirmationConfig | None = None

    @model_validator(mode="after")
    def _does_something(self) -> SlackActionConfig:
        if not self.url and not self.name:
            raise ValueError("an action needs a url or a name")
        return self


class SlackFieldConfig(ConfigModel):
    """A title and a value in a message; ``short`` None means the channel's ``short_fields``."""

    title: Text
    value: Text
    short: bool | None = None


class SlackConfig(HttpChannelConfig):
    """An incoming webhook (``api_url``), or a bot (``app_token``) that posts to ``app_url``.

    In a loaded file ``api_url`` or ``api_url_file`` is where to post, and a bot's token stands in
    ``http_config.authorization``.
    """

    send_resolved: bool = False
    api_url: SecretUrl | None = None
    api_url_file: SecretFile = None
    app_token: Secret = None
    app_token_file: SecretFile = None
    app_url: HttpUrl = SLACK_APP_URL
    channel: str = ""
    username: str = '{{ template "slack.default.username" . }}'
    color: str = '{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}'
    title: str = '{{ template "slack.default.title" . }}'
    title_link: str = '{{ template "slack.default.titlelink" . }}'
    pretext: str = '{{ template "slack.default.pretext" . }}'
    text: str = '{{ template "slack.default.text" . }}'
    message_text: str = ""
    fields: tuple[SlackFieldConfig, ...] = ()
    short_fields: bool = False
    footer: str = '{{ template "slack.default.footer" . }}'
    fallback: str = '{{ template "slack.default.fallback" . }}'
    callback_id: str = '{{ template "slack.default.callbackid" . }}'
    icon_emoji: str = '{{ template "slack.default.iconemoji" . }}'
    icon_url: str = '{{ template "slack.default.iconurl" . }}'
    image_url: str = ""
    thumb_url: str = ""
    link_names: bool = False
    mrkdwn_in: tuple[str, ...] = Field(default=("fallback", "pretext", "text"))
    actions: tuple[SlackActionConfig, ...] = ()
    update_message: bool = False
    timeout: GoDurationMs = 0

    @model_validator(mode="after")
    def _is_one_way(self) -> SlackConfig:
        only_one(
            api_url=self.api_url,
            api_url_file=self.api_url_file,
            app_token=self.app_token,
            app_token_file=self.app_token_file,
        )
        return self


def complete_slack(config: SlackConfig) -> SlackConfig:
    """Where to post, and as whom; raises ValueError when neither is known."""
    if config.app_token or config.app_token_file:
        config = _with_token(config)
    elif not config.api_url and not config.api_url_file:
        raise ValueError(
            "no api_url and no app_token: set one here, or slack_api_url or slack_app_token in global"
        )
    url = config.api_url.get_secret_value() if config.api_url else ""
    if config.update_message and url not in {SLACK_APP_URL, config.app_url}:
        raise ValueError(f"update_message needs an app_token, or {SLACK_APP_URL} as api_url")
    return config


def _with_token(config: SlackConfig) -> SlackConfig:
    if config.http_config.authorization is not None:
        raise ValueError("authorization in http_config cannot stand beside an app_token")
    authorization = Authorization(
        credentials=config.app_token or SecretStr(""), credentials_file=config.app_token_file
    )
    http_config = config.http_config.model_copy(update={"authorization": authorization})
    return config.model_copy(
        update={"api_url": SecretStr(config.app_url), "api_url_file": None, "http_config": http_config}
    )
