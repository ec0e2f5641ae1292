from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.fake_api import HERE, Stage, serve
from tests.browser.reading import expect_params, headline, legend, params, serious_findings
from tests.support.ports import free_port

pytestmark = [pytest.mark.browser, pytest.mark.peer]

CHARTS = ["/", "/training", "/storage"]
PAGES = [*CHARTS, "/alerts", "/incidents"]
MOST_BYTES = 300_000
LIGHT, DARK = "rgb(247, 247, 248)", "rgb(17, 18, 22)"


@pytest.mark.parametrize("path", CHARTS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(new_page, path, scheme):
    page = new_page(color_scheme=scheme, bypass_csp=True)
    page.goto(path)
    page.locator(".panel .value").first.wait_for()
    assert serious_findings(page) == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_weighs_less_than_300_kb(new_page, path):
    page = new_page()
    sizes = {}
    page.on("response", lambda response: sizes.update({response.url: response}))
    page.goto(path)
    page.locator(".panel").first.wait_for()
    files = [response for url, response in sizes.items() if "/api/" not in url]
    total = sum(len(response.body()) for response in files)
    assert 50_000 < total < MOST_BYTES


@pytest.mark.parametrize("path", CHARTS)
def test_a_phone_shows_everything_without_scrolling_sideways(new_page, path):
    page = new_page(viewport={"width": 390, "height": 844})
    page.goto(path)
    page.locator(".panel .value").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    rail = page.locator(".rail").bounding_box()
    assert rail is not None
    assert rail["y"] + rail["height"] == pytest.approx(844, abs=1)
    lefts = page.locator(".panel").evaluate_all(
        "panels => panels.map(panel => panel.getBoundingClientRect().left)"
    )
    assert len(lefts) > 3
    assert len(set(lefts)) == 1


def test_follows_the_system_and_then_the_reader(new_page):
    page = new_page(color_scheme="dark")
    page.goto("/")
    body = page.locator("body")
    expect(body).to_have_css("background-color", DARK)
    page.emulate_media(color_scheme="light")
    expect(body).to_have_css("background-color", LIGHT)
    theme = page.locator("#theme")
    theme.click()
    theme.click()
    expect(theme).to_have_attribute("title", "Theme: dark")
    expect(body).to_have_css("background-color", DARK)
    page.reload()
    expect(body).to_have_css("background-color", DARK)


def test_keys_open_menus_pages_and_help(page):
    page.goto("/")
    legend(page, "cpu")
    page.keyboard.press("t")
    expect(page.get_by_role("menuitemradio", name="last 15 min")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/\?range=1h$"))
    expect(page.locator("#time-range")).to_be_focused()
    page.keyboard.press("t")
    page.keyboard.press("Escape")
    expect(page.get_by_role("menu")).to_have_count(0)
    page.keyboard.press("?")
    expect(page.locator("dialog.help")).to_contain_text("go to Training")
    expect(page.locator("dialog.help")).to_contain_text("g sgo to Storageg ago to Alertsg igo to Incidents")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page.locator("h1")).to_have_text("Training")
    assert page.evaluate("location.pathname + location.search") == "/training?range=1h"
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page.locator("h1")).to_have_text("Overview")
    page.keyboard.press("g")
    page.keyboard.press("s")
    expect(page.locator("h1")).to_have_text("Storage")
    assert page.evaluate("location.pathname + location.search") == "/storage?range=1h"


def test_r_asks_anew(page, api):
    page.goto("/?refresh=off")
    value = page.locator("[data-panel=load] .value")
    expect(value).to_have_text("0.750")
    api.series["node_load1{"] = (HERE, lambda _: 2.5)
    page.keyboard.press("r")
    expect(value).to_have_text("2.50")


def test_the_palette_finds_runs_metrics_alerts_and_pages(page):
    page.goto("/")
    page.locator(".alert").wait_for()
    page.keyboard.press("Control+k")
    options = page.get_by_role("option")
    page.keyboard.type("gputemp")
    expect(options).to_have_text(["alertGPUTemperatureHighGPUTemperatureHigh says so"])
    page.get_by_role("combobox").fill("metric training_loss")
    expect(options).to_have_count(1)
    page.get_by_role("combobox").fill("run long")
    expect(options.locator(".what")).to_have_text(["long"])
    page.keyboard.press("Enter")
    expect(page.locator(".topbar .subject")).to_have_text("long")
    expect_params(page, {"run": "long"})


def test_an_absolute_range_can_be_typed(page):
    page.goto("/")
    page.locator("#time-range").click()
    page.get_by_label("from").fill("2026-01-02T03:00:00")
    page.get_by_label("to", exact=True).fill("2026-01-02T04:00:00")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#time-range")).to_contain_text("2 Jan 03:00:00 \u2013 04:00:00")
    assert int(params(page)["to"]) - int(params(page)["from"]) == 3_600_000


def test_a_thin_bar_says_that_the_server_is_away_and_goes_by_itself(new_page, api):
    port = free_port()
    with serve(Stage(api), port) as url:
        page = new_page(base_url=url)
        page.goto("/?refresh=1s")
        legend(page, "load")
    bar = page.locator(".disconnected")
    expect(bar).to_contain_text(f"Not connected: tocsin at 127.0.0.1:{port} does not answer")
    assert headline(page, "load") == "0.750"
    expect(page.locator("[data-panel=load] .stale-note")).to_be_visible()
    with serve(Stage(api), port):
        expect(bar).to_have_count(0)
        expect(page.locator(".stale-note")).to_have_count(0)


def test_only_pages_that_exist_are_linked(page):
    page.goto("/")
    links = page.locator(".rail a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert links == PAGES
    for link in links:
        assert page.request.get(link).ok


UNITS = [
    (0.4123, "number", "0.412"),
    (14220, "number", "14.2 k"),
    (0.0003, "number", "3.0e-4"),
    (28, "percent", "28 %"),
    (0.284, "ratio", "28 %"),
    (1000 * 2**20, "bytes", "0.977 GiB"),
    (12.3 * 2**30, "bytes", "12.3 GiB"),
    (0, "bytes", "0 B"),
    (1536, "bytes_per_second", "1.50 KiB/s"),
    (0.045, "seconds", "45 ms"),
    (7200, "seconds", "2 h"),
    (64.3, "celsius", "64.3 °C"),
    (1310, "watts", "1.31 kW"),
    (-0.5, "number", "\u22120.500"),
    (None, "number", "\u2013"),
]


def test_values_are_written_as_people_write_them(page):
    page.goto("/")
    written = page.evaluate(
        """async (cases) => {
            const { formatValue } = await import(document.querySelector('link[href$="units.js"]').href);
            return cases.map(([value, unit]) => formatValue(value, unit));
        }""",
        [[value, unit] for value, unit, _ in UNITS],
    )
    assert written == [text for _, _, text in UNITS]


TICKS = [
    ([0, 102_400, 1_126_400], "bytes", ["0", "100 KiB", "1100 KiB"]),
    ([0, 2**30, 3 * 2**30], "bytes", ["0", "1 GiB", "3 GiB"]),
    ([100, 120, 140], "seconds", ["100 s", "120 s", "140 s"]),
    ([60, 90, 120], "seconds", ["1.0 min", "1.5 min", "2.0 min"]),
    ([1200, 1201], "number", ["1200", "1201"]),
    ([1200, 1300], "number", ["1.2 k", "1.3 k"]),
    ([0.001, 0.002], "number", ["1e-3", "2e-3"]),
]


def test_ticks_are_short_enough_to_stand_beside_the_chart(page):
    page.goto("/")
    written = page.evaluate(
        """async (cases) => {
            const { formatTicks } = await import(document.querySelector('link[href$="units.js"]').href);
            return cases.map(([ticks, unit]) => formatTicks(ticks, unit));
        }""",
        [[ticks, unit] for ticks, unit, _ in TICKS],
    )
    assert written == [texts for _, _, texts in TICKS]
