"""A real Alertmanager and tocsin beside each other, with the same configuration, and their API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from tests.notify.alertmanager import alertmanager
from tests.support.process import running_tocsin

OWN_CONFIG = "collectors: {enabled: false}\nalertmanager_config: alertmanager.yml\n"


@contextmanager
def alertmanager_and_tocsin(folder: Path, theirs: str, ours: str) -> Iterator[tuple[str, str]]:
    """Run both; gives their URLs, and ends both with the block.

    ``theirs`` and ``ours`` are an alertmanager.yml each, which differ in the URLs of their receivers.
    """
    (folder / "alertmanager").mkdir()
    (folder / "alertmanager.yml").write_text(ours)
    environment = {"TOCSIN_RUNTIME_DIR": str(folder / "runtime")}
    with (
        alertmanager(folder / "alertmanager", theirs) as their_url,
        running_tocsin(folder, OWN_CONFIG, environment=environment) as tocsin,
    ):
        yield their_url, tocsin.url


@contextmanager
def sides(folder: Path, config: str) -> Iterator[list[Side]]:
    """The API of both, Alertmanager's first."""
    with (
        alertmanager_and_tocsin(folder, config, config) as urls,
        client(urls[0]) as theirs,
        client(urls[1]) as ours,
    ):
        yield [Side(theirs), Side(ours)]


def client(url: str) -> httpx.Client:
    return httpx.Client(base_url=f"{url}/api/v2", trust_env=False, timeout=30)


class Side:
    """One of the two, with names for what both name differently."""

    def __init__(self, client):
        self.client = client
        self.name_of = {}

    def get(self, path, **parameters):
        answer = self.client.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return self.shown(answer.json())

    def shown(self, content):
        """The same, but for ids, times that only the receiver knows, and what later versions added."""
        if isinstance(content, list):
            return [self.shown(each) for each in content]
        if not isinstance(content, dict):
            return self.name_of.get(content, content)
        own = ("updatedAt", "mutedBy")
        return {name: self.shown(value) for name, value in content.items() if name not in own}


def assert_same_refusal(answers):
    """The same status, and a body of the same form: a text, or a code and a message."""
    theirs, ours = answers
    assert theirs.status_code >= 400
    assert ours.status_code == theirs.status_code, ours.text
    assert type(ours.json()) is type(theirs.json())
    if isinstance(theirs.json(), dict):
        assert ours.json()["code"] == theirs.json()["code"]
        if theirs.status_code == 422:
            assert ours.json()["message"].endswith(theirs.json()["message"].removeprefix("0."))


def time_text(after_s=0.0, start=None):
    moment = (start or datetime.now(UTC)) + timedelta(seconds=after_s)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def matcher(name, value):
    return {"name": name, "value": value.removeprefix("~"), "isRegex": value.startswith("~"), "isEqual": True}


def silence(**changes):
    content = {
        "matchers": [matcher("alertname", "Zed")],
        "startsAt": time_text(),
        "endsAt": time_text(3600),
        "createdBy": "me",
        "comment": "known",
        **changes,
    }
    return {name: value for name, value in content.items() if value != "absent"}
