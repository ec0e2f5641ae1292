"""A rule of a real tocsin fires; what follows is done on its pages, and a webhook hears of it."""

from __future__ import annotations

import re
import time

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.process import running_tocsin
from tests.support.webhook import webhook_receiver

pytestmark = [pytest.mark.browser, pytest.mark.peer]

CONFIG = """
collectors: {{interval: 1s}}
rule_files: [rules.yml]
alertmanager:
  route: {{receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 2s}}
  receivers:
    - name: team
      webhook_configs: [{{url: '{hook}'}}]
      slack_configs: [{{api_url: '{slack}', channel: '#team'}}]
"""
SILENT_MS = 6500
GRACE_MS = 1000
RULES = """
groups:
  - name: g
    interval: 1s
    rules:
      - alert: TooMany
        expr: vector(7)
        labels: {severity: critical}
        annotations: {summary: There are too many}
"""


def of_rule(body):
    return any(alert["labels"]["alertname"] == "TooMany" for alert in body["alerts"])


@pytest.fixture
def hook():
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
def slack():
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
def tocsin(tmp_path, hook, slack):
    (tmp_path / "rules.yml").write_text(RULES)
    environment = {"TOCSIN_RUNTIME_DIR": str(tmp_path / "runtime")}
    config = CONFIG.format(hook=hook.url, slack=slack.url)
    with running_tocsin(tmp_path, config, environment=environment) as running:
        yield running


def test_from_the_rule_to_the_person_who_acts(new_page, tocsin, hook):
    page = new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{tocsin.url}/alerts?refresh=1s")
    row = page.locator("[data-group=firing] [data-alert=TooMany]")
    expect(row).to_contain_text("There are too many")
    hook.wait_for(of_rule, 15)
    silence(page, row)
    silenced_at_ms = time.time_ns() // 1_000_000
    page.locator("[data-alert=TooMany] .facts a", has_text="#").click()
    acknowledge(page)
    # Were it not silenced, it would be told again every two seconds.
    page.wait_for_timeout(SILENT_MS)
    late = [
        arrived for arrived, body in hook.arrived if of_rule(body) and arrived > silenced_at_ms + GRACE_MS
    ]
    assert late == []


def test_the_link_in_a_message_acknowledges_without_a_script(new_page, tocsin, slack):
    _, message = slack.wait_for(lambda body: "TooMany" in str(body), 15)
    link = next(each["url"] for each in message["attachments"][0]["actions"] if each["text"] == "Acknowledge")
    page = new_page(viewport={"width": 390, "height": 844}, java_script_enabled=False, color_scheme="dark")
    page.goto(link)
    expect(page.locator("h1")).to_have_text("There are too many")
    expect(page.get_by_role("status")).to_have_text("Nobody has acknowledged it.")
    expect(page.locator("li")).to_have_text(["TooMany: There are too many"])
    expect(page.locator("body")).to_have_css("background-color", "rgb(17, 18, 22)")
    page.get_by_label("Your name").fill("Ann <b>")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("status")).to_contain_text("Acknowledged by Ann <b>")
    expect(page.get_by_role("button")).to_have_count(0)
    assert page.get_by_role("link").get_attribute("href") == f"/incidents?id={incident_number(tocsin)}"


def incident_number(tocsin):
    found = httpx.get(f"{tocsin.url}/api/tocsin/incidents", trust_env=False).json()["data"]
    return next(each["id"] for each in found if "too many" in each["title"])


def silence(page, row):
    row.locator("button").first.click()
    page.get_by_role("button", name="Silence…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".preview")).to_contain_text("1 alert fires with these labels:")
    dialog.get_by_role("radio", name="until cleared").check()
    dialog.get_by_label("Your name").fill("Ann")
    dialog.get_by_label("Comment").fill("known")
    dialog.get_by_role("button", name="Silence", exact=True).click()
    expect(page.locator("[data-group=silenced] [data-alert=TooMany]")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text("Silenced by Ann: known.")
    expect(page.locator("[data-silence=active]")).to_contain_text("until cleared · keeps 1 alert quiet")


def acknowledge(page):
    expect(page.locator(".strip .state")).to_have_text("open")
    expect(page.get_by_label("Your name")).to_have_value("Ann")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".strip .state")).to_have_text("acknowledged")
    expect(page.locator(".happened").last).to_have_text("acknowledged Ann")
    expect(page.locator(".timeline")).to_contain_text(re.compile("notified team firing by webhook"))
