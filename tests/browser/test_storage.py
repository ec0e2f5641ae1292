from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.fake_api import SENTENCE, STORE_ALERT
from tests.browser.fake_store import GIB, QUEUES
from tests.browser.reading import figures, headline, legend, params, series_pixels, serious_findings, table
from tests.support.process import running_tocsin

pytestmark = [pytest.mark.browser, pytest.mark.peer]

REFUSED = "tocsin_storage_rejected_samples_total"
DROPPED = "tocsin_samples_dropped_total"
GIVEN_UP = "tocsin_remote_write_samples_dropped_total"


def sentences(page):
    return page.locator(".saying > span")


def test_the_strip_says_that_all_is_well(page):
    page.goto("/storage")
    expect(page.locator(".strip .state")).to_have_text("ok")
    expect(sentences(page)).to_have_text(
        ["Nothing was refused in the last 10 min.", "All that is kept fits on the disk."]
    )


def test_the_figures_are_written_with_their_units(page):
    page.goto("/storage")
    assert figures(page) == {
        "Samples": ["2.40 G", "195 M a day"],
        "Series": ["14.2 k", ""],
        "On disk": ["4 GiB", "1.42 B a sample"],
        "Growth a day": ["264 MiB", "levels off at 5 GiB"],
        "Free on the disk": ["80 GiB", "enough for what is kept"],
        "Kept": ["15 days", "oldest 12 d ago"],
    }
    expect(page.locator("[data-figure=Samples]")).to_have_attribute("title", re.compile("^2.400.000.000$"))
    expect(page.locator(".path")).to_have_text("/var/lib/tocsin/tocsin.duckdb · encrypted")


def test_a_row_of_the_table_is_a_tier(page):
    page.goto("/storage")
    raw, five, hour = table(page, ".tiers")
    assert raw == {
        "Tier": "raw",
        "Resolution": "every sample",
        "Kept": "15 days",
        "Rows": "2.35 G",
        "Blocks": "15",
        "Size of blocks": "3 GiB",
        "Levels off at": "4 GiB",
        "Oldest": "12 d ago",
        "Newest": "1 h ago",
    }
    assert [five[name] for name in ("Resolution", "Kept", "Oldest")] == ["5 min", "90 days", "60 d ago"]
    assert [hour[name] for name in ("Resolution", "Kept")] == ["1 h", "730 days"]
    assert {hour[name] for name in ("Levels off at", "Oldest", "Newest")} == {"\u2013"}


def test_a_phone_shows_a_tier_as_a_card_that_stays_a_row(new_page):
    page = new_page(viewport={"width": 390, "height": 844})
    page.goto("/storage")
    row = page.get_by_role("row", name=re.compile("^raw"))
    expect(row.get_by_role("cell", name="15 days")).to_be_visible()
    label = row.locator("[data-heading=Kept]").evaluate("cell => getComputedStyle(cell, '::before').content")
    assert label == '"Kept"'


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_a_phone_with_a_warning(new_page, api, scheme):
    api.store.losses = {REFUSED: [({"reason": "max_series"}, 1239.2)]}
    page = new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme, bypass_csp=True)
    page.goto("/storage")
    expect(page.locator(".strip .state")).to_have_text("warning")
    legend(page, "size")
    assert serious_findings(page) == []


def test_without_tiers_there_is_no_table_and_all_else_stays(page, api):
    for key in ("tiers", "blockBytes", "encrypted"):
        del api.store.usage[key]
    page.goto("/storage")
    assert figures(page)["On disk"] == ["256 MiB", "1.42 B a sample"]
    expect(page.locator(".path")).to_have_text("/var/lib/tocsin/tocsin.duckdb")
    assert page.locator(".tiers").count() == 0


def test_a_young_store_predicts_nothing(page, api):
    unknown = dict.fromkeys(["samplesPerDay", "bytesPerDay", "predictedBytes", "daysUntilFull", "oldest"])
    api.store.usage.update(unknown, samples=0, bytesPerSample=None)
    page.goto("/storage")
    shown = figures(page)
    assert shown["Samples"] == ["0", ""]
    assert shown["Growth a day"] == ["\u2013", "known after an hour"]
    assert shown["Free on the disk"] == ["80 GiB", ""]
    assert shown["Kept"] == ["15 days", ""]
    expect(sentences(page).last).to_have_text("Whether the disk lasts is known after an hour.")


@pytest.mark.parametrize(
    ("days", "state", "sentence", "note"),
    [
        (0.01, "warning", "The disk will be full in less than an hour.", "full in less than an hour"),
        (0.3, "warning", "The disk will be full in 7.2 hours.", "full in 7.2 hours"),
        (1, "warning", "The disk will be full in 1 day.", "full in 1 day"),
        (3.21, "warning", "The disk will be full in 3.2 days.", "full in 3.2 days"),
        (30, "warning", "The disk will be full in 30 days.", "full in 30 days"),
        (400.4, "ok", "The disk lasts for 400 days.", "full in 400 days"),
        (9999, "ok", "The disk lasts for over 10 years.", "full in over 10 years"),
    ],
)
def test_says_when_the_disk_will_be_full(page, api, days, state, sentence, note):
    api.store.usage["daysUntilFull"] = days
    page.goto("/storage")
    expect(page.locator(".strip .state")).to_have_text(state)
    expect(sentences(page).last).to_have_text(sentence)
    assert figures(page)["Free on the disk"] == ["80 GiB", note]


def test_says_what_was_lost_and_why(page, api):
    api.store.losses = {
        REFUSED: [({"reason": "max_series"}, 1239.2)],
        DROPPED: [({"reason": "native_histogram"}, 40), ({"reason": "exemplar"}, 2)],
        GIVEN_UP: [({"name": "estate", "reason": "queue_full"}, 1)],
    }
    page.goto("/storage")
    expect(page.locator(".strip .state")).to_have_text("warning")
    expect(sentences(page)).to_have_text(
        [
            re.compile(r"^1.240 samples were refused in the last 10 min \(max_series\)\.$"),
            "42 samples were not taken on arrival in the last 10 min (native_histogram, exemplar).",
            "1 sample was given up by remote write in the last 10 min (estate: queue_full).",
        ]
    )
    (asked,) = {expr for expr in api.asked if expr.startswith("sum by") and REFUSED in expr and "10m" in expr}
    counter = f'{REFUSED}{{instance="vm"}}'
    inside = f"({counter} unless {counter} offset 10m) or increase({counter}[10m])"
    assert asked == f"sum by (reason) ({inside}) > 0"


def test_what_was_lost_cannot_be_said_when_it_cannot_be_read(page, api):
    api.fails = lambda expr: expr.startswith("sum by") and "offset" in expr
    page.goto("/storage")
    expect(sentences(page)).to_have_text([f"Whether samples were refused could not be read: {SENTENCE}."])
    assert figures(page)["Series"] == ["14.2 k", ""]


def test_what_was_lost_is_unknown_before_tocsin_has_measured_itself(page, api):
    api.store.instances = []
    page.goto("/storage")
    expect(page.locator(".strip .state")).to_have_text("unknown")
    expect(sentences(page).first).to_contain_text("Whether samples are refused is not known yet")
    expect(page.locator(".empty-page")).to_contain_text("tocsin did not measure itself in this time range")
    assert figures(page)["Series"] == ["14.2 k", ""]


def test_charts_show_what_tocsin_measures_of_itself(page):
    page.goto("/storage")
    assert legend(page, "size") == {
        "raw blocks": ["3 GiB"] * 3,
        "5m blocks": ["512 MiB"] * 3,
        "database": ["256 MiB"] * 3,
        "1h blocks": ["256 MiB"] * 3,
    }
    assert headline(page, "size") == "4 GiB"
    assert headline(page, "free") == "80 GiB"
    assert headline(page, "taken") == "12.5 k/s"
    assert headline(page, "refused") == "0 /s"
    assert headline(page, "series") == "14.2 k"
    assert series_pixels(page, "free", 1) > 200
    assert page.locator(".subject").inner_text() == "vm"


def test_queues_of_remote_write_are_shown_where_there_are_any(page, api):
    page.goto("/storage")
    legend(page, "size")
    assert page.locator("[data-section=remote_write]").count() == 0
    api.store.measured.update(QUEUES)
    page.reload()
    expect(page.locator("[data-section=remote_write] .panel")).to_have_count(4)
    assert headline(page, "waiting") == "1.50 k"
    assert headline(page, "sent") == "12 k/s"
    assert headline(page, "given_up") == "0 /s"
    assert headline(page, "queue") == "15 MiB"


def test_a_section_is_asked_for_over_the_whole_range(page, api):
    page.goto("/storage?range=6h")
    legend(page, "size")
    assert 'present_over_time(tocsin_storage_series{instance="vm"}[21600s])' in api.asked


def test_copy_promql_gives_every_expression_of_a_panel(new_page):
    page = new_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto("/storage")
    panel = page.locator("[data-panel=size]")
    panel.hover()
    panel.get_by_role("button", name="Copy PromQL").click()
    expect(page.locator("#toast")).to_have_text("PromQL copied")
    copied = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert copied == [f'tocsin_storage_{part}_bytes{{instance="vm"}}' for part in ("file", "block")]


def test_storage_elsewhere_is_no_error(page, api):
    api.store.usage = None
    api.store.measured = dict(QUEUES)
    page.goto("/storage")
    expect(page.locator(".strip .state")).to_have_text("elsewhere")
    expect(sentences(page).first).to_have_text("Samples are kept by an engine elsewhere (storage.type).")
    assert headline(page, "queue") == "15 MiB"
    assert page.locator(".figures, .tiers, [data-section=disk], [role=alert]").count() == 0


def test_an_error_shows_the_sentence_of_the_server_and_retries(page, api):
    api.store.fault = "cannot read tocsin.duckdb: IO Error"
    page.goto("/storage?refresh=off")
    failed = page.locator(".store [role=alert]")
    expect(failed).to_contain_text("The state of the store could not be read.")
    expect(failed.locator(".sentence")).to_have_text("cannot read tocsin.duckdb: IO Error")
    assert headline(page, "free") == "80 GiB"
    api.store.fault = ""
    failed.get_by_role("button", name="Retry").click()
    assert figures(page)["Series"] == ["14.2 k", ""]


def test_the_last_good_figures_stay_dimmed_when_a_refresh_fails(page, api):
    page.goto("/storage?refresh=off")
    figures(page)
    api.store.fault = "cannot read tocsin.duckdb: IO Error"
    page.keyboard.press("r")
    note = page.locator(".store > .stale-note")
    expect(note).to_contain_text(re.compile(r"as of \d\d:\d\d:\d\d: cannot read tocsin.duckdb: IO Error"))
    assert figures(page)["Free on the disk"] == ["80 GiB", "enough for what is kept"]
    for part in (".strip", ".figures", ".tiers"):
        expect(page.locator(part)).to_have_css("opacity", "0.45")
    api.store.fault = ""
    note.get_by_role("button", name="Retry").click()
    expect(note).to_have_count(0)


def test_a_refresh_changes_the_figures(page, api):
    page.goto("/storage?refresh=1s")
    figures(page)
    api.store.usage["diskFreeBytes"] = 40 * GIB
    expect(page.locator("[data-figure='Free on the disk'] .value")).to_have_text("40 GiB")


def test_alerts_about_storage_stand_here_and_count_in_the_rail(page, api):
    api.firing.append(STORE_ALERT)
    page.goto("/storage")
    expect(page.locator(".store .alert strong")).to_have_text(["SamplesRefused"])
    links = page.locator(".rail a")
    expect(links.nth(0).locator(".badge")).to_have_text("1")
    expect(links.nth(2).locator(".badge")).to_have_text("1")
    expect(page.locator("[data-panel=refused] .mark-tick")).to_have_attribute(
        "title", re.compile("SamplesRefused fired")
    )
    page.goto("/")
    page.locator("h1").wait_for()
    page.keyboard.press("Control+k")
    page.keyboard.type("samplesref")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Storage")


def test_of_another_tocsin_only_charts_are_shown(page, api):
    api.store.instances = ["edge", "vm"]
    page.goto("/storage")
    expect(page.locator("#instance")).to_have_text("vm")
    figures(page)
    page.locator("#instance").click()
    page.get_by_role("menuitemradio", name="edge").click()
    expect(page.locator(".store")).to_contain_text("These are the charts of edge.")
    expect(page.locator(".figures")).to_have_count(0)
    assert params(page)["instance"] == "edge"
    expect(page.locator("[data-panel=free] .value")).to_have_text("80 GiB")
    assert 'tocsin_storage_disk_free_bytes{instance="edge"}' in api.asked


def test_a_real_tocsin_tells_of_its_store(new_page, tmp_path):
    environment = {"TOCSIN_RUNTIME_DIR": str(tmp_path / "runtime")}
    with running_tocsin(tmp_path, "collectors: {interval: 1s}", environment=environment) as tocsin:
        page = new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{tocsin.url}/storage?refresh=1s&range=5m")
        expect(page.locator(".strip .state")).to_have_text("ok")
        expect(page.locator("[data-panel=size] .value")).to_have_text(re.compile(r"^[\d.]+ [KM]iB$"))
        expect(page.locator("[data-panel=series] .value")).to_have_text(re.compile(r"^[1-9]\d+$"))
        shown = figures(page)
        assert re.fullmatch(r"[\d.]+( k)?", shown["Samples"][0])
        assert shown["Growth a day"] == ["\u2013", "known after an hour"]
        assert shown["Free on the disk"][0].endswith(("GiB", "TiB"))
        assert shown["Kept"][0] == "7 days"
