"""Channels of every kind for tests, with a secret each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry

from tocsin.alerts import Alert, Notification
from tocsin.config.alertmanager import ReceiverConfig
from tocsin.model import Labels, SystemClock
from tocsin.notify import NotifyMetrics, Receivers

SECRET = "CaNaRy7tokenXq9"


def alert(name="A", ends_at_ms=None, labels=None, **annotations):
    every = Labels({"alertname": name, "job": "node", **(labels or {})})
    return Alert(every, annotations, 1_700_000_000_120, ends_at_ms, "http://here/graph?a=1&b=2")


def notification(*alerts, **more):
    return Notification("team.ml", '{}:{job="node"}', Labels({"job": "node"}), alerts, "http://here", **more)


CONFIGS: Mapping[str, Callable[[str, str], dict[str, Any]]] = {
    "apprise_configs": lambda url, secret: {"url": f"json://user:{secret}@{url.removeprefix('http://')}/"},
    "discord_configs": lambda url, secret: {"webhook_url": f"{url}/api/webhooks/1/{secret}"},
    "email_configs": lambda url, secret: {
        "to": "team@example.com",
        "from": "tocsin@example.com",
        "smarthost": url.removeprefix("http://"),
        "auth_username": "user",
        "auth_password": secret,
        "require_tls": False,
    },
    "msteams_configs": lambda url, secret: {"webhook_url": f"{url}/webhookb2/{secret}"},
    "msteamsv2_configs": lambda url, secret: {"webhook_url": f"{url}/workflows/{secret}"},
    "opsgenie_configs": lambda url, secret: {"api_url": url, "api_key": secret},
    "pagerduty_configs": lambda url, secret: {"url": f"{url}/v2/enqueue", "routing_key": secret},
    "pushover_configs": lambda url, secret: {"token": secret, "user_key": f"user{secret}"},
    "slack_configs": lambda url, secret: {"api_url": f"{url}/services/T0/B0/{secret}"},
    "sns_configs": lambda url, secret: {
        "api_url": url,
        "topic_arn": "arn:aws:sns:eu-west-1:123456789012:topic",
        "sigv4": {"access_key": "AKIDEXAMPLE", "secret_key": secret},
    },
    "telegram_configs": lambda url, secret: {"api_url": url, "bot_token": f"1:{secret}", "chat_id": -42},
    "victorops_configs": lambda url, secret: {"api_url": url, "api_key": secret, "routing_key": "team"},
    "webex_configs": lambda url, secret: {
        "api_url": f"{url}/v1/messages",
        "room_id": "room",
        "http_config": {"authorization": {"credentials": secret}},
    },
    "webhook_configs": lambda url, secret: {"url": f"{url}/hook/{secret}"},
    "wechat_configs": lambda url, secret: {
        "api_url": f"{url}/cgi-bin/",
        "api_secret": secret,
        "corp_id": "corp",
        "to_user": "@all",
        "agent_id": "1",
    },
}
"""By kind: the keys for a service at a URL, with a secret."""

TEXT_KEYS = {
    "apprise_configs": "body",
    "discord_configs": "message",
    "email_configs": "html",
    "msteams_configs": "text",
    "msteamsv2_configs": "text",
    "opsgenie_configs": "description",
    "pagerduty_configs": "description",
    "pushover_configs": "message",
    "slack_configs": "text",
    "sns_configs": "message",
    "telegram_configs": "message",
    "victorops_configs": "state_message",
    "webex_configs": "message",
    "webhook_configs": "payload",
    "wechat_configs": "message",
}
"""By kind: the key of the text that says most."""


class Patient(SystemClock):
    """A clock whose waiting is short, and noted."""

    def __init__(self):
        self.slept = []

    async def sleep(self, duration_s):
        self.slept.append(duration_s)
        await asyncio.sleep(0)


class Team:
    """One receiver with one channel of some kind."""

    def __init__(self, kind, config, templates=()):
        self.clock = Patient()
        self.registry = CollectorRegistry()
        receiver = ReceiverConfig.model_validate({"name": "team.ml", kind: [config]})
        self.receivers = Receivers([receiver], self.clock, NotifyMetrics(self.registry), templates)
        (self.channel,) = self.receivers.channels["team.ml"]

    async def tell(self, *alerts, **more):
        async with self.receivers:
            await self.channel.notify(notification(*(alerts or [alert()]), **more))

    async def tell_each(self, *notifications):
        async with self.receivers:
            for each in notifications:
                await self.channel.notify(each)

    def failed(self):
        """How many failed, by reason."""
        return {
            sample.labels["reason"]: sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == "tocsin_notifications_failed_total"
        }
