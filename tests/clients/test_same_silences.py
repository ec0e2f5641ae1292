"""Silences made, changed and ended, and wrong ones: tocsin answers as a real Alertmanager does."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.clients.pair import assert_same_refusal, matcher, sides, silence, time_text

pytestmark = pytest.mark.peer

CONFIG = """
route: {receiver: team}
receivers: [{name: team}]
"""
UNKNOWN_ID = str(UUID(int=5))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Both, with whatever other tests have left there."""
    with sides(tmp_path_factory.mktemp("both"), CONFIG) as both_sides:
        yield both_sides


def changed_matcher(**changes):
    content = {**matcher("a", "b"), **changes}
    return [{name: value for name, value in content.items() if value != "absent"}]


@pytest.mark.parametrize(
    "changes",
    [
        *({name: value} for name in silence() for value in ("absent", None)),
        *({name: 1} for name in silence()),
        {"id": 5},
        {"id": UNKNOWN_ID},
        {"id": "no id"},
        {"matchers": []},
        {"matchers": {}},
        {"matchers": [1]},
        {"matchers": [{}]},
        *({"matchers": changed_matcher(**{name: "absent"})} for name in ("name", "value", "isRegex")),
        {"matchers": changed_matcher(isRegex=None)},
        {"matchers": changed_matcher(isRegex="yes")},
        {"matchers": changed_matcher(isEqual="yes")},
        {"matchers": changed_matcher(name="")},
        {"matchers": changed_matcher(value="")},
        {"matchers": changed_matcher(value=".*", isRegex=True)},
        {"matchers": changed_matcher(value="(", isRegex=True)},
        {"startsAt": "x"},
        {"endsAt": "0001-01-01T00:00:00Z"},
    ],
    ids=str,
)
def test_silences_that_are_wrong(both, changes):
    answers = [side.client.post("/silences", json=silence(**changes)) for side in both]
    assert_same_refusal(answers)
    if answers[0].status_code == 404:
        assert answers[1].json() == answers[0].json()


@pytest.mark.parametrize(("starts_s", "ends_s"), [(10, 5), (-10, -5)])
def test_silences_that_end_too_early(both, starts_s, ends_s):
    changes = {"startsAt": time_text(starts_s), "endsAt": time_text(ends_s)}
    assert_same_refusal([side.client.post("/silences", json=silence(**changes)) for side in both])


@pytest.mark.parametrize(
    "changes",
    [
        {"createdBy": "", "comment": ""},
        {"id": ""},
        {"id": None, "unknown": 1},
        {"startsAt": ""},
        {"startsAt": "0001-01-01T00:00:00Z"},
        {"matchers": [*changed_matcher(), *changed_matcher(name="c", value="")]},
        {"matchers": changed_matcher(isEqual=False)},
        {"matchers": changed_matcher(isEqual=False, isRegex=True)},
        {"matchers": changed_matcher(isEqual="absent")},
    ],
    ids=str,
)
def test_silences_that_are_right(both, changes):
    kept = []
    for side in both:
        answer = side.client.post("/silences", json=silence(**changes))
        assert answer.status_code == 200, answer.text
        content = side.client.get(f"/silence/{answer.json()['silenceID']}").json()
        kept.append((content["matchers"], content["createdBy"], content["comment"], content["status"]))
        assert side.client.delete(f"/silence/{answer.json()['silenceID']}").status_code == 200
    assert kept[1] == kept[0]


def lived(side):
    """A silence's life: what happens to its id and its state when it is changed and ended."""
    story = []

    def put(said, **changes):
        answer = side.client.post("/silences", json=silence(**changes))
        assert answer.status_code == 200, answer.text
        silence_id = answer.json()["silenceID"]
        story.append((said, silence_id == changes.get("id"), state(changes.get("id", silence_id))))
        return silence_id

    def state(silence_id):
        return side.client.get(f"/silence/{silence_id}").json()["status"]["state"]

    pending = put("to begin", startsAt=time_text(100))
    put("begins later", id=pending, startsAt=time_text(200))
    put("about something else", id=pending, startsAt=time_text(200), matchers=[matcher("x", "y")])
    pending = put("to begin", startsAt=time_text(100))
    put("began a moment ago", id=pending, startsAt=time_text(-1))
    active = put("begun")
    starts = side.client.get(f"/silence/{active}").json()["startsAt"]
    put("another comment", id=active, startsAt=starts, comment="new")
    put("another end", id=active, startsAt=starts, endsAt=time_text(7200))
    put("another start", id=active, startsAt=time_text(-50))
    last = put("begun")
    story += [(side.client.delete(f"/silence/{last}").status_code, state(last)) for _ in range(2)]
    put("after its end", id=last)
    return story


def test_the_life_of_a_silence(both):
    theirs, ours = map(lived, both)
    assert ours == theirs


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_silences_that_there_are_not(both, method):
    assert_same_refusal([side.client.request(method, "/silence/nope") for side in both])
    theirs, ours = (side.client.request(method, f"/silence/{UNKNOWN_ID}") for side in both)
    # Newer Alertmanagers answer 404 to both; 0.25 calls it an error of its own when one is to be ended.
    assert (theirs.status_code, ours.status_code) == (404 if method == "GET" else 500, 404)
    assert ours.json() == "silence not found"
