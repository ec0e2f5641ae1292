"""The keys of a WeChat receiver."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, model_validator

from tocsin.config.alertmanager.channel import HttpChannelConfig
from tocsin.config.alertmanager.http import FolderUrl
from tocsin.config.alertmanager.values import Secret, SecretFile, only_one

WECHAT_API_URL: Final = "https://qyapi.weixin.qq.com/cgi-bin/"
"""WeChat's own servers."""


def _text_when_empty(value: object) -> object:
    return "text" if value == "" else value


class WechatConfig(HttpChannelConfig):
    """An application of a corporation; in a loaded file secret and ``corp_id`` are always known."""

    send_resolved: bool = False
    api_secret: Secret = None
    api_secret_file: SecretFile = None
    corp_id: str = ""
    message: str = '{{ template "wechat.default.message" . }}'
    api_url: FolderUrl = WECHAT_API_URL
    to_user: str = '{{ template "wechat.default.to_user" . }}'
    to_party: str = '{{ template "wechat.default.to_party" . }}'
    to_tag: str = '{{ template "wechat.default.to_tag" . }}'
    agent_id: str = '{{ template "wechat.default.agent_id" . }}'
    message_type: Annotated[Literal["text", "markdown"], BeforeValidator(_text_when_empty)] = "text"

    @model_validator(mode="after")
    def _has_one_secret(self) -> WechatConfig:
        only_one(api_secret=self.api_secret, api_secret_file=self.api_secret_file)
        return self


def complete_wechat(config: WechatConfig) -> WechatConfig:
    """A configuration that has a secret and a corporation; raises ValueError when it has not."""
    if not config.api_secret and not config.api_secret_file:
        raise ValueError("no api_secret: set it here, or wechat_api_secret in global")
    if not config.corp_id:
        raise ValueError("no corp_id: set it here, or wechat_api_corp_id in global")
    return config
