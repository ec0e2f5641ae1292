"""WeChat Work's application messages.

Source: developer.work.weixin.qq.com/document/path/90236.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

import orjson

from tocsin.alerts import DeliveryError, Notification
from tocsin.config.alertmanager import WechatConfig
from tocsin.notify.channel import ChannelContext, HttpChannel
from tocsin.notify.http import Request
from tocsin.notify.rendering import without_empty
from tocsin.notify.template import Expander

_TOKEN_LASTS_MS: Final = 7_200_000
_TOKEN_EXPIRED: Final = 42001


class WechatChannel(HttpChannel[WechatConfig]):
    """Sends one message for each notification, with a token that is fetched first."""

    integration: ClassVar[str] = "wechat"

    def __init__(self, config: WechatConfig, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._token = ""
        self._fetched_ms = 0

    async def notify(self, notification: Notification) -> None:
        """Send once; raises DeliveryError when that does not succeed."""
        token_request, message_request = await self.prepared(notification)
        if not self._token or self.context.clock.now_ms() - self._fetched_ms > _TOKEN_LASTS_MS:
            await self._fetch(token_request)
        url = f"{message_request.url}?{urlencode({'access_token': self._token})}"
        answer = await self.http.send(Request(url, message_request.body))
        self.check(answer)
        document = answer.json()
        code = document.get("errcode", 0)
        if code == _TOKEN_EXPIRED:
            self._token = ""
        if code:
            reason = f"{document.get('errmsg') or f'error {code}'}"
            raise self.http.refusal(answer, is_retryable=code == _TOKEN_EXPIRED, detail=reason)

    def requests(self, notification: Notification, expander: Expander) -> Sequence[Request]:
        """The request for a token, and the one with the message, which still lacks it."""
        config = self.config
        secret = expander.text("api_secret", self.secrets.read(config.api_secret, config.api_secret_file))
        corporation = expander.text("corp_id", config.corp_id)
        query = urlencode({"corpid": corporation, "corpsecret": secret})
        content = {"content": expander.text("message", config.message)}
        nothing = {"content": ""}
        is_markdown = config.message_type == "markdown"
        message: dict[str, Any] = {
            "text": nothing if is_markdown else content,
            "markdown": content if is_markdown else nothing,
            **without_empty(
                {
                    "touser": expander.text("to_user", config.to_user),
                    "toparty": expander.text("to_party", config.to_party),
                    "totag": expander.text("to_tag", config.to_tag),
                    "agentid": expander.text("agent_id", config.agent_id),
                }
            ),
            "safe": "0",
            "msgtype": config.message_type,
        }
        return [
            Request(f"{config.api_url}gettoken?{query}", method="GET"),
            Request(f"{config.api_url}message/send", orjson.dumps(message)),
        ]

    async def _fetch(self, request: Request) -> None:
        answer = await self.http.send(request)
        self.check(answer)
        document = answer.json()
        if not document.get("access_token"):
            reason = f"no token for corp_id {self.config.corp_id}: {document.get('errmsg') or 'none given'}"
            raise DeliveryError(f"{answer.address}: {self.secrets.scrub(reason)}", is_retryable=False)
        self._token = str(document["access_token"])
        self.secrets.add(self._token)
        self._fetched_ms = self.context.clock.now_ms()
