"""The alerts, silences, receivers and incidents that the API behind browser tests tells of."""

from __future__ import annotations

import re
import time
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from tocsin.config.matchers import parse_matchers
from tocsin.errors import ParseError
from tocsin.model.timestamps import format_timestamp_ms
from tocsin.web.alert_messages import read_silence, silence_as_json

Answer = tuple[object, int]

SINCE_S = 1_700_000_000.0
WHY = {
    "firing": "its condition holds, the value is 91.5; told to team",
    "pending": "its condition holds for 2m, and must for 10m",
    "silenced": "silenced by Ann: known",
    "inhibited": '{alertname="SystemDown"} fires, which says more',
    "muted": "it is the time of weekends",
}
WATCHDOG = {"alertname": "Watchdog", "severity": "none"}
GPU = {"alertname": "GPUTemperatureHigh", "severity": "critical", "instance": "gpu-17", "gpu": "3"}
DISK = {"alertname": "LowDiskSpace", "severity": "warning", "instance": "vm"}
CPU = {"alertname": "HighCPUUsage", "severity": "warning", "instance": "vm"}


def alert(labels: Mapping[str, str], state: str = "firing", **changes: object) -> dict[str, object]:
    """One alert as ``/api/tocsin/alerts`` gives it."""
    name = labels["alertname"]
    usual = {
        "labels": dict(labels),
        "annotations": {"summary": f"{name} says so"},
        "state": state,
        "why": WHY[state],
        "since": SINCE_S,
        "fingerprint": f"{zlib.crc32(str(labels).encode()):016x}",
        "rule": {
            "name": name,
            "group": "g",
            "file": "rules.yml",
            "expression": f"{name.lower()}_value > 85",
            "for": 600.0,
            "value": "91.53219",
        },
        "receivers": ["team"],
        "silencedBy": [],
        "inhibitedBy": [],
        "mutedBy": [],
        "flapping": False,
        "incident": None,
    }
    return {**usual, **changes}


def one_of_each_state() -> list[dict[str, object]]:
    """Alerts in all states, the last of which always fires."""
    return [
        alert(GPU, incident=7),
        alert(DISK, "pending"),
        alert(CPU, "silenced", silencedBy=["one"]),
        alert({"alertname": "TargetDown", "severity": "page"}, "inhibited"),
        alert({"alertname": "BatchLate", "severity": "info"}, "muted", mutedBy=["weekends"]),
        alert(WATCHDOG),
    ]


def entry(kind: str, at_s: float, who: str = "", text: str = "") -> dict[str, object]:
    """One entry of a timeline."""
    return {"at": at_s, "kind": kind, "who": who, "text": text}


def incident(number: int, title: str, status: str = "open", **changes: object) -> dict[str, object]:
    """One incident as ``/api/tocsin/incidents/ID`` gives it; it was opened 10 min ago."""
    opened = time.time() - 600
    labels = {"alertname": "GPUTemperatureHigh", "severity": "critical", "instance": "vm"}
    annotations = {"summary": title}
    usual = {
        "id": number,
        "title": title,
        "severity": "critical",
        "status": status,
        "opened": opened,
        "resolved": opened + 300 if status == "resolved" else None,
        "firstAcknowledged": None,
        "acknowledgement": {"by": "Ann", "at": opened + 60, "until": None}
        if status == "acknowledged"
        else None,
        "reopened": 0,
        "escalation": None,
        "level": 0,
        "firing": 0 if status == "resolved" else 1,
        "alerts": [
            {
                "labels": labels,
                "annotations": annotations,
                "starts": opened,
                "ends": opened + 300 if status == "resolved" else None,
            }
        ],
        "timeline": [
            entry("opened", opened),
            entry("alert fired", opened, text='{alertname="GPUTemperatureHigh", instance="vm"}'),
            entry("notified", opened + 1, "team", "firing by webhook"),
        ],
        "mode": "automatic" if changes.get("levels") else None,
        "escalatesFrom": opened if changes.get("levels") else None,
        "levels": [],
    }
    return {**usual, **changes}


MONTH = {
    "incidents": 4,
    "bySeverity": {"critical": 1, "warning": 3},
    "resolved": 3,
    "reopened": 1,
    "medianTimeToAcknowledge": 95.0,
    "medianTimeToResolve": 2700.0,
}


@dataclass
class FakeAlerting:
    """What is known of alerting; ``faults`` are answers by part of a path."""

    alerts: list[dict[str, object]] = field(default_factory=list)
    silences: list[dict[str, object]] = field(default_factory=list)
    receivers: list[str] = field(default_factory=lambda: ["team"])
    incidents: list[dict[str, object]] = field(default_factory=list)
    month: dict[str, object] = field(default_factory=lambda: dict(MONTH))
    noise: dict[str, object] = field(default_factory=lambda: {"days": 7, "receivers": [], "rules": []})
    faults: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    posted: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def answer(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        body: bytes,
        firing: Sequence[dict[str, str]],
    ) -> Answer:
        """Body and status; ``firing`` are labels of further alerts that fire."""
        self.asked.append(f"{method} {path}")
        content = orjson.loads(body) if body else {}
        if method == "POST":
            self.posted.append((path, content))
        fault = next((text for part, text in self.faults.items() if part in f"{method} {path}"), None)
        if path.startswith("/api/v2/"):
            return (
                (fault, 400)
                if fault
                else self._alertmanager(method, path.removeprefix("/api/v2/"), query, body)
            )
        if fault:
            return {"status": "error", "errorType": "bad_data", "error": fault}, 400
        if path == "/api/tocsin/alerts":
            return _success([*(alert(labels) for labels in firing), *self.alerts])
        return self._incidents(method, path.removeprefix("/api/tocsin/incidents").strip("/"), query, content)

    def _alertmanager(self, method: str, path: str, query: Sequence[tuple[str, str]], body: bytes) -> Answer:
        now_ms = time.time_ns() // 1_000_000
        if path == "receivers":
            return [{"name": name} for name in self.receivers], 200
        if path == "alerts":
            return self._matching([text for name, text in query if name == "filter"])
        if method == "GET":
            return self.silences, 200
        if method == "DELETE":
            wanted = path.removeprefix("silence/")
            self._end(wanted, now_ms)
            return "", 200
        try:
            silence = read_silence(body, now_ms)
        except ParseError as error:
            return str(error), 400
        written = silence_as_json(silence, now_ms)
        written["id"] = silence.id or str(uuid.uuid4())
        self.silences = [written, *(each for each in self.silences if each["id"] != written["id"])]
        return {"silenceID": written["id"]}, 200

    def _end(self, wanted: str, now_ms: int) -> None:
        for silence in self.silences:
            if silence["id"] == wanted:
                silence.update(status={"state": "expired"}, endsAt=format_timestamp_ms(now_ms))

    def _matching(self, filters: Sequence[str]) -> Answer:
        try:
            matchers = [matcher for text in filters for matcher in parse_matchers(text)]
        except ValueError as error:
            return f'invalid parameter "filter": {error}', 400
        return [
            {**each, "status": {"silencedBy": each["silencedBy"]}}
            for each in self.alerts
            if each["state"] != "pending"
            and all(matcher.matches(each["labels"].get(matcher.name, "")) for matcher in matchers)
        ], 200

    def _incidents(
        self, method: str, path: str, query: Sequence[tuple[str, str]], content: dict[str, object]
    ) -> Answer:
        statuses = [text for name, text in query if name == "status"]
        if path == "":
            return _success([each for each in self.incidents if not statuses or each["status"] in statuses])
        if path == "summary":
            return _success({**self.month, "month": dict(query)["month"]})
        if path == "noise":
            return _success(self.noise)
        number, _, action = path.partition("/")
        found = next((each for each in self.incidents if each["id"] == int(number)), None)
        if found is None:
            error = f"there is no incident {number}"
            return {"status": "error", "errorType": "not_found", "error": error}, 404
        if method == "POST":
            _act(found, action, content)
        return _success(found)


def _act(found: dict[str, object], action: str, content: dict[str, object]) -> None:
    now, by = time.time(), content["by"]
    if action == "acknowledge":
        found.update(status="acknowledged", acknowledgement={"by": by, "at": now, "until": None})
    kinds = {"acknowledge": "acknowledged", "notes": "note", "escalate": "escalated", "merge": "merged"}
    texts = {"notes": content.get("text", ""), "escalate": "begun by hand"}
    found["timeline"].append(entry(kinds[action], now, by, texts.get(action, "")))


def silence(
    state: str,
    matchers: str,
    *,
    by: str = "Ann",
    comment: str = "known",
    minutes: tuple[int, int] = (-60, 60),
) -> dict[str, object]:
    """A silence as the API gives it, from some minutes from now to some others."""
    start, end = (
        datetime.fromtimestamp(time.time() + 60 * each, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        for each in minutes
    )
    return {
        "id": re.sub(r"\W", "-", f"{state}-{matchers}"),
        "status": {"state": state},
        "updatedAt": start,
        "comment": comment,
        "createdBy": by,
        "startsAt": start,
        "endsAt": end,
        "matchers": [
            {
                "name": each.name,
                "value": each.value,
                "isEqual": each.type.value in {"=", "=~"},
                "isRegex": each.type.value in {"=~", "!~"},
            }
            for each in parse_matchers(matchers)
        ],
    }


def _success(data: object) -> Answer:
    return {"status": "success", "data": data}, 200
