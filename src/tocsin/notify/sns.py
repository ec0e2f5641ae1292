"""Amazon's Simple Notification Service.

Source: docs.aws.amazon.com/sns/latest/api/API_Publish.html.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import ClassVar, Final
from urllib.parse import urlencode, urlsplit

from tocsin.alerts import DeliveryError, Notification
from tocsin.config.alertmanager import SnsConfig
from tocsin.errors import ConfigError
from tocsin.notify.channel import ChannelContext, HttpChannel, group_id
from tocsin.notify.http import Answer, Request
from tocsin.notify.sigv4 import Credentials, find_credentials, signed_headers
from tocsin.notify.template import Expander

_MAX_MESSAGE_BYTES: Final = 256 * 1024
_MAX_SMS_BYTES: Final = 1600
_CONTENT_TYPE: Final = "application/x-www-form-urlencoded; charset=utf-8"
_THROTTLED: Final = (b"<Code>Throttling", b"<Code>Throttled", b"<Code>KMSThrottling")


class SnsChannel(HttpChannel[SnsConfig]):
    """Publishes one message for each notification."""

    integration: ClassVar[str] = "sns"

    def __init__(self, config: SnsConfig, context: ChannelContext) -> None:
        super().__init__(config, context)
        if config.sigv4.role_arn:
            raise ConfigError(
                "sns_configs: taking on a role (sigv4.role_arn) is not supported; "
                "give the keys of a user that may publish (access_key and secret_key, or a profile)"
            )

    def requests(self, notification: Notification, expander: Expander) -> Sequence[Request]:
        """One signed request."""
        form = {"Action": "Publish", "Version": "2010-03-31", **self._message(notification, expander)}
        body = urlencode(form).encode()
        region = self._region(form)
        host = f"sns.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
        url = expander.text("api_url", self.config.api_url) or f"https://{host}/"
        url = url if urlsplit(url).path else f"{url}/"
        headers = signed_headers(
            "POST",
            url,
            {"Content-Type": _CONTENT_TYPE},
            body,
            credentials=self._credentials(),
            region=region,
            service="sns",
            now_ms=self.context.clock.now_ms(),
        )
        del headers["Content-Type"]
        return [Request(url, body, content_type=_CONTENT_TYPE, headers=headers)]

    def check(self, answer: Answer) -> None:
        """Raise RefusalError unless it was taken; Amazon says with 400 that it was asked too often."""
        if not answer.is_success and any(code in answer.body for code in _THROTTLED):
            raise self.http.refusal(answer, is_retryable=True)
        super().check(answer)

    def _message(self, notification: Notification, expander: Expander) -> dict[str, str]:
        config = self.config
        target = self._target(expander)
        limit = _MAX_SMS_BYTES if "PhoneNumber" in target else _MAX_MESSAGE_BYTES
        message = expander.text("message", config.message)
        attributes = expander.texts("attributes", config.attributes)
        if len(message.encode()) > limit:
            message = message.encode()[:limit].decode(errors="ignore")
            attributes["truncated"] = "true"
        form = {**target, "Message": message}
        if subject := expander.text("subject", config.subject):
            form["Subject"] = subject
        if target.get("TopicArn", "").endswith(".fifo"):
            form["MessageDeduplicationId"] = form["MessageGroupId"] = group_id(notification.group_key)
        for index, (name, value) in enumerate(sorted(attributes.items()), start=1):
            entry = f"MessageAttributes.entry.{index}"
            form |= {
                f"{entry}.Name": name,
                f"{entry}.Value.DataType": "String",
                f"{entry}.Value.StringValue": value,
            }
        return form

    def _target(self, expander: Expander) -> dict[str, str]:
        config = self.config
        if config.topic_arn:
            return {"TopicArn": expander.text("topic_arn", config.topic_arn)}
        if config.phone_number:
            return {"PhoneNumber": expander.text("phone_number", config.phone_number)}
        return {"TargetArn": expander.text("target_arn", config.target_arn)}

    def _region(self, form: dict[str, str]) -> str:
        parts = (form.get("TopicArn") or form.get("TargetArn") or "").split(":")
        region = self.config.sigv4.region or (parts[3] if len(parts) > 3 else "")
        region = region or os.environ.get("AWS_REGION", "") or os.environ.get("AWS_DEFAULT_REGION", "")
        if not region:
            raise DeliveryError("sns: no region is known (set sigv4.region)", is_retryable=False)
        return region

    def _credentials(self) -> Credentials:
        keys = self.config.sigv4
        if keys.access_key:
            return Credentials(keys.access_key, self.secrets.read(keys.secret_key, None))
        found = find_credentials(keys.profile)
        if found is None:
            raise DeliveryError(
                "sns: no keys are known (set sigv4.access_key and sigv4.secret_key, the environment's "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile)",
                is_retryable=False,
            )
        for text in (found.secret_key, found.session_token):
            self.secrets.add(text)
        return found
