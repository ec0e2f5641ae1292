"""Receivers: whoever is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from tocsin.config.alertmanager.apprise import AppriseConfig
from tocsin.config.alertmanager.discord import DiscordConfig
from tocsin.config.alertmanager.email import EmailConfig, complete_email
from tocsin.config.alertmanager.msteams import MsteamsConfig, MsteamsV2Config
from tocsin.config.alertmanager.opsgenie import OpsgenieConfig, complete_opsgenie
from tocsin.config.alertmanager.pagerduty import PagerdutyConfig
from tocsin.config.alertmanager.pushover import PushoverConfig
from tocsin.config.alertmanager.slack import SlackConfig, complete_slack
from tocsin.config.alertmanager.sns import SnsConfig
from tocsin.config.alertmanager.telegram import TelegramConfig, complete_telegram
from tocsin.config.alertmanager.values import Text
from tocsin.config.alertmanager.victorops import VictoropsConfig, complete_victorops
from tocsin.config.alertmanager.webex import WebexConfig
from tocsin.config.alertmanager.webhook import WebhookConfig
from tocsin.config.alertmanager.wechat import WechatConfig, complete_wechat
from tocsin.config.model import ConfigModel

C = TypeVar("C", bound=ConfigModel)


def _complete(complete: Callable[[C], C]) -> AfterValidator:
    """Check that a channel has all that it needs, and name the receiver when it has not."""

    def check(config: C, info: ValidationInfo) -> C:
        try:
            return complete(config)
        except ValueError as error:
            raise ValueError(f'the receiver "{info.data.get("name", "")}": {error}') from None

    return AfterValidator(check)


class ReceiverConfig(ConfigModel):
    """Whoever is told, by any number of channels, each complete; ``labels`` are for templates."""

    name: Text
    labels: dict[str, str] = Field(default_factory=dict)
    apprise_configs: tuple[AppriseConfig, ...] = ()
    discord_configs: tuple[DiscordConfig, ...] = ()
    email_configs: tuple[Annotated[EmailConfig, _complete(complete_email)], ...] = ()
    msteams_configs: tuple[MsteamsConfig, ...] = ()
    msteamsv2_configs: tuple[MsteamsV2Config, ...] = ()
    opsgenie_configs: tuple[Annotated[OpsgenieConfig, _complete(complete_opsgenie)], ...] = ()
    pagerduty_configs: tuple[PagerdutyConfig, ...] = ()
    pushover_configs: tuple[PushoverConfig, ...] = ()
    slack_configs: tuple[Annotated[SlackConfig, _complete(complete_slack)], ...] = ()
    sns_configs: tuple[SnsConfig, ...] = ()
    telegram_configs: tuple[Annotated[TelegramConfig, _complete(complete_telegram)], ...] = ()
    victorops_configs: tuple[Annotated[VictoropsConfig, _complete(complete_victorops)], ...] = ()
    webex_configs: tuple[WebexConfig, ...] = ()
    webhook_configs: tuple[WebhookConfig, ...] = ()
    wechat_configs: tuple[Annotated[WechatConfig, _complete(complete_wechat)], ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _is_labelled_with_its_name(cls, data: Any) -> Any:
        """The label ``name`` is the receiver's name and cannot be another."""
        if not isinstance(data, dict) or not isinstance(data.get("labels", {}), dict):
            return data
        name = data.get("name", "")
        labels = {"name": name, **data.get("labels", {})}
        if labels["name"] != name:
            raise ValueError(
                f'the label "name" must be the receiver\'s name "{name}", not "{labels["name"]}"'
            )
        return {**data, "labels": labels}
