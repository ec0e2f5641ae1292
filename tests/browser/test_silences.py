from __future__ import annotations

import re
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import expect

from tests.browser.fake_alerting import GPU, one_of_each_state, silence
from tests.browser.reading import serious_findings
from tocsin.config.matchers import parse_matchers
from tocsin.model import Matcher, MatchType

pytestmark = [pytest.mark.browser, pytest.mark.peer]

GPU_KEY = '{alertname="GPUTemperatureHigh", gpu="3", instance="gpu-17", severity="critical"}'


@pytest.fixture
def alerting(api):
    api.firing = []
    api.alerting.alerts = one_of_each_state()
    return api.alerting


def open_form(page, name="GPUTemperatureHigh"):
    page.locator(f"[data-alert={name}] button").first.click()
    page.get_by_role("button", name="Silence…").click()
    dialog = page.get_by_role("dialog", name="New silence")
    dialog.wait_for()
    return dialog


def test_a_silence_from_an_alert_takes_its_labels_each_of_which_can_go_or_become_an_expression(
    page, alerting
):
    page.goto("/alerts")
    dialog = open_form(page)
    names = dialog.locator(".matcher input:first-child").evaluate_all(
        "inputs => inputs.map(input => input.value)"
    )
    assert names == list(GPU)
    expect(dialog.locator(".preview")).to_contain_text("1 alert fires with these labels:")
    for _ in range(3):
        dialog.get_by_role("button", name="Drop label 1").click()
    expect(dialog.get_by_role("button", name="Drop label 1")).to_be_disabled()
    dialog.get_by_label("Comparison 1").select_option("=~")
    dialog.get_by_label("Label 1", exact=True).fill("instance")
    dialog.get_by_label("Value 1").fill("gpu.*|vm")
    expect(dialog.locator(".preview")).to_contain_text(
        "2 alerts fire with these labels, 1 of them silenced already:"
    )
    dialog.get_by_role("radio", name="4 h").check()
    dialog.get_by_label("Your name").fill(" Ann ")
    dialog.get_by_label("Comment").fill("new fans")
    dialog.get_by_role("button", name="Silence", exact=True).click()
    expect(dialog).to_have_count(0)
    ((_, posted),) = alerting.posted
    assert posted["matchers"] == [{"name": "instance", "value": "gpu.*|vm", "isEqual": True, "isRegex": True}]
    assert (posted["createdBy"], posted["comment"], posted["untilCleared"]) == ("Ann", "new fans", False)
    assert length_s(posted) == pytest.approx(4 * 3600, abs=1)
    expect(page.locator("[data-silence=active] .chip")).to_have_text('instance=~"gpu.*|vm"')


def length_s(posted):
    start, end = (datetime.fromisoformat(posted[key]) for key in ("startsAt", "endsAt"))
    return (end - start).total_seconds()


def test_the_name_is_kept_in_the_browser(new_page, alerting):
    page = new_page()
    page.goto("/alerts?silence=new")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Value 1").fill("X")
    dialog.get_by_label("Your name").fill("Ann")
    dialog.get_by_label("Comment").fill("known")
    dialog.get_by_role("button", name="Silence", exact=True).click()
    expect(dialog).to_have_count(0)
    page.goto("/incidents")
    page.goto("/alerts?silence=new")
    expect(page.get_by_role("dialog").get_by_label("Your name")).to_have_value("Ann")


@pytest.mark.parametrize(
    ("choice", "seconds"), [("1 h", 3600), ("1 d", 86_400), ("until cleared", 30 * 86_400)]
)
def test_how_long_a_silence_lasts(page, alerting, choice, seconds):
    page.goto("/alerts")
    dialog = open_form(page)
    dialog.get_by_role("radio", name=choice).check()
    fill_and_save(dialog)
    ((_, posted),) = alerting.posted
    assert length_s(posted) == pytest.approx(seconds, abs=1)
    assert posted["untilCleared"] is (choice == "until cleared")


def fill_and_save(dialog):
    dialog.get_by_label("Your name").fill("Ann")
    dialog.get_by_label("Comment").fill("known")
    dialog.get_by_role("button", name=re.compile("^(Silence|Save)$")).click()
    expect(dialog).to_have_count(0)


def test_a_silence_can_start_later_and_end_at_any_time(new_page, alerting):
    page = new_page(timezone_id="Europe/Berlin")
    page.goto("/alerts")
    dialog = open_form(page)
    dialog.get_by_label("Start later").check()
    dialog.get_by_label("Start", exact=True).fill("2031-01-02T03:04")
    dialog.get_by_role("radio", name="until…").check()
    dialog.get_by_label("End", exact=True).fill("2031-01-02T05:00:30")
    fill_and_save(dialog)
    ((_, posted),) = alerting.posted
    assert posted["startsAt"] == "2031-01-02T02:04:00.000Z"
    assert posted["endsAt"] == "2031-01-02T04:00:30.000Z"


@pytest.mark.parametrize(
    ("after", "monday"),
    [
        ("2026-11-26T20:00:00", "2026-11-30T09:00:00"),
        ("2026-11-30T08:59:59", "2026-11-30T09:00:00"),
        ("2026-11-30T09:00:00", "2026-12-07T09:00:00"),
        ("2026-03-27T12:00:00", "2026-03-30T09:00:00"),  # the clock changes in between
    ],
)
def test_until_monday_is_nine_by_the_clock_of_the_reader(new_page, after, monday):
    page = new_page(timezone_id="Europe/Berlin")
    page.goto("/alerts")
    found = page.evaluate(
        """async ([after, monday]) => {
            const { nextMonday } = await import(document.querySelector('link[href$="silences.js"]').href);
            return [nextMonday(new Date(after).getTime()), new Date(monday).getTime()];
        }""",
        [after, monday],
    )
    assert found[0] == found[1]


def test_what_is_wrong_with_a_matcher_stands_below_it(page, alerting):
    page.goto("/alerts?silence=new")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Add a label").click()
    expect(dialog.locator("[data-matcher='2'] .problem")).to_have_text("Name a label.")
    dialog.get_by_label("Label 2", exact=True).fill("instance")
    dialog.get_by_label("Comparison 2").select_option("=~")
    dialog.get_by_label("Value 2").fill("(")
    problem = dialog.locator("[data-matcher='2'] .problem")
    expect(problem).to_contain_text("invalid regular expression")
    expect(dialog.get_by_label("Value 2")).to_have_attribute("aria-invalid", "true")
    expect(dialog.locator("[data-matcher='1'] .problem")).to_have_count(0)
    dialog.get_by_label("Value 2").fill("vm")
    expect(problem).to_have_count(0)
    expect(dialog.locator(".preview")).to_contain_text("No alert that fires now has these labels.")


def test_what_the_server_refuses_stands_in_the_form_and_nothing_typed_is_lost(page, alerting):
    alerting.faults = {"POST /api/v2/silences": "a silence needs at least one matcher"}
    page.goto("/alerts?silence=new")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Your name").fill("Ann")
    dialog.get_by_label("Comment").fill("known")
    dialog.get_by_role("button", name="Silence", exact=True).click()
    expect(dialog.locator("form > .problem")).to_have_text("a silence needs at least one matcher")
    page.mouse.click(4, 400)
    expect(dialog.get_by_label("Comment")).to_have_value("known")


def test_a_new_silence_takes_the_matchers_of_the_filter(page, alerting):
    page.goto("/alerts?q=" + 'disk instance%3D~"vm|x"')
    page.get_by_role("button", name="New silence").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".matcher")).to_have_count(1)
    expect(dialog.get_by_label("Comparison 1")).to_have_value("=~")
    expect(dialog.get_by_label("Value 1")).to_have_value("vm|x")


def silence_rows(page, state):
    return page.locator(f"[data-silence={state}]")


def test_silences_are_listed_with_what_they_do(page, alerting):
    active = silence("active", 'alertname="HighCPUUsage",job!~"a|b"')
    alerting.alerts[2]["silencedBy"] = [active["id"]]
    cleared = {**silence("active", 'job="x"'), "untilCleared": True}
    alerting.silences = [
        active,
        cleared,
        silence("pending", 'job="y"', minutes=(121, 181)),
        silence("expired", 'job="z"'),
    ]
    page.goto("/alerts")
    rows = silence_rows(page, "active")
    expect(rows.first.locator(".chip")).to_have_text(['alertname="HighCPUUsage"', 'job!~"a|b"'])
    expect(rows.first).to_contain_text(re.compile(r"ends in 59 min · keeps 1 alert quiet\s*Ann: known"))
    expect(rows.last).to_contain_text("until cleared · keeps nothing quiet now")
    expect(rows.last.get_by_role("button", name="Extend")).to_have_count(0)
    expect(silence_rows(page, "pending")).to_contain_text("starts in 2 h, for 1 h")
    expect(silence_rows(page, "expired")).to_be_hidden()
    page.get_by_text("1 ended in the last days").click()
    expect(silence_rows(page, "expired")).to_be_visible()
    expect(page.get_by_role("heading", name="Silences")).to_contain_text("2 active, 1 to come")


def test_a_silence_is_extended(page, alerting):
    alerting.silences = [silence("active", 'job="x"')]
    old_end = datetime.fromisoformat(alerting.silences[0]["endsAt"])
    page.goto("/alerts")
    page.get_by_role("button", name="Extend").click()
    page.get_by_role("menuitemradio", name="by 4 h").click()
    expect(silence_rows(page, "active")).to_contain_text("ends in 4 h 59 min")
    ((_, posted),) = alerting.posted
    assert posted["id"] == "active-job--x-"
    assert (datetime.fromisoformat(posted["endsAt"]) - old_end).total_seconds() == 4 * 3600


def test_a_silence_is_ended_after_the_page_has_said_what_will_happen(page, alerting):
    alerting.silences = [silence("active", 'job="x"')]
    alerting.alerts[2]["silencedBy"] = ["active-job--x-"]
    page.goto("/alerts")
    row = silence_rows(page, "active")
    row.get_by_role("button", name="End", exact=True).click()
    expect(row).to_contain_text("1 alert is told again.")
    row.get_by_role("button", name="Keep it").click()
    expect(row).not_to_contain_text("told again")
    row.get_by_role("button", name="End", exact=True).click()
    row.get_by_role("button", name="End it now").click()
    expect(row).to_have_count(0)
    page.get_by_text("1 ended in the last days").click()
    page.get_by_role("button", name="Silence again").click()
    dialog = page.get_by_role("dialog", name="New silence")
    expect(dialog.get_by_label("Value 1")).to_have_value("x")
    fill_and_save(dialog)
    assert "id" not in alerting.posted[-1][1]


def test_an_active_silence_that_is_edited_keeps_its_start(page, alerting):
    alerting.silences = [silence("active", 'job="x"')]
    start = datetime.fromisoformat(alerting.silences[0]["startsAt"])
    page.goto("/alerts")
    page.get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog", name="Edit silence")
    expect(dialog.get_by_label("Start later")).to_have_count(0)
    expect(dialog.get_by_label("Comment")).to_have_value("known")
    fill_and_save(dialog)
    ((_, posted),) = alerting.posted
    assert datetime.fromisoformat(posted["startsAt"]) == start
    assert posted["id"] == "active-job--x-"


def test_what_cannot_be_done_to_a_silence_is_said_at_its_row(page, alerting):
    alerting.silences = [silence("active", 'job="x"')]
    alerting.faults = {"DELETE": "the silence has expired already"}
    page.goto("/alerts")
    page.get_by_role("button", name="End", exact=True).click()
    page.get_by_role("button", name="End it now").click()
    expect(page.locator(".silence-row [role=alert]")).to_have_text("the silence has expired already")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1600])
def test_axe_finds_nothing_serious_and_nothing_is_cut_off(new_page, alerting, scheme, width):
    alerting.silences = [silence("active", 'job="x"'), silence("pending", 'job="y"', minutes=(60, 90))]
    alerting.receivers = ["nobody"]
    page = new_page(viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True)
    page.goto("/alerts?alert=" + GPU_KEY.replace("=", "%3D"))
    page.locator(".facts").wait_for()
    assert serious_findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="Silence…").click()
    page.get_by_role("dialog").locator(".preview ul").wait_for()
    assert serious_findings(page) == []
    overflow = page.locator("dialog").evaluate("dialog => dialog.scrollWidth - dialog.clientWidth")
    assert overflow <= 0


MATCHERS = st.builds(
    lambda name, kind, value: (name, kind, value),
    st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True),
    st.sampled_from(["=", "!="]),
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12),
)


def test_matchers_are_written_as_the_server_reads_them(page, api):
    page.goto("/alerts")
    page.locator(".strip").wait_for()

    @given(st.lists(MATCHERS, min_size=1, max_size=8))
    @settings(max_examples=40, deadline=None)
    def check(drawn):
        written = page.evaluate(
            """async (drawn) => {
                const { matcherText, operatorFlags, parseMatcher } =
                    await import(document.querySelector('link[href$="matchers.js"]').href);
                const all = drawn.map(
                    ([name, operator, value]) => ({ name, value, ...operatorFlags(operator) }));
                const same = all.every((each) => {
                    const read = parseMatcher(matcherText(each));
                    return Object.entries(each).every(([key, value]) => read[key] === value);
                });
                return [all.map(matcherText), same];
            }""",
            drawn,
        )
        texts, is_same = written
        assert is_same
        for text, (name, kind, value) in zip(texts, drawn, strict=True):
            assert parse_matchers(text) == (Matcher(name, MatchType(kind), value),)

    check()
