"""The ``global`` section: what holds for all receivers that say nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import ValidationInfo, field_validator, model_validator

from tocsin.config.alertmanager.http import FolderUrl, HttpConfig, HttpUrl, SecretUrl
from tocsin.config.alertmanager.opsgenie import OPSGENIE_API_URL
from tocsin.config.alertmanager.pagerduty import PAGERDUTY_URL
from tocsin.config.alertmanager.slack import SLACK_APP_URL
from tocsin.config.alertmanager.telegram import TELEGRAM_API_URL
from tocsin.config.alertmanager.values import HostPort, Secret, SecretFile, only_one
from tocsin.config.alertmanager.victorops import VICTOROPS_API_URL
from tocsin.config.alertmanager.webex import WEBEX_API_URL
from tocsin.config.alertmanager.wechat import WECHAT_API_URL
from tocsin.config.model import ConfigModel, DurationMs
from tocsin.config.scrape import TlsConfig

_SECRETS: Final = (
    "slack_app_token",
    "slack_api_url",
    "opsgenie_api_key",
    "victorops_api_key",
    "telegram_bot_token",
    "smtp_auth_password",
    "smtp_auth_secret",
    "wechat_api_secret",
    "rocketchat_token",
    "rocketchat_token_id",
    "mattermost_webhook_url",
)


class AlertmanagerGlobalConfig(ConfigModel):
    """What receivers inherit; they are complete once a file is loaded, and nothing else looks here.

    ``resolve_timeout``: how long an alert whose sender names no end lasts after it was last sent.
    """

    resolve_timeout: DurationMs = 300_000
    http_config: HttpConfig = HttpConfig()
    smtp_from: str = ""
    smtp_hello: str = "localhost"
    smtp_smarthost: HostPort = ""
    smtp_auth_username: str = ""
    smtp_auth_password: Secret = None
    smtp_auth_password_file: SecretFile = None
    smtp_auth_secret: Secret = None
    smtp_auth_secret_file: SecretFile = None
    smtp_auth_identity: str = ""
    smtp_require_tls: bool = True
    smtp_tls_config: TlsConfig = TlsConfig()
    smtp_force_implicit_tls: bool | None = None
    slack_api_url: SecretUrl | None = None
    slack_api_url_file: SecretFile = None
    slack_app_token: Secret = None
    slack_app_token_file: SecretFile = None
    slack_app_url: HttpUrl = SLACK_APP_URL
    pagerduty_url: HttpUrl = PAGERDUTY_URL
    opsgenie_api_url: FolderUrl = OPSGENIE_API_URL
    opsgenie_api_key: Secret = None
    opsgenie_api_key_file: SecretFile = None
    wechat_api_url: FolderUrl = WECHAT_API_URL
    wechat_api_secret: Secret = None
    wechat_api_secret_file: SecretFile = None
    wechat_api_corp_id: str = ""
    victorops_api_url: FolderUrl = VICTOROPS_API_URL
    victorops_api_key: Secret = None
    victorops_api_key_file: SecretFile = None
    telegram_api_url: HttpUrl = TELEGRAM_API_URL
    telegram_bot_token: Secret = None
    telegram_bot_token_file: SecretFile = None
    webex_api_url: HttpUrl = WEBEX_API_URL
    jira_api_url: HttpUrl | None = None
    rocketchat_api_url: HttpUrl = "https://open.rocket.chat/"
    rocketchat_token: Secret = None
    rocketchat_token_file: SecretFile = None
    rocketchat_token_id: Secret = None
    rocketchat_token_id_file: SecretFile = None
    mattermost_webhook_url: SecretUrl | None = None
    mattermost_webhook_url_file: SecretFile = None

    @field_validator(*(f"{name}_file" for name in _SECRETS))
    @classmethod
    def _each_secret_once(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        key = str(info.field_name)
        name = key.removesuffix("_file")
        only_one(**{name: info.data.get(name), key: file})
        return file

    @model_validator(mode="after")
    def _slack_is_one_way(self) -> AlertmanagerGlobalConfig:
        url = self.slack_api_url.get_secret_value() if self.slack_api_url else None
        has_url = url is not None or self.slack_api_url_file is not None
        if has_url and (self.slack_app_token or self.slack_app_token_file) and url != self.slack_app_url:
            raise ValueError(
                "slack_api_url cannot stand beside slack_app_token, unless it is the same as slack_app_url"
            )
        return self
