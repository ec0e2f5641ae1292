from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.fake_api import RUN_ALERT, Run
from tests.browser.reading import column, headline, params, series_pixels

pytestmark = [pytest.mark.browser, pytest.mark.peer]


def test_the_strip_says_how_the_run_stands(page):
    page.goto("/training")
    strip = page.locator(".strip")
    expect(strip.locator(".state")).to_have_text("running")
    expect(strip.locator(".steps")).to_have_text("step 300 / 1\u202f200")
    expect(strip.locator(".percent")).to_have_text("25 %")
    expect(strip.locator(".eta")).to_have_text("ETA 15 min")
    expect(strip.locator(".speed")).to_have_text("1 steps/s")


def test_lists_runs_newest_first_with_their_states(page):
    page.goto("/training")
    rows = page.locator(".runs li")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("digits")
    expect(rows.nth(0).locator(".state")).to_have_text("running")
    expect(rows.nth(1)).to_contain_text("long")
    expect(rows.nth(1).locator(".state")).to_have_text("failed")


def test_every_value_of_the_run_has_a_panel(page):
    page.goto("/training")
    titles = page.locator(".panel h3")
    expect(titles).to_have_text(["Loss", "Learning rate", "Throughput", "Val accuracy"])
    assert headline(page, "loss") == "0.507"
    assert headline(page, "learning_rate") == "3.0e-4"
    assert headline(page, "val_accuracy") == "0.750"


def test_a_point_of_the_step_axis_is_the_value_of_that_step(page):
    page.goto("/training?refresh=off")
    page.locator("[data-panel=loss] .value").wait_for()
    box = column(page, "loss")
    page.mouse.move(box["x"] + box["width"] * 149 / 299, box["y"] + 40)
    expect(page.locator("[data-panel=loss] .change")).to_have_text("at step 150")
    assert headline(page, "loss") == "3.51"
    assert headline(page, "val_accuracy") == "0.375"


def test_the_axis_can_be_time(page):
    page.goto("/training")
    page.get_by_role("button", name="time", exact=True).click()
    expect(page).to_have_url(re.compile("x=time"))
    box = column(page, "loss")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    expect(page.locator("[data-panel=loss] .change")).to_have_text(re.compile(r"^at \d\d:\d\d:\d\d$"))


def test_zooming_on_steps_is_a_range_of_time(page):
    page.goto("/training")
    page.locator("[data-panel=loss] .value").wait_for()
    box = column(page, "loss")
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 40, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile("from="))
    zoomed = params(page)
    assert int(zoomed["to"]) - int(zoomed["from"]) == pytest.approx(75_000, abs=2500)
    page.mouse.move(5, 5)
    expect(page.locator("[data-panel=val_accuracy] .value")).to_have_text(re.compile(r"0\.56\d"))


def test_smoothing_shows_the_raw_line_too(page):
    page.goto("/training?refresh=off")
    page.locator("[data-panel=loss] .value").wait_for()
    page.locator("#smoothing").fill("0.9")
    expect(page.locator(".toolbar output")).to_have_text("0.90")
    assert params(page)["smooth"] == "0.9"
    assert headline(page, "loss") == "0.507"
    series = page.evaluate(
        """async () => {
            const { smooth } = await import(document.querySelector('link[href$="smoothing.js"]').href);
            return smooth([1, null, 3, NaN, 3], 0.5).map(String);
        }"""
    )
    assert series == ["1", "null", str((0.25 + 1.5) / 0.75), "NaN", str((0.125 + 0.75 + 1.5) / 0.875)]


def test_log_scale_stands_in_the_address_and_survives_a_reload(page):
    page.goto("/training")
    page.get_by_label("log scale").check()
    assert params(page)["y"] == "log"
    page.reload()
    expect(page.get_by_label("log scale")).to_be_checked()
    assert series_pixels(page, "loss", 1) > 100


def test_a_long_run_is_shown_by_mean_and_band(page, api):
    page.goto("/training?run=long")
    expect(page.locator(".strip .state")).to_have_text("failed")
    expect(page.locator(".strip")).to_contain_text("took 1 h 3 min")
    expect(page.locator("[data-panel=loss] .extremes")).to_have_text("1 \u2013 2")
    box = column(page, "loss")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    expect(page.locator("[data-panel=loss] .value")).to_have_text(re.compile(r"^1\.[45]\d"))
    asked = [expr for expr in api.asked if expr.startswith(("min_over", "max_over", "avg_over"))]
    assert any("training_loss" in expr for expr in asked)
    assert not any(re.search(r'run="long"}\[\d+ms\]', expr) for expr in api.asked)


def test_a_run_that_stopped_reporting_is_silent(page, api):
    api.runs["digits"].start_s -= 200
    page.goto("/training")
    expect(page.locator(".strip .state")).to_have_text("silent")
    expect(page.locator(".strip")).to_contain_text("not heard of for 3 min")


def test_a_nan_is_told(page, api):
    api.runs["digits"].values["loss"] = lambda step: float("nan") if step > 290 else 1.0
    page.goto("/training")
    value = page.locator("[data-panel=loss] .value")
    expect(value).to_have_text("NaN")
    expect(value).to_have_class(re.compile("is-critical"))


def test_an_alert_of_the_run_is_marked_at_its_step(page, api):
    api.firing = [RUN_ALERT]
    page.goto("/training")
    expect(page.locator(".run .alert strong")).to_have_text("LossSpike")
    expect(page.locator("[data-panel=loss] .mark-tick")).to_have_attribute(
        "title", re.compile("LossSpike fired")
    )
    expect(page.locator(".rail a").nth(1).locator(".badge")).to_have_text("1")
    assert page.locator("[data-panel=throughput] .mark").count() == 0


def test_a_live_run_moves_on(page, api):
    page.goto("/training?refresh=1s")
    expect(page.locator(".steps")).to_have_text("step 300 / 1\u202f200")
    api.runs["digits"].steps = 330
    expect(page.locator(".steps")).to_have_text("step 330 / 1\u202f200")
    api.runs["digits"].status = 2
    expect(page.locator(".strip .state")).to_have_text("complete")
    expect(page.locator(".strip")).to_contain_text("took 5 min")


def test_a_repeated_step_counts_as_its_last_attempt(page):
    page.goto("/training")
    steps = page.evaluate(
        """async () => {
            const module = document.querySelector('link[href$="steps.js"]').href;
            const { makeStepAxis, frameOverTime, frameOverSteps } = await import(module);
            const times = [1, 2, 3, 4, 5];
            const series = [
                { labels: { __name__: "training_step" }, times, values: [1, 2, 3, 2, 3] },
                { labels: { __name__: "training_loss" }, times, values: [9, 8, 7, 6, 5] },
            ];
            const frame = frameOverSteps(frameOverTime([series[1]], () => "loss"), makeStepAxis(series));
            return [frame.x, frame.lines[0].values];
        }"""
    )
    assert steps == [[1, 2, 3], [9, 6, 5]]


def test_another_run_is_one_click_away(page):
    page.goto("/training")
    page.locator(".runs a", has_text="long").click()
    expect(page.locator(".topbar .subject")).to_have_text("long")
    assert params(page)["run"] == "long"
    page.go_back()
    expect(page.locator(".topbar .subject")).to_have_text("digits")


def test_without_runs_two_lines_say_how_to_start_one(page, api, site):
    api.runs = {}
    page.goto("/training")
    expect(page.locator(".empty-page p")).to_contain_text("No training reported in the last 7 days.")
    lines = page.locator(".empty-page pre").inner_text().splitlines()
    assert lines[0] == "import tocsin"
    assert "tocsin.TrainingMonitor(" in lines[1]
    compile("\n".join(lines), "pasted", "exec")
    expect(page.get_by_text(f"TOCSIN_URL={site}")).to_be_visible()


@pytest.mark.parametrize("asked", ["from=0&to=99999999999999999", "from=1&to=0", "from=x&to=5"])
def test_a_range_that_is_none_counts_as_not_given(page, asked):
    page.goto(f"/?{asked}&refresh=off")
    page.locator("[data-panel=cpu] .value").wait_for()
    expect(page.get_by_text("last 15 min").first).to_be_visible()


def test_a_run_that_has_just_begun(page, api):
    start = api.runs["digits"].start_s + 297
    api.runs = {"young": Run(start, 2, 1, 100, {"loss": lambda step: 2.0 / step})}
    page.goto("/training")
    expect(page.locator(".steps")).to_have_text("step 2 / 100")
    assert headline(page, "loss") == "1"
    assert series_pixels(page, "loss", 1) > 20


def test_lines_of_several_processes_go_on_at_each_others_times(page):
    page.goto("/training")
    frame = page.evaluate(
        """async () => {
            const { frameOverTime } = await import(document.querySelector('link[href$="steps.js"]').href);
            const ranks = [
                { labels: { rank: "0" }, times: [0, 1, 2, 30], values: [5, 4, 3, 2] },
                { labels: { rank: "1" }, times: [0.5, 1.5, 2.5], values: [9, 8, 7] },
            ];
            return frameOverTime(ranks, ({ rank }) => rank);
        }"""
    )
    first, second = frame["lines"]
    assert frame["x"][:6] == [0, 0.5, 1, 1.5, 2, 2.5]
    assert first["values"][:6] == [5, 5, 4, 4, 3, 3]
    assert second["values"] == [None, 9, 9, 8, 8, 7, *[None] * (len(frame["x"]) - 6)]
