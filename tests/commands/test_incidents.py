"""``tocsin incidents`` and ``tocsin silences`` beside a real tocsin, and what its API says of the same."""

from __future__ import annotations

import json
import re
from uuid import UUID

import httpx
import pytest

from tests.support.process import running_tocsin
from tests.support.webhook import webhook_receiver
from tocsin.commands.app import run

CONFIG = """
collectors: {{enabled: false}}
alertmanager:
  route: {{receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
  receivers:
    - name: team
      webhook_configs: [{{url: '{url}'}}]
    - name: lead
      webhook_configs: [{{url: '{url}'}}]
escalations:
  - {{name: late, matchers: [kind="late"], levels: [{{after: 1h, to: [lead]}}]}}
  - {{name: by_hand, mode: manual, levels: [{{after: 0s, to: [lead]}}]}}
"""


class Scene:
    """A tocsin to which alerts are posted, and the terminal of a person."""

    def __init__(self, tocsin, hook, capsys):
        self.tocsin = tocsin
        self.hook = hook
        self._capsys = capsys

    def fire(self, name, **labels):
        """Fire an alert, and wait until somebody was told; returns the number of its incident."""
        alert = {"labels": {"alertname": name, "severity": "critical", **labels}}
        httpx.post(f"{self.tocsin.url}/api/v2/alerts", json=[alert], trust_env=False).raise_for_status()
        self.hook.wait_for(lambda body: body["groupLabels"] == {"alertname": name}, 10)
        return next(each["id"] for each in self.api("incidents") if each["title"] == name)

    def api(self, path):
        return httpx.get(f"{self.tocsin.url}/api/tocsin/{path}", trust_env=False).json()["data"]

    def run(self, *words, status=0):
        ended = run([*map(str, words), "--url", self.tocsin.url])
        printed = self._capsys.readouterr()
        assert ended == status, printed
        return printed.err if status else printed.out


@pytest.fixture
def scene(tmp_path, capsys):
    environment = {"TOCSIN_RUNTIME_DIR": str(tmp_path / "runtime")}
    with (
        webhook_receiver() as hook,
        running_tocsin(tmp_path, CONFIG.format(url=hook.url), environment=environment) as tocsin,
    ):
        yield Scene(tocsin, hook, capsys)


def test_from_the_list_to_the_acknowledgement(scene):
    assert scene.run("incidents") == "no incident is open or acknowledged\n"
    number = scene.fire("Hot", kind="late")
    assert re.search(rf"{number} +open +critical +\d+s +Hot", scene.run("incidents"))
    said = scene.run("incidents", "acknowledge", number, "--by", "Ann", "--for", "2h")
    assert said == f"#{number} Hot: acknowledged\n"
    scene.run("incidents", "note", number, "restarting [the] node", "--by", "Ann")
    shown = scene.run("incidents", "show", number)
    assert "acknowledged, critical, since 20" in shown
    assert "1 of 1 alerts fire, acknowledged by Ann, level 0 of 1 told" in shown
    kinds = [line.split("  ")[1].strip() for line in shown.splitlines()[2:] if line.startswith(" 20")]
    assert kinds == ["opened", "alert fired", "notified", "acknowledged", "note"]
    assert "Ann restarting [the] node" in shown
    assert scene.run("incidents", "--status", "open") == "no incident is open\n"
    (found,) = json.loads(scene.run("incidents", "--json"))
    assert found["acknowledgement"]["until"] - found["acknowledgement"]["at"] == pytest.approx(7200)


def test_an_escalation_that_a_person_begins(scene):
    number = scene.fire("Slow")
    one = scene.api(f"incidents/{number}")
    assert (one["mode"], one["escalatesFrom"]) == ("manual", None)
    scene.run("incidents", "escalate", number, "--by", "Ann")
    assert scene.api(f"incidents/{number}")["escalatesFrom"] == pytest.approx(one["opened"], abs=60)
    scene.hook.wait_for(lambda body: body["receiver"] == "lead", 10)
    late = scene.api(f"incidents/{scene.fire('Late', kind='late')}")
    assert (late["mode"], late["escalatesFrom"]) == ("automatic", pytest.approx(late["opened"], abs=60))


def test_two_incidents_become_one(scene):
    first, second = scene.fire("Hot"), scene.fire("Slow")
    assert scene.run("incidents", "merge", second, first, "--by", "Ann") == f"#{first} Hot and 1 more: open\n"
    assert f"#{first} Hot and 1 more" in scene.run("incidents", "show", second)


def test_who_is_told_how_often_and_what_nobody_acts_on(scene):
    assert scene.run("incidents", "noise") == "nobody was told anything in 7 days\n"
    number = scene.fire("Hot")
    scene.fire("Slow")
    scene.run("incidents", "acknowledge", number, "--by", "Ann")
    noise = scene.api("incidents/noise?days=2")
    assert noise["receivers"] == [
        {"receiver": "team", "integration": "webhook", "notificationsByDay": [0, 2]}
    ]
    assert noise["rules"] == [
        {"rule": "Slow", "notifications": 1, "incidents": 1, "actedOn": 0},
        {"rule": "Hot", "notifications": 1, "incidents": 1, "actedOn": 1},
    ]
    printed = scene.run("incidents", "noise", "--days", "2")
    assert re.search(r"team +webhook +1\.0 +2", printed)
    assert re.search(r"Slow +1 +1 +0 +nobody acted: is it needed\?", printed)
    assert re.search(r"Hot +1 +1 +1 *\n", printed)


def test_how_a_month_went(scene):
    number = scene.fire("Hot")
    scene.run("incidents", "acknowledge", number, "--by", "Ann")
    printed = scene.run("incidents", "summary")
    assert "1 (1 critical)" in printed
    assert re.search(r"until acknowledged +\d+s \(median\)", printed)
    assert re.search(r"until resolved +- \(median\)", printed)
    assert "invalid parameter" in scene.run("incidents", "summary", "--month", "May", status=2)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["show", "7"], "there is no incident 7"),
        (["acknowledge", "7", "--by", "Ann"], "there is no incident 7"),
        (["acknowledge", "1", "--by", "Ann", "--for", "soon"], '"for" is no duration: '),
        (["acknowledge", "1", "--by", " "], '"by" must be a text that is not empty'),
        (["note", "1", " ", "--by", "Ann"], '"text" must be a text that is not empty'),
        (["merge", "1", "1", "--by", "Ann"], "the incident 1 cannot be merged into itself"),
    ],
)
def test_what_cannot_be(scene, words, sentence):
    scene.fire("Hot")
    said = scene.run("incidents", *words, status=2)
    assert said.startswith("tocsin: ")
    assert sentence in said
    assert len(said.splitlines()) == 1


def test_silences(scene):
    assert scene.run("silences") == "no silences\n"
    words = ["alertname=Hot", "host=~vm.*", "--comment", "known", "--by", "Ann"]
    silence_id = scene.run("silences", "add", *words, "--for", "2h").strip()
    cleared = scene.run("silences", "add", *words, "--until-cleared").strip()
    listed = {each["id"]: each for each in json.loads(scene.run("silences", "--json"))}
    assert set(listed) == {silence_id, cleared}
    assert listed[cleared]["untilCleared"]
    assert {each["createdBy"] for each in listed.values()} == {"Ann"}
    assert 'alertname="Hot"' in scene.run("silences")
    scene.run("silences", "expire", silence_id, cleared)
    assert scene.run("silences") == "no silences\n"
    assert silence_id in scene.run("silences", "--expired")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["add", "=x", "--comment", "c"], "allowed are forms such as alertname=GPUHot"),
        (["add", "a=x", "--comment", "c", "--for", "soon"], "--for: "),
        (["add", "a=~.*", "--comment", "c"], "at least one matcher"),
        (["expire", "nothing"], 'must be of type uuid: "nothing"'),
        (["expire", str(UUID(int=5))], "silence not found"),
    ],
)
def test_silences_that_cannot_be(scene, words, sentence):
    assert sentence in scene.run("silences", *words, status=2)


def test_no_server(capsys):
    assert run(["silences", "--url", "http://127.0.0.1:1"]) == 2
    assert "no answer from http://127.0.0.1:1" in capsys.readouterr().err
