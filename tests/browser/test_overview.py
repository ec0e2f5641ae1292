from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.fake_api import GPUS, HERE, MACHINE, SENTENCE
from tests.browser.reading import column, drawn_pixels, headline, legend, params, series_pixels

pytestmark = [pytest.mark.browser, pytest.mark.peer]


def test_shows_the_values_of_the_machine(page):
    page.goto("/")
    assert legend(page, "load") == {
        "processors": ["2", "2", "2"],
        "1 min": ["0.750", "0.750", "0.750"],
        "5 min": ["0.500", "0.500", "0.500"],
        "15 min": ["0.250", "0.250", "0.250"],
    }
    assert headline(page, "memory") == "9.50 GiB"
    assert headline(page, "disk_space") == "91 %"
    assert headline(page, "disk_throughput") == "3 MiB/s"
    assert page.locator(".subject").inner_text() == "vm"


def test_the_headline_of_a_stack_is_its_sum(page):
    page.goto("/?range=5m")
    assert list(legend(page, "cpu"))[1:] == ["system", "I/O wait", "stolen"]
    value = float(headline(page, "cpu").removesuffix(" %"))
    assert 24 <= value <= 34


def test_draws_curves(page):
    page.goto("/")
    legend(page, "load")
    assert all(series_pixels(page, "load", number) > 200 for number in (1, 2, 3, 4))


def test_two_samples_are_two_dots_at_the_right_edge(page, api):
    api.machine_since_s = time.time() - 7
    page.goto("/")
    assert legend(page, "load")["1 min"][0] == "0.750"
    assert 20 < series_pixels(page, "load", 1) < 200


def test_with_one_sample_a_rate_waits_for_the_second(page, api):
    api.machine_since_s = time.time()
    api.series = {key: value for key, value in MACHINE.items() if "disk" not in key}
    page.goto("/?refresh=off")
    note = page.locator("[data-panel=disk_throughput] .note")
    expect(note).to_have_text("Waiting for the second sample.")


def test_alerts_that_fire_stand_at_the_top(page):
    page.goto("/")
    alert = page.locator(".alert")
    expect(alert.locator("strong")).to_have_text("GPUTemperatureHigh")
    expect(alert.locator(".severity")).to_contain_text("critical")
    expect(alert.locator(".summary")).to_have_text("GPUTemperatureHigh says so")
    expect(alert.locator(".labels")).to_have_text('instance="vm"')
    assert alert.locator("time").get_attribute("datetime") == "2023-11-14T22:13:20.000Z"
    expect(page.locator(".rail a").first.locator(".badge")).to_have_text("1")


def test_without_alerts_one_calm_line_says_so(page, api):
    api.firing = []
    page.goto("/")
    line = page.locator(".alert-line")
    expect(line).to_contain_text("Nothing is firing.")
    expect(line).to_contain_text("3 rules watch.")
    assert page.locator(".badge").count() == 0


def test_firing_time_is_marked_on_the_chart_that_it_concerns(page):
    page.goto("/")
    tick = page.locator("[data-panel=gpu_temperature] .mark-tick")
    expect(tick).to_have_attribute("title", re.compile(r"GPUTemperatureHigh fired from \d\d:"))
    assert page.locator("[data-panel=cpu] .mark").count() == 0


def test_gpus_are_shown_when_there_are_any(page):
    page.goto("/")
    expect(page.locator("[data-section=gpu] .panel")).to_have_count(len(GPUS))
    assert headline(page, "gpu_temperature") == "88 °C"
    assert headline(page, "gpu_memory") == "64 GiB"


def test_gpus_are_not_shown_when_there_are_none(page, api):
    api.series = dict(MACHINE)
    page.goto("/")
    legend(page, "cpu")
    assert page.locator("[data-section=gpu]").count() == 0


def test_a_panel_without_data_says_why(page, api):
    api.series = {key: value for key, value in MACHINE.items() if "disk" not in key}
    page.goto("/")
    note = page.locator("[data-panel=disk_throughput] .note")
    expect(note).to_have_text("No disk reports its traffic here, which is usual inside a container.")


def test_without_a_machine_the_page_says_what_fills_it(page, api):
    api.series = {}
    page.goto("/")
    expect(page.locator(".empty-page p")).to_contain_text("No machine was measured in this time range.")
    expect(page.locator(".empty-page pre")).to_contain_text("job_name: node")


def test_an_error_shows_the_sentence_of_the_server_and_retries(page, api):
    api.fails = lambda expr: "node_load1{" in expr and "[2m]" not in expr
    page.goto("/?refresh=off")
    panel = page.locator("[data-panel=load]")
    expect(panel.locator(".note")).to_contain_text("Load could not be read.")
    expect(panel.locator(".sentence")).to_have_text(SENTENCE)
    assert headline(page, "memory") == "9.50 GiB"
    api.fails = lambda _: False
    panel.get_by_role("button", name="Retry").click()
    expect(panel.locator(".value")).to_have_text("0.750")


def test_the_last_good_picture_stays_dimmed_when_a_refresh_fails(page, api):
    page.goto("/?refresh=off")
    legend(page, "load")
    api.fails = lambda expr: "node_load1{" in expr and "[2m]" not in expr
    page.keyboard.press("r")
    panel = page.locator("[data-panel=load]")
    expect(panel.locator(".stale-note")).to_contain_text(SENTENCE)
    assert headline(page, "load") == "0.750"
    assert float(panel.locator(".plot").evaluate("plot => getComputedStyle(plot).opacity")) < 0.6


def test_gaps_are_gaps(page, api):
    labels, formula = MACHINE["node_load1{"]
    api.series["node_load5{"] = api.series["node_load15{"] = ({"instance": "vm"}, lambda _: float("nan"))
    api.series["node_load1{"] = (labels, formula)
    page.goto("/?range=5m")
    assert legend(page, "load")["5 min"] == ["NaN", "\u2013", "\u2013"]
    assert series_pixels(page, "load", 2) == 0


def test_the_crosshair_is_shared_and_the_legend_shows_the_values_under_it(page):
    page.goto("/?range=5m")
    legend(page, "cpu")
    page.locator("[data-panel=gpu_power] canvas").wait_for()
    box = column(page, "cpu")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    moments = [page.locator(f"[data-panel={name}] .change") for name in ("cpu", "load", "gpu_power")]
    for moment in moments:
        expect(moment).to_contain_text("at ")
    assert len({moment.inner_text() for moment in moments}) == 1
    page.mouse.move(5, 5)
    expect(moments[0]).not_to_contain_text("at ")


def test_dragging_zooms_and_a_double_click_goes_back(page):
    page.goto("/?range=1h")
    legend(page, "cpu")
    box = column(page, "cpu")
    y = box["y"] + 40
    page.mouse.move(box["x"] + box["width"] * 0.25, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, y, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile("from="))
    zoomed = params(page)
    assert int(zoomed["to"]) - int(zoomed["from"]) == pytest.approx(30 * 60_000, rel=0.05)
    assert "range" not in zoomed
    page.mouse.dblclick(box["x"] + box["width"] / 2, y)
    expect(page).to_have_url(re.compile(r"/\?range=1h$"))


def test_a_click_in_a_legend_isolates_and_stands_in_the_address(page):
    page.goto("/")
    legend(page, "load")
    page.locator("[data-panel=load]").get_by_role("button", name="5 min").first.click()
    expect(page).to_have_url(re.compile(r"only=5\+min"))
    assert series_pixels(page, "load", 1) == 0
    page.reload()
    legend(page, "load")
    assert series_pixels(page, "load", 1) == 0
    assert series_pixels(page, "load", 2) > 200
    page.locator("[data-panel=load] [aria-pressed=true]").click()
    expect(page).to_have_url(re.compile("/$"))
    assert series_pixels(page, "load", 1) > 200


def test_copy_promql_gives_the_expression_that_was_asked(new_page):
    page = new_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto("/")
    panel = page.locator("[data-panel=gpu_power]")
    panel.hover()
    panel.get_by_role("button", name="Copy PromQL").click()
    expect(page.locator("#toast")).to_have_text("PromQL copied")
    assert page.evaluate("navigator.clipboard.readText()") == 'DCGM_FI_DEV_POWER_USAGE{instance="vm"}'


def test_a_refresh_changes_the_numbers_and_keeps_the_chart(page, api):
    page.goto("/?refresh=1s")
    legend(page, "load")
    page.evaluate("window.kept = document.querySelector('[data-panel=load] canvas')")
    api.series["node_load1{"] = (HERE, lambda _: 1.25)
    expect(page.locator("[data-panel=load] .value")).to_have_text("1.25")
    assert page.evaluate("window.kept.isConnected")
    assert drawn_pixels(page, "load") > 0
