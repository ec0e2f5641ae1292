"""``tocsin drill`` beside a real tocsin with a webhook, a mail server and receivers that refuse."""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.notify.mail import mail_server
from tests.support.process import running_tocsin
from tests.support.webhook import webhook_receiver
from tocsin.commands.app import run

CONFIG = """
collectors: {{interval: 1s, enabled: false}}
alertmanager:
  route:
    receiver: team
    group_by: [alertname]
    group_wait: 1s
    routes: [{{matchers: ['severity="critical"'], receiver: everybody, group_wait: 0s}}]
  receivers:
    - {{name: team, webhook_configs: [{{url: '{hook}'}}]}}
    - name: everybody
      webhook_configs: [{{url: '{hook}'}}, {{url: '{status}/404'}}]
    - {{name: busy, webhook_configs: [{{url: '{status}/500'}}]}}
    - name: mail
      email_configs:
        - {{to: a@test, from: b@test, smarthost: '{smtp}', require_tls: false, headers: {{subject: drill}}}}
drills: [{{receiver: busy, every: 1d, failed_to: team}}]
heartbeat: {{url: '{status}/200/a-secret', interval: 1s}}
"""


class Statuses(ThreadingHTTPServer):
    """Answers with the status that the path begins with, and remembers what it was asked for."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked = []


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.command, self.path))
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(int(self.path.split("/")[1]))
        self.send_header("content-length", "0")
        self.end_headers()

    def do_POST(self):
        self.do_GET()

    def log_message(self, *_):
        pass


@contextmanager
def statuses():
    with Statuses() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Scene:
    """A tocsin, what its receivers got, and the terminal of a person."""

    def __init__(self, tocsin, hook, server, box):
        self.tocsin, self.hook, self.server, self.box = tocsin, hook, server, box
        self.capsys = None

    def run(self, *words, status=0):
        ended = run(["drill", *map(str, words), "--url", self.tocsin.url])
        printed = self.capsys.readouterr()
        assert ended == status, printed
        return printed.err if status == 2 else printed.out

    def drills(self):
        answer = httpx.get(f"{self.tocsin.url}/api/tocsin/drills", trust_env=False)
        return answer.json()["data"]

    def messages(self, drill_id):
        """Status and receiver of all that the webhook got about a drill."""
        return [
            (body["receiver"], body["status"])
            for _, body in self.hook.arrived
            if body["commonLabels"].get("drill") == drill_id
        ]


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drill")
    with webhook_receiver() as hook, statuses() as server, mail_server() as box:
        config = CONFIG.format(hook=hook.url, status=server.url, smtp=box.address)
        environment = {"TOCSIN_RUNTIME_DIR": str(folder / "runtime")}
        with running_tocsin(folder, config, environment=environment) as tocsin:
            yield Scene(tocsin, hook, server, box)


@pytest.fixture
def scene(everything, capsys):
    everything.capsys = capsys
    return everything


def id_of(printed):
    return re.match(r"Drill (\w{8}) to ", printed)[1]


def stages_of(printed):
    return re.findall(r"^  \d\d:\d\d:\d\d +[\d.]+ s  (.{15})", printed, re.MULTILINE)


def test_every_stage_is_printed_and_the_end_is_told(scene):
    printed = scene.run("--receiver", "team", "--label", "team=ml")
    assert [stage.strip() for stage in stages_of(printed)] == [
        "series written",
        "rule fired",
        "routed to",
        "accepted by",
    ]
    assert "team (webhook)" in printed
    assert re.search(r"^The channel accepted it within \d+\.\d s\.", printed, re.MULTILINE)
    drill_id = id_of(printed)
    scene.hook.wait_for(
        lambda body: body["commonLabels"].get("drill") == drill_id and body["status"] == "resolved", 40
    )
    assert scene.messages(drill_id) == [("team", "firing"), ("team", "resolved")]
    (found,) = [each for each in scene.drills() if each["id"] == drill_id]
    assert (found["result"], found["labels"], found["by"]) == ("succeeded", {"team": "ml"}, "command")
    assert found["stages"][-1]["stage"] == "end told by"
    assert scene.tocsin.query(f'tocsin_drill{{drill="{drill_id}"}}') == []
    assert scene.tocsin.query(f'last_over_time(tocsin_drill{{drill="{drill_id}"}}[5m])')


def test_without_a_receiver_it_takes_its_route(scene):
    printed = scene.run()
    assert "to whoever its route leads to" in printed
    assert "its route waits 1s for company (group_wait)" in printed


def test_a_refusal_is_named_and_the_others_accept(scene):
    printed = scene.run("--severity", "critical", status=1)
    assert "Failed: 1 of 2 channels did not accept it." in printed
    last = printed.splitlines()[-1]
    assert last == f"  everybody, webhook/1: {scene.server.url} answered 404 Not Found"


def test_a_failed_one_is_told_to_somebody_else(scene):
    printed = scene.run("--receiver", "busy", "--timeout", "2s", status=1)
    assert "answered 500 Internal Server Error; it is tried again" in printed
    assert "Failed: the channel did not accept it." in printed
    _, body = scene.hook.wait_for(
        lambda body: body["commonLabels"].get("receiver") == "busy" and body["receiver"] == "team", 40
    )
    assert body["commonLabels"]["alertname"] == "DrillFailed"
    assert body["commonAnnotations"]["summary"] == 'A drill to the receiver "busy" failed (webhook)'
    (series,) = scene.tocsin.query('tocsin_drill_success{receiver="busy"}')
    assert series["value"][1] == "0"


def test_a_mail_server_accepts_it(scene):
    printed = scene.run("--receiver", "mail")
    assert "mail (email)" in printed
    assert f"DRILL {id_of(printed)}" in scene.box.mails[-1].get_body(("html",)).get_content()


def test_whoever_reads_the_message_acknowledges(scene):
    def acknowledge():
        _, body = scene.hook.wait_for(lambda body: body["commonLabels"].get("team") == "awake", 20)
        url = f"{scene.tocsin.url}/api/tocsin/incidents"
        drill = body["commonLabels"]["drill"]
        found = httpx.get(url, trust_env=False).json()["data"]
        (incident,) = [each for each in found if drill in each["title"]]
        assert incident["isDrill"]
        answer = httpx.post(f"{url}/{incident['id']}/acknowledge", json={"by": "anna"}, trust_env=False)
        answer.raise_for_status()

    person = threading.Thread(target=acknowledge)
    person.start()
    printed = scene.run("--receiver", "team", "--label", "team=awake", "--wait-acknowledge", "30s")
    person.join()
    assert re.search(r"acknowledged +anna$", printed, re.MULTILINE)
    summary = httpx.get(f"{scene.tocsin.url}/api/tocsin/incidents/summary", trust_env=False).json()["data"]
    assert summary["medianTimeToAcknowledge"] is None


def test_nobody_acknowledges(scene):
    printed = scene.run("--receiver", "team", "--wait-acknowledge", "1s", status=1)
    assert printed.splitlines()[-2:] == [
        "Failed: it was accepted, but not acknowledged.",
        "  nobody acknowledged within 1s",
    ]


def test_a_silence_is_named(scene):
    silence = {
        "matchers": [{"name": "team", "value": "quiet", "isRegex": False}],
        "startsAt": "2020-01-01T00:00:00Z",
        "endsAt": "2100-01-01T00:00:00Z",
        "createdBy": "ben",
        "comment": "moving house",
    }
    made = httpx.post(f"{scene.tocsin.url}/api/v2/silences", json=silence, trust_env=False).json()
    printed = scene.run("--receiver", "team", "--label", "team=quiet", status=1)
    assert "Nobody was told." in printed
    assert f'muted by silence {made["silenceID"]} ("moving house", ben)' in printed


def test_as_json_and_as_history(scene):
    found = json.loads(scene.run("--receiver", "mail", "--json"))
    assert (found["result"], found["receivers"]) == ("succeeded", ["mail"])
    assert [each["integration"] for each in found["channels"]] == ["email"]
    listed = scene.run("--history")
    assert re.search(rf"{found['id']} .* command +mail +succeeded", listed)
    assert json.loads(scene.run("--history", "--json"))[0]["id"] == found["id"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--receiver", "nix"], 'there is no receiver "nix" (configured: team, everybody, busy, mail)'),
        (["--label", "severity=x"], 'a drill cannot have the label "severity"'),
        (["--label", "x"], 'not a label: "x"'),
        (["--timeout", "soon"], 'invalid parameter "timeout": not a valid duration: "soon"'),
        (["--timeout", "2h"], "at most 1h"),
    ],
)
def test_what_cannot_be_run(scene, words, said):
    printed = scene.run(*words, status=2)
    assert said in printed
    assert len(printed.splitlines()) == 1


def test_no_server(capsys):
    assert run(["drill", "--url", "http://127.0.0.1:1"]) == 2
    assert "is tocsin up?" in capsys.readouterr().err


def test_an_unknown_drill_is_not_found(scene):
    answer = httpx.get(f"{scene.tocsin.url}/api/tocsin/drills/nix", trust_env=False)
    assert (answer.status_code, answer.json()["error"]) == (404, 'there is no drill "nix"')


def test_the_heart_beats(scene):
    deadline_s = time.monotonic() + 30
    while len([each for each in scene.server.asked if each == ("GET", "/200/a-secret")]) < 2:
        assert time.monotonic() < deadline_s, scene.server.asked
        time.sleep(0.1)
    assert "a-secret" not in scene.tocsin.output()
