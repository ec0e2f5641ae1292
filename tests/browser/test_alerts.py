from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.fake_alerting import CPU, DISK, GPU, WATCHDOG, alert, one_of_each_state
from tests.browser.fake_api import ALERT, SENTENCE
from tests.browser.reading import expect_params, params
from tocsin.config import parse_source, validate
from tocsin.config.settings import Settings

pytestmark = [pytest.mark.browser, pytest.mark.peer]

GPU_KEY = '{alertname="GPUTemperatureHigh", gpu="3", instance="gpu-17", severity="critical"}'


@pytest.fixture
def alerting(api):
    api.firing = []
    api.alerting.alerts = one_of_each_state()
    return api.alerting


def groups(page):
    """Titles of the groups, and the names of their alerts."""
    page.locator("[data-group]").first.wait_for()
    found = page.locator("[data-group]").evaluate_all(
        """groups => groups.map(group => [group.querySelector("h2").innerText,
            [...group.querySelectorAll("[data-alert]")].map(item => item.dataset.alert)])"""
    )
    return {re.sub(r"\s+", " ", title): names for title, names in found}


def facts(page):
    """What an open alert tells."""
    page.locator(".facts").wait_for()
    cells = page.locator(".facts > div").evaluate_all(
        "rows => rows.map(row => [...row.children].map(part => part.innerText.trim()))"
    )
    return dict(cells)


def badges(page):
    """The numbers in the rail, by page."""
    found = page.locator(".rail a").evaluate_all(
        """links => links.map(link =>
            [link.querySelector("span").innerText, link.querySelector(".badge")?.innerText])"""
    )
    return {title: count for title, count in found if count}


def test_alerts_stand_in_groups_by_state_and_those_that_always_fire_apart(page, alerting):
    page.goto("/alerts")
    assert groups(page) == {
        "Firing 1": ["GPUTemperatureHigh"],
        "Pending 1": ["LowDiskSpace"],
        "Silenced 1": ["HighCPUUsage"],
        "Inhibited by another alert 1": ["TargetDown"],
        "Muted at this time 1": ["BatchLate"],
        "Always firing, to show that alerting works 1": ["Watchdog"],
    }
    strip = page.locator(".strip")
    expect(strip.locator(".state")).to_have_text("1 firing")
    expect(strip).to_contain_text("1 pending1 silenced1 inhibited1 muted3 rules watch")
    assert badges(page) == {"Overview": "1", "Alerts": "1"}


def test_the_row_of_an_alert(page, alerting):
    page.goto("/alerts")
    row = page.locator("[data-alert=GPUTemperatureHigh]")
    expect(row.locator(".severity")).to_have_text("critical")
    expect(row.locator(".summary")).to_have_text("GPUTemperatureHigh says so")
    expect(row.locator(".reading")).to_have_text("91.5")
    expect(row.locator(".reading")).to_have_attribute("title", "91.53219")
    expect(row.locator(".chip")).to_have_text(["instance=gpu-17", "gpu=3"])
    expect(row.locator("time")).to_have_attribute("datetime", "2023-11-14T22:13:20.000Z")


def test_what_always_fires_is_no_problem_anywhere(page, api, alerting):
    alerting.alerts = [alert(WATCHDOG)]
    page.goto("/alerts")
    expect(page.locator(".strip .state")).to_have_text("Nothing fires.")
    assert badges(page) == {}
    expect(page.get_by_role("button", name="Silence…")).to_have_count(0)
    page.goto("/")
    expect(page.locator(".alert-line")).to_contain_text("Nothing is firing.")


def test_what_is_silenced_does_not_count_and_is_not_on_the_overview(page, alerting):
    alerting.alerts = [alert(CPU, "silenced", silencedBy=["one"])]
    page.goto("/")
    expect(page.locator(".alert-line")).to_contain_text("Nothing is firing.")
    assert badges(page) == {}


def test_a_row_opens_to_everything_that_is_known_and_stands_in_the_address(page, alerting):
    alerting.alerts[0] |= {
        "flapping": True,
        "annotations": {
            "summary": "hot",
            "description": "It wears out.",
            "runbook_url": "https://runbooks.example.com/gpu",
            "note": "javascript:alert(1)",
        },
    }
    page.goto("/alerts")
    line = page.get_by_role("button", name=re.compile("critical GPUTemperatureHigh"))
    expect(line).to_have_attribute("aria-expanded", "false")
    line.click()
    expect(line).to_have_attribute("aria-expanded", "true")
    expect_params(page, {"alert": GPU_KEY})
    page.reload()
    assert facts(page) == {
        "Why firing": "Its condition holds, the value is 91.5; told to team. "
        "It comes and goes again and again.",
        "Description": "It wears out.",
        "Runbook": "https://runbooks.example.com/gpu",
        "Expression": "gputemperaturehigh_value > 85",
        "Rule": "GPUTemperatureHigh for 10 min, group g of rules.yml",
        "Receivers": "team",
        "Incident": "#7",
        "Labels": "\n".join(
            ["alertname=GPUTemperatureHigh", "severity=critical", "instance=gpu-17", "gpu=3"]
        ),
        "note": "javascript:alert(1)",
    }
    links = page.locator(".facts a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert links == ["https://runbooks.example.com/gpu", "/incidents?id=7"]


def test_an_alert_from_outside_has_no_rule(page, alerting):
    alerting.alerts = [alert(GPU, rule=None, receivers=[])]
    page.goto("/alerts")
    page.locator("[data-alert] button").click()
    shown = facts(page)
    assert shown["From"] == "outside: another program reported it"
    assert shown["Receivers"] == "nobody"
    assert "Expression" not in shown


def test_the_expression_can_be_copied(new_page, alerting):
    page = new_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto("/alerts")
    page.locator("[data-alert=GPUTemperatureHigh] button").click()
    page.get_by_role("button", name="Copy the expression").click()
    expect(page.locator("#toast")).to_have_text("Expression copied")
    assert page.evaluate("navigator.clipboard.readText()") == "gputemperaturehigh_value > 85"


@pytest.mark.parametrize(
    ("q", "names"),
    [
        ("gpu", ["GPUTemperatureHigh"]),
        ("VM says", ["LowDiskSpace", "HighCPUUsage"]),
        ('instance="vm"', ["LowDiskSpace", "HighCPUUsage"]),
        ("instance=vm disk", ["LowDiskSpace"]),
        ("instance=~gpu.*", ["GPUTemperatureHigh"]),
        ("instance=~gpu", []),
        ("instance!=vm severity!=none", ["GPUTemperatureHigh", "TargetDown", "BatchLate"]),
        ("instance=~(", []),
        ('"', "all"),
    ],
)
def test_the_filter_takes_words_and_matchers_and_stands_in_the_address(page, alerting, q, names):
    page.goto("/alerts")
    total = page.locator("[data-alert]")
    expect(total).to_have_count(6)
    page.get_by_label("Filter by text or label").fill(q)
    expect(total).to_have_count(6 if names == "all" else len(names))
    if names != "all":
        assert total.evaluate_all("items => items.map(item => item.dataset.alert)") == names
    assert params(page)["q"] == q
    page.reload()
    expect(page.get_by_label("Filter by text or label")).to_have_value(q)
    page.get_by_role("button", name="Show all").click()
    expect(total).to_have_count(6)
    expect_params(page, {})


def test_severity_and_state_can_be_chosen(page, alerting):
    page.goto("/alerts")
    page.locator("#filter-severity").click()
    page.get_by_role("menuitemradio", name="warning").click()
    expect(page.locator("[data-alert]")).to_have_count(2)
    page.locator("#filter-state").click()
    page.get_by_role("menuitemradio", name="silenced").click()
    assert groups(page) == {"Silenced 1": ["HighCPUUsage"]}
    expect_params(page, {"severity": "warning", "state": "silenced"})
    page.goto("/alerts?severity=critical&state=muted")
    expect(page.locator(".none")).to_have_text("No alert is like that.")


def test_a_label_narrows_the_list_to_alerts_that_have_it(page, alerting):
    page.goto("/alerts")
    page.locator("[data-alert=LowDiskSpace] button").click()
    page.get_by_role("button", name="instance=vm", exact=True).click()
    assert params(page)["q"] == 'instance="vm"'
    expect(page.locator("[data-alert]")).to_have_count(2)


def test_without_receivers_the_page_says_that_nobody_is_told_and_what_to_configure(page, alerting):
    alerting.receivers = ["nobody"]
    page.goto("/alerts")
    expect(page.locator(".strip")).to_contain_text("Nobody is told: no receivers are configured.")
    page.get_by_text("Tell somebody").click()
    lines = page.locator(".hint pre").inner_text()
    settings_of = validate(Settings, parse_source(lines, "page"))
    assert [each.name for each in settings_of.alertmanager.receivers] == ["team"]


def test_an_error_shows_the_sentence_of_the_server_and_retries(page, alerting):
    alerting.faults = {"/api/tocsin/alerts": SENTENCE}
    page.goto("/alerts?refresh=off")
    expect(page.locator(".empty-page .sentence")).to_have_text(SENTENCE)
    alerting.faults = {}
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("[data-alert]")).to_have_count(6)
    alerting.faults = {"/api/tocsin/alerts": SENTENCE}
    page.keyboard.press("r")
    expect(page.locator(".stale-note")).to_contain_text(SENTENCE)
    expect(page.locator("[data-alert]")).to_have_count(6)


def test_a_refresh_moves_an_alert_and_leaves_the_open_row_open(page, alerting):
    page.goto("/alerts?refresh=1s")
    page.locator("[data-alert=LowDiskSpace] button").click()
    page.locator(".facts").wait_for()
    alerting.alerts[1] = alert(DISK, "firing")
    expect(page.locator("[data-group=firing] [data-alert]")).to_have_count(2)
    assert facts(page)["Why firing"].startswith("Its condition holds")


def test_keys_and_the_palette_lead_here(page, alerting):
    page.goto("/")
    page.locator(".alert").wait_for()
    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page.locator("h1")).to_have_text("Alerts")
    page.goto("/")
    page.locator(".alert").wait_for()
    page.keyboard.press("Control+k")
    page.keyboard.type("silence …")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="New silence")
    expect(dialog).to_be_visible()
    expect_params(page, {"silence": "new"})
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect_params(page, {})


def test_an_alert_on_the_overview_leads_to_its_row(page, alerting):
    page.goto("/")
    page.locator(".alert a").click()
    expect(page.locator("h1")).to_have_text("Alerts")
    assert facts(page)["Receivers"] == "team"


def test_the_alert_of_the_first_page_is_one_that_the_api_tells_of(page, api):
    page.goto("/alerts")
    assert groups(page) == {"Firing 1": [ALERT["alertname"]]}


def test_a_page_that_could_not_be_loaded_says_so_and_is_tried_again(page, alerting):
    page.goto("/?refresh=off")
    page.locator(".alert").wait_for()
    page.route("**/pages/alerts.js", lambda route: route.abort())
    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page.locator("main [role=alert]")).to_contain_text("The page Alerts could not be read.")
    page.unroute("**/pages/alerts.js")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("[data-alert]")).to_have_count(6)
