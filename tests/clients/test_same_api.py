"""What is asked of API v2, and wrong alerts: tocsin answers as a real Alertmanager does.

Where tocsin answers otherwise on purpose, a comment says why.
"""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime

import pytest

from tests.clients.pair import assert_same_refusal, matcher, sides, silence, time_text

pytestmark = pytest.mark.peer

CONFIG = """
inhibit_rules:
- {source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [alertname]}
route:
  receiver: team
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  routes:
  - {matchers: [severity="critical"], receiver: pager, continue: true}
  - {matchers: [severity="critical"], receiver: pager-b, group_by: [host]}
receivers: [{name: team}, {name: pager}, {name: pager-b}]
"""
ALERTS = [
    ("Disk", "critical", "h1"),
    ("Disk", "warning", "h2"),
    ("Net", "warning", "h1"),
    ("Net", "critical", "h2"),
    ("Cpu", "info", "h3"),
    ("Mem", "info", "h1"),
    ("Zed", "info", "h9"),
]
SILENCES = {
    "mem": ({"alertname": "Mem"}, 0, 4000),
    "net": ({"alertname": "Net", "host": "h1"}, 0, 3000),
    "mem later": ({"alertname": "Mem"}, 100, 3500),
    "last to begin": ({"alertname": "Foo"}, 200, 5000),
    "first to begin": ({"alertname": "Foo"}, 50, 6000),
    "pattern": ({"zone": "~a|b", "alertname": "X"}, 0, 3500),
    "ended": ({"alertname": "Zed"}, 0, 7000),
    "ended after it": ({"alertname": "Zed"}, 0, 6000),
}
"""Matchers, with ``~`` before a regular expression; then start and end in seconds from now."""


def full_alert(number, start):
    name, severity, host = ALERTS[number]
    return {
        "labels": {"alertname": name, "severity": severity, "host": host},
        "annotations": {"number": str(number)} if number else {},
        "startsAt": time_text(-number, start),
        "endsAt": time_text(3600, start),
        **({"generatorURL": f"http://here/{number}"} if number % 2 else {}),
    }


def post_alerts(side, start):
    answer = side.client.post("/alerts", json=[full_alert(number, start) for number in range(len(ALERTS))])
    assert answer.status_code == 200


def post_silences(side, start):
    for name, (labels, starts_s, ends_s) in SILENCES.items():
        matchers = [matcher(label, value) for label, value in labels.items()]
        starts, ends = time_text(starts_s, start), time_text(ends_s, start)
        content = silence(matchers=matchers, startsAt=starts, endsAt=ends, comment=name)
        side.name_of[side.client.post("/silences", json=content).json()["silenceID"]] = name
    for silence_id, name in side.name_of.items():
        if name.startswith("ended"):
            assert side.client.delete(f"/silence/{silence_id}").status_code == 200
            time.sleep(0.05)  # So that the one ends after the other.


@pytest.fixture(scope="module")
def settled(tmp_path_factory):
    """Both, with alerts and silences that no test changes."""
    with sides(tmp_path_factory.mktemp("settled"), CONFIG) as both_sides:
        start = datetime.now(UTC)
        for side in both_sides:
            post_alerts(side, start)
            post_silences(side, start)
        for side in both_sides:
            wait_until(lambda side=side: len(side.get("/alerts/groups")) == 9)
        yield both_sides


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Both, with whatever other tests have left there."""
    with sides(tmp_path_factory.mktemp("both"), CONFIG) as both_sides:
        yield both_sides


def wait_until(is_so):
    deadline_s = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


FLAGS = [
    dict(zip(names, values, strict=True))
    for count in range(4)
    for names in itertools.combinations(("active", "silenced", "inhibited"), count)
    for values in [("false",) * count]
]
FILTERS = [
    "host=~h1|h2",
    "host!=h1",
    'severity!~"warn.*"',
    ["host=h1", "severity=info"],
    'nope=""',
    "nope!=x",
    "alertname=~",
    "host=~h",
    "a=b=c",
]
WORDS = ["yes", "off", "0", "1", "TRUE", "f", ""]
RECEIVERS = ["pager", "pager.*", "page", "team|pager-b", ""]


@pytest.mark.parametrize(
    "parameters",
    [
        *FLAGS,
        {"unprocessed": "false"},
        {"unknown": "1"},
        *({"filter": each} for each in FILTERS),
        *({"receiver": each} for each in RECEIVERS),
        *({"silenced": each} for each in WORDS),
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/alerts", "/alerts/groups"])
def test_alerts_and_groups(settled, path, parameters):
    theirs, ours = settled
    assert ours.get(path, **parameters) == theirs.get(path, **parameters)


def test_what_is_compared_is_there(settled):
    assert [len(side.get("/alerts")) for side in settled] == [7, 7]
    assert [len(side.get("/silences")) for side in settled] == [8, 8]


@pytest.mark.parametrize(
    "wanted",
    [
        [],
        ["alertname=Mem"],
        ["alertname=~M.*"],
        ["alertname!=Mem"],
        ["alertname=Net", "host=h1"],
        ["alertname=Net", "host=h2"],
        ['host=""'],
        ["nope!=x"],
        ["zone=a|b"],
        ["zone=~a|b"],
        ['zone=~"a.*"'],
    ],
    ids=str,
)
def test_silences(settled, wanted):
    shown = []
    for side in settled:
        found = side.get("/silences", filter=wanted)
        # When one was ended is known to the one that did it.
        shown.append(
            [{**each, "endsAt": ""} if each["status"]["state"] == "expired" else each for each in found]
        )
        for each in shown[-1]:
            del each["startsAt"]  # It is the time of arrival where that was later.
    assert shown[1] == shown[0]


@pytest.mark.parametrize("path", ["/alerts", "/alerts/groups", "/silences"])
@pytest.mark.parametrize("wrong", ["x", "=x", 'a=~"("', "", "{}", 'a="b",c="d"'])
def test_filters_that_are_wrong(settled, path, wrong):
    assert_same_refusal([side.client.get(path, params={"filter": wrong}) for side in settled])


@pytest.mark.parametrize("path", ["/alerts", "/alerts/groups"])
def test_receivers_that_are_wrong(settled, path):
    assert_same_refusal([side.client.get(path, params={"receiver": "("}) for side in settled])


def test_receivers(settled):
    theirs, ours = settled
    assert ours.get("/receivers") == theirs.get("/receivers")


def test_a_slip_of_the_pen_hides_no_alerts(settled):
    # Alertmanager takes any other word for false, and shows fewer alerts than there are.
    theirs, ours = (side.client.get("/alerts", params={"active": "ture"}) for side in settled)
    assert (theirs.status_code, ours.status_code) == (200, 400)


A = {"a": "b"}


@pytest.mark.parametrize(
    "content",
    [
        None,
        {},
        "x",
        [1],
        [{}],
        [{"labels": None}],
        [{"labels": {}}],
        [{"labels": {"a": ""}}],
        [{"labels": {"a": 1}}],
        [{"labels": {"": "x"}}],
        [{"annotations": A}],
        [{"labels": A, "annotations": {"x": 1}}],
        [{"labels": A, "annotations": {"": "x"}}],
        [{"labels": A, "generatorURL": 3}],
        [{"labels": A, "startsAt": "yesterday"}],
        [{"labels": A, "startsAt": "2026-01-01"}],
        [{"labels": A, "startsAt": "2026-01-01T00:00:02Z", "endsAt": "2026-01-01T00:00:01Z"}],
    ],
    ids=str,
)
def test_alerts_that_are_wrong(both, content):
    assert_same_refusal([side.client.post("/alerts", json=content) for side in both])


@pytest.mark.parametrize("path", ["/alerts", "/silences"])
@pytest.mark.parametrize("body", [b"", b"{", b"["])
def test_bodies_that_are_no_json(both, path, body):
    headers = {"content-type": "application/json"}
    assert_same_refusal([side.client.post(path, content=body, headers=headers) for side in both])


@pytest.mark.parametrize(
    "content",
    [
        [],
        [{"labels": A, "startsAt": None, "endsAt": None}],
        [{"labels": A, "startsAt": "", "unknown": 1}],
        [{"labels": A, "startsAt": "0001-01-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z"}],
        [{"labels": {**A, "c": ""}, "annotations": {"d": ""}}],
    ],
    ids=str,
)
def test_alerts_that_are_right(both, content):
    assert [side.client.post("/alerts", json=content).status_code for side in both] == [200, 200]
    theirs, ours = (side.get("/alerts", filter="a=b") for side in both)
    assert [each["labels"] for each in ours] == [each["labels"] for each in theirs]


def test_of_several_alerts_the_right_ones_are_taken(both):
    answers = [
        side.client.post("/alerts", json=[{"labels": {"alertname": "Right"}}, {"labels": {}}])
        for side in both
    ]
    assert_same_refusal(answers)
    assert [len(side.get("/alerts", filter="alertname=Right")) for side in both] == [1, 1]


def test_where_tocsin_takes_alerts_that_alertmanager_refuses(both):
    cases = {
        # Names in UTF-8 came with Alertmanager 0.27.
        "name": {"labels": {"a-b": "x", "ü": "y"}},
        # An alert is not lost because of a link that leads nowhere.
        "link": {"labels": A, "generatorURL": "no link"},
    }
    for content in cases.values():
        theirs, ours = (side.client.post("/alerts", json=[content]) for side in both)
        assert (theirs.is_error, ours.status_code) == (True, 200)
    # A neighbour that cannot be read withholds no alert; Alertmanager takes neither.
    mixed = [{"labels": {"alertname": "Neighbour"}}, {"labels": {"a": 1}}]
    assert_same_refusal([side.client.post("/alerts", json=mixed) for side in both])
    assert [len(side.get("/alerts", filter="alertname=Neighbour")) for side in both] == [0, 1]
    # Whoever posts with curl may leave out what kind of text it is; pages of others are kept out otherwise.
    theirs, ours = (side.client.post("/alerts", content=b"[]") for side in both)
    assert (theirs.status_code, ours.status_code) == (415, 200)
