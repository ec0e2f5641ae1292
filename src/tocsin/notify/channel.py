"""What channels have in common: one that makes HTTP requests says only which, and what answers mean."""

from __future__ import annotations

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Generic, TypeVar

from tocsin.alerts import DeliveryError, Notification
from tocsin.config.alertmanager import ChannelConfig, HttpChannelConfig
from tocsin.gotemplate import TemplateError
from tocsin.model import Clock
from tocsin.notify.http import Answer, HttpClient, Request
from tocsin.notify.secrets import Secrets
from tocsin.notify.template import Expander, Templates

TOO_MANY_REQUESTS: Final = 429

_FEW_ALERTS: Final = 10
"""The texts for so many take less time than changing to a thread and back."""

C = TypeVar("C", bound=ChannelConfig)
H = TypeVar("H", bound=HttpChannelConfig)


@dataclass(frozen=True, slots=True)
class ChannelContext:
    """What channels share."""

    templates: Templates
    clock: Clock


def group_id(group_key: str) -> str:
    """The name by which a service knows a group: SHA-256 of its key, as Alertmanager's.

    >>> group_id("{}:{}")[:12]
    'cc9772a1ec90'
    """
    return hashlib.sha256(group_key.encode()).hexdigest()


class ConfiguredChannel(ABC, Generic[C]):
    """A channel of one configuration."""

    integration: ClassVar[str]

    def __init__(self, config: C, context: ChannelContext) -> None:
        self.config = config
        self.context = context
        self.secrets = Secrets(config)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @property
    def send_resolved(self) -> bool:
        """Whether it is also told when alerts are over."""
        return self.config.send_resolved

    @abstractmethod
    async def notify(self, notification: Notification) -> None:
        """Tell once; raises DeliveryError when that does not succeed."""

    async def close(self) -> None:
        """Let go of connections."""

    def expander(self, notification: Notification) -> Expander:
        """What expands this channel's texts for a notification."""
        return self.context.templates.expander(self.integration, notification)


class HttpChannel(ConfiguredChannel[H]):
    """A channel that makes HTTP requests, usually one for each notification."""

    def __init__(self, config: H, context: ChannelContext) -> None:
        super().__init__(config, context)
        self.retried = frozenset({TOO_MANY_REQUESTS})
        """Statuses beside 5xx after which it is tried again."""
        self.http = HttpClient(config.http_config, self.secrets, getattr(config, "timeout", 0))

    @abstractmethod
    def requests(self, notification: Notification, expander: Expander) -> Sequence[Request]:
        """What to send; raises TemplateError or DeliveryError. It may run in a thread of its own."""

    def fault(self, answer: Answer) -> str:
        """What a service says is wrong in an answer 2xx, empty when nothing is."""
        return ""

    async def notify(self, notification: Notification) -> None:
        """Send once; raises DeliveryError when that does not succeed."""
        for request in await self.prepared(notification):
            self.check(await self.http.send(request))

    async def prepared(self, notification: Notification) -> Sequence[Request]:
        """What to send; raises DeliveryError. Many alerts hold nothing else up meanwhile."""
        try:
            if len(notification.alerts) <= _FEW_ALERTS:
                return self.requests(notification, self.expander(notification))
            return await asyncio.to_thread(lambda: self.requests(notification, self.expander(notification)))
        except TemplateError as error:
            raise DeliveryError(str(error), is_retryable=False) from error

    def check(self, answer: Answer) -> None:
        """Raise RefusalError unless the notification was taken."""
        if not answer.is_success:
            raise self.http.refusal(
                answer,
                is_retryable=answer.status >= 500 or answer.status in self.retried,
                detail=self.detail(answer),
                retry_after_s=self.retry_after_s(answer),
            )
        if fault := self.fault(answer):
            raise self.http.refusal(answer, is_retryable=False, detail=fault)

    def detail(self, answer: Answer) -> str:
        """What to tell of an answer that is no success; empty for the whole body."""
        return ""

    def retry_after_s(self, answer: Answer) -> float | None:
        """How long a service wants to be left alone, if it says so."""
        return answer.retry_after_s(self.context.clock.now_ms())

    async def close(self) -> None:
        """Close all connections."""
        await self.http.close()
