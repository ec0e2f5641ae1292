"""alertmanager.yml: routes, receivers, what they have in common, and when they are silent."""

from tocsin.config.alertmanager.advice import advice
from tocsin.config.alertmanager.apprise import AppriseConfig
from tocsin.config.alertmanager.channel import ChannelConfig, HttpChannelConfig
from tocsin.config.alertmanager.discord import DiscordConfig
from tocsin.config.alertmanager.email import EmailConfig, EmailThreadingConfig
from tocsin.config.alertmanager.globals import AlertmanagerGlobalConfig
from tocsin.config.alertmanager.http import HttpConfig, HttpHeader, OAuth2, ProxyConfig
from tocsin.config.alertmanager.inhibit import InhibitRuleConfig
from tocsin.config.alertmanager.msteams import MsteamsConfig, MsteamsV2Config
from tocsin.config.alertmanager.opsgenie import OpsgenieConfig, OpsgenieResponderConfig
from tocsin.config.alertmanager.pagerduty import PagerdutyConfig, PagerdutyImageConfig, PagerdutyLinkConfig
from tocsin.config.alertmanager.pushover import PushoverConfig
from tocsin.config.alertmanager.receiver import ReceiverConfig
from tocsin.config.alertmanager.root import (
    AlertmanagerConfig,
    is_alertmanager,
    read_alertmanager,
    resolved_alertmanager,
)
from tocsin.config.alertmanager.route import GROUP_BY_ALL, RouteConfig
from tocsin.config.alertmanager.slack import (
    SlackActionConfig,
    SlackConfig,
    SlackConfirmationConfig,
    SlackFieldConfig,
)
from tocsin.config.alertmanager.sns import Sigv4Config, SnsConfig
from tocsin.config.alertmanager.telegram import TelegramConfig
from tocsin.config.alertmanager.time_interval import TimeIntervalConfig, TimeIntervalPartConfig, muting
from tocsin.config.alertmanager.victorops import VictoropsConfig
from tocsin.config.alertmanager.webex import WebexConfig
from tocsin.config.alertmanager.webhook import WebhookConfig
from tocsin.config.alertmanager.wechat import WechatConfig

__all__ = [
    "GROUP_BY_ALL",
    "AlertmanagerConfig",
    "AlertmanagerGlobalConfig",
    "AppriseConfig",
    "ChannelConfig",
    "DiscordConfig",
    "EmailConfig",
    "EmailThreadingConfig",
    "HttpChannelConfig",
    "HttpConfig",
    "HttpHeader",
    "InhibitRuleConfig",
    "MsteamsConfig",
    "MsteamsV2Config",
    "OAuth2",
    "OpsgenieConfig",
    "OpsgenieResponderConfig",
    "PagerdutyConfig",
    "PagerdutyImageConfig",
    "PagerdutyLinkConfig",
    "ProxyConfig",
    "PushoverConfig",
    "ReceiverConfig",
    "RouteConfig",
    "Sigv4Config",
    "SlackActionConfig",
    "SlackConfig",
    "SlackConfirmationConfig",
    "SlackFieldConfig",
    "SnsConfig",
    "TelegramConfig",
    "TimeIntervalConfig",
    "TimeIntervalPartConfig",
    "VictoropsConfig",
    "WebexConfig",
    "WebhookConfig",
    "WechatConfig",
    "advice",
    "is_alertmanager",
    "muting",
    "read_alertmanager",
    "resolved_alertmanager",
]
