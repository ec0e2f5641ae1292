"""The keys of a receiver of Amazon's Simple Notification Service."""

from __future__ import annotations

from pydantic import Field, model_validator

from tocsin.config.alertmanager.channel import HttpChannelConfig
from tocsin.config.alertmanager.values import Secret
from tocsin.config.model import ConfigModel


class Sigv4Config(ConfigModel):
    """As whom requests to AWS are signed; what is empty is taken from the environment, as AWS' tools do."""

    region: str = ""
    access_key: str = ""
    secret_key: Secret = None
    profile: str = ""
    role_arn: str = ""

    @model_validator(mode="after")
    def _has_both_keys(self) -> Sigv4Config:
        if bool(self.access_key) != bool(self.secret_key):
            raise ValueError("sigv4 needs both access_key and secret_key, or neither")
        return self


class SnsConfig(HttpChannelConfig):
    """A topic, a phone number or an endpoint."""

    api_url: str = ""
    sigv4: Sigv4Config = Sigv4Config()
    topic_arn: str = ""
    phone_number: str = ""
    target_arn: str = ""
    subject: str = '{{ template "sns.default.subject" . }}'
    message: str = '{{ template "sns.default.message" . }}'
    attributes: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_one_target(self) -> SnsConfig:
        given = sum(map(bool, (self.topic_arn, self.phone_number, self.target_arn)))
        # Alertmanager takes all three too, and sends to the topic.
        if given not in {1, 3}:
            raise ValueError("one of topic_arn, phone_number and target_arn is needed, and only one")
        return self
