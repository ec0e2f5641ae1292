from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.fake_alerting import entry, incident
from tests.browser.fake_api import SENTENCE
from tests.browser.reading import expect_params, figures, serious_findings

pytestmark = [pytest.mark.browser, pytest.mark.peer]

LEVELS = [{"after": 0, "to": ["team"]}, {"after": 900, "to": ["pager", "lead"]}]
DAY_S = 86_400


@pytest.fixture
def alerting(api):
    api.firing = []
    api.alerting.incidents = [
        incident(9, "disk of vm is full", "resolved", severity="warning"),
        incident(8, "loss jumped", "acknowledged", severity="warning"),
        incident(7, "GPU is hot", escalation="gpus", levels=LEVELS, level=1),
    ]
    return api.alerting


def rows(page):
    """The list, a line each."""
    page.locator("[data-incident]").first.wait_for()
    return page.locator("[data-incident]").evaluate_all(
        "rows => rows.map(row => row.innerText.replace(/\\s+/g, ' ').trim())"
    )


def timeline(page):
    """Kind, who and text of each entry."""
    page.locator(".timeline").wait_for()
    return page.locator(".happened").all_inner_texts()


def test_the_list_has_what_is_not_over_first(page, alerting):
    page.goto("/incidents")
    assert rows(page) == [
        "warning acknowledged #8 loss jumped by Ann · 1 of 1 alert fires 10 min",
        "critical open #7 GPU is hot level 1 told · 1 of 1 alert fires 10 min",
        "warning resolved #9 disk of vm is full 1 alert, over took 5 min",
    ]
    expect(page.get_by_role("link", name=re.compile("Incidents")).locator(".badge")).to_have_text("1")
    expect(page.get_by_label("1 open")).to_have_count(1)


def test_a_status_can_be_chosen_and_stands_in_the_address(page, alerting):
    page.goto("/incidents")
    page.get_by_role("button", name="resolved").click()
    expect(page.locator("[data-incident]")).to_have_count(1)
    expect_params(page, {"status": "resolved"})
    alerting.incidents = []
    page.reload()
    expect(page.locator(".none")).to_have_text("No incident is resolved.")
    page.get_by_role("button", name="all", exact=True).click()
    expect(page.locator(".none")).to_contain_text("Nothing has happened")


def test_who_is_told_how_often_and_what_nobody_acts_on(page, alerting):
    alerting.noise["receivers"] = [
        {"receiver": "team", "integration": "slack", "notificationsByDay": [0, 0, 1, 12, 4, 0, 4]}
    ]
    names = ("Idle", "Noisy", "C", "D", "E", "F", "Quiet", "Useful")
    acted = {"Useful": 1}
    alerting.noise["rules"] = [
        {
            "rule": name,
            "notifications": 9 if name == "Idle" else 1,
            "incidents": int(name != "Quiet"),
            "actedOn": acted.get(name, 0),
        }
        for name in names
    ]
    page.goto("/incidents")
    section = page.get_by_label("Noise")
    told = section.get_by_label("Who is told").locator(".item")
    expect(told).to_have_text([re.compile(r"team\s*by slack\s*3\.0 messages a day, 12 on the busiest")])
    idle = section.get_by_label("Nobody acted").locator("strong")
    expect(idle).to_have_text(["Idle", "Noisy", "C", "D", "E"])
    expect(section).to_contain_text("9 messages, 1 incident")
    expect(section).to_contain_text("and 1 more: tocsin incidents noise")
    alerting.noise["rules"] = alerting.noise["rules"][-1:]
    page.keyboard.press("r")
    expect(section).to_contain_text("Of every rule that fired somebody took notice.")


def test_without_messages_nothing_is_said_of_noise(page):
    page.goto("/incidents")
    expect(page.get_by_label("Month", exact=True)).to_be_visible()
    expect(page.get_by_label("Noise")).to_have_count(0)


def test_the_figures_of_a_month_and_of_the_one_before(page, alerting):
    page.goto("/incidents")
    assert figures(page) == {
        "Incidents": ["4", "1 critical, 3 warning"],
        "Until acknowledged": ["1 min 35 s", "median"],
        "Until resolved": ["45 min", "median"],
        "Resolved": ["3", "opened again 1 time"],
    }
    expect(page.get_by_role("button", name="Month after")).to_have_count(0)
    page.goto("/incidents?month=2026-01")
    expect(page.get_by_role("heading", name="January 2026")).to_be_visible()
    alerting.month.update(incidents=0, bySeverity={}, medianTimeToAcknowledge=None, reopened=0)
    page.get_by_role("button", name="Month before").click()
    expect(page.get_by_role("heading", name="December 2025")).to_be_visible()
    expect_params(page, {"month": "2025-12"})
    expect(page.locator("[data-figure='Until acknowledged'] .value")).to_have_text("\u2013")


def test_one_incident_says_how_it_stands_and_what_happened(page, alerting):
    opened = alerting.incidents[2]["opened"]
    alerting.incidents[2]["timeline"] += [
        entry("not notified", opened + 2, "pager", "firing by pagerduty: HTTP 503"),
        entry("a kind of tomorrow", opened + 3),
    ]
    page.goto("/incidents")
    page.get_by_role("link", name=re.compile("GPU is hot")).click()
    expect_params(page, {"id": "7"})
    expect(page.locator(".strip")).to_have_text(
        re.compile(r"open\s*critical\s*for 10 min\s*1 of 1 alert fires\s*level 1 of 2 told")
    )
    assert timeline(page) == [
        "opened",
        'alert fired {alertname="GPUTemperatureHigh", instance="vm"}',
        "notified team firing by webhook",
        "not notified pager firing by pagerduty: HTTP 503",
        "a kind of tomorrow",
    ]
    alerts = page.get_by_label("Alerts", exact=True).locator(".item")
    expect(alerts).to_have_attribute("data-state", "firing")
    expect(alerts).to_contain_text("GPUTemperatureHigh")
    page.get_by_role("link", name="All incidents").click()
    assert len(rows(page)) == 3


@pytest.mark.parametrize(
    ("changes", "begun_s_ago", "sentence"),
    [
        ({}, 605, r"Level 2 of 2 \(pager, lead\) is told at \d\d:\d\d:\d\d, in 4 min 5\d s, unless somebody"),
        ({}, 110, r"Level 2 of 2 \(pager, lead\) is told at .*, in 1[23] min, unless"),
        ({"level": 2}, 605, r"All levels were told \(2 of 2\)\."),
        (
            {"level": 0},
            605,
            r"Level 1 of 2 \(team\) waits: what fires is kept quiet, or nobody",
        ),
        ({"level": 0}, 5, r"Level 1 of 2 \(team\) is told now, unless"),
        (
            {"mode": "manual"},
            None,
            r"Level 2 of 2 \(pager, lead\) waits until somebody begins",
        ),
        ({"status": "acknowledged"}, 605, r"Nobody else is told while it is acknowledged\."),
        ({"status": "resolved"}, 605, r"It is over; nobody else is told\."),
        (
            {"levels": [], "escalation": None, "level": 0},
            None,
            r"It does not escalate: no escalation is configured",
        ),
    ],
)
def test_says_who_is_told_next_and_when(page, alerting, changes, begun_s_ago, sentence):
    found = alerting.incidents[2]
    found["escalatesFrom"] = None if begun_s_ago is None else time.time() - begun_s_ago
    found.update(changes)
    page.goto("/incidents?id=7&refresh=off")
    expect(page.locator(".next")).to_have_text(re.compile(sentence))


def name(page, who="Ann"):
    page.get_by_label("Your name").fill(who)


def test_acknowledging_shows_at_once_and_asks_for_a_name_first(page, alerting):
    page.goto("/incidents?id=7&refresh=off")
    # A name may be left from a test that was given the same port.
    page.evaluate("localStorage.clear()")
    page.reload()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".doing [role=alert]")).to_have_text("Write your name first.")
    expect(page.get_by_label("Your name")).to_be_focused()
    name(page)
    page.get_by_label("For how long").select_option("4 h")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".strip")).to_contain_text(re.compile(r"acknowledged\s*critical\s*by Ann"))
    assert alerting.posted == [("/api/tocsin/incidents/7/acknowledge", {"by": "Ann", "for": "4h"})]
    assert timeline(page)[-1] == "acknowledged Ann"
    expect(page.locator(".rail .badge")).to_have_count(0)
    page.reload()
    expect(page.get_by_label("Your name")).to_have_value("Ann")
    expect(page.get_by_role("button", name="Escalate now")).to_have_count(0)


def test_notes_escalation_and_merging(page, alerting):
    page.goto("/incidents?id=7&refresh=off")
    name(page)
    page.get_by_label("Note").fill("The fan stands still.")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator(".entry").last).to_contain_text("note Ann The fan stands still.")
    expect(page.get_by_label("Note")).to_have_value("")
    page.get_by_role("button", name="Escalate now").click()
    expect(page.locator(".entry").last).to_contain_text("escalated Ann begun by hand")
    options = page.get_by_label("Merge into").locator("option").all_inner_texts()
    assert options == ["Merge into…", "#8 loss jumped"]
    page.get_by_label("Merge into").select_option("#8 loss jumped")
    expect(page.locator(".doing")).to_contain_text("Its alerts and its timeline go to #8")
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(page.locator(".entry").last).to_contain_text("merged Ann")
    one = "/api/tocsin/incidents/7"
    assert alerting.posted == [
        (f"{one}/notes", {"by": "Ann", "text": "The fan stands still."}),
        (f"{one}/escalate", {"by": "Ann"}),
        (f"{one}/merge", {"by": "Ann", "into": 8}),
    ]


def test_what_the_server_refuses_stands_at_the_action(page, alerting):
    alerting.faults = {"/notes": "the note is empty"}
    page.goto("/incidents?id=7&refresh=off")
    name(page)
    page.get_by_label("Note").fill("x")
    page.get_by_role("button", name="Add note").click()
    note = page.locator(".doing-row", has=page.get_by_label("Note"))
    expect(note.locator("[role=alert]")).to_have_text("the note is empty")
    expect(page.get_by_label("Note")).to_have_value("x")


def test_a_number_that_was_merged_leads_to_the_other(page, alerting):
    alerting.incidents.append({**incident(7, "GPU is hot"), "id": 7})
    alerting.incidents[2] = {**alerting.incidents[2], "id": 3}
    page.goto("/incidents?id=7&refresh=off")
    page.locator(".timeline").wait_for()
    expect(page.get_by_text("was merged into this one")).to_have_count(0)
    page.route("**/api/tocsin/incidents/12", lambda route: route.continue_(url=route.request.url[:-2] + "7"))
    page.goto("/incidents?id=12&refresh=off")
    expect(page.get_by_text("Incident 12 was merged into this one, 7.")).to_be_visible()


def test_an_incident_that_is_not_there_is_one_sentence(page, alerting):
    page.goto("/incidents?id=99&refresh=off")
    expect(page.locator(".empty-page .sentence")).to_have_text("there is no incident 99")


def test_an_error_shows_the_sentence_of_the_server_and_the_last_good_list_stays(page, alerting):
    page.goto("/incidents?refresh=off")
    assert len(rows(page)) == 3
    alerting.faults = {"incidents": SENTENCE}
    page.keyboard.press("r")
    expect(page.locator(".stale-note")).to_contain_text(SENTENCE)
    assert len(rows(page)) == 3
    page.reload()
    expect(page.locator(".empty-page .sentence")).to_have_text(SENTENCE)


def test_keys_and_the_palette_lead_here(page, alerting):
    page.goto("/")
    page.locator(".alert-line").first.wait_for()
    page.keyboard.press("g")
    page.keyboard.press("i")
    assert len(rows(page)) == 3
    page.keyboard.press("Control+k")
    page.keyboard.type("incident hot")
    expect(page.get_by_role("option")).to_have_text(["incident#7 GPU is hotopen"])
    page.keyboard.press("Enter")
    expect(page.locator(".incident-title")).to_have_text("GPU is hot")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1600])
@pytest.mark.parametrize("path", ["/incidents", "/incidents?id=7"])
def test_axe_finds_nothing_serious_and_nothing_is_cut_off(new_page, alerting, scheme, width, path):
    page = new_page(viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True)
    page.goto(path)
    page.locator(".items").wait_for()
    assert serious_findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
