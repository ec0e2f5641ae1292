"""The pages of a real tocsin during a real training whose loss spikes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.reading import headline, series_pixels
from tests.support.process import running_tocsin

pytestmark = [pytest.mark.browser, pytest.mark.peer]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "train_digits.py"
SPIKE_AT_STEP = 240
ALERT_TIMEOUT_MS = 40_000


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A tocsin and a training beside it."""
    folder = tmp_path_factory.mktemp("real")
    environment = {"TOCSIN_RUNTIME_DIR": str(folder / "runtime")}
    with running_tocsin(folder, "collectors: {interval: 1s}", environment=environment) as tocsin:
        command = [sys.executable, str(EXAMPLE), "--steps", "100000", "--steps-per-second", "20"]
        training = subprocess.Popen(
            [*command, "--spike-at", str(SPIKE_AT_STEP), "--spike-lr", "5"],
            env={**os.environ, "TOCSIN_URL": tocsin.url},
            stdout=subprocess.DEVNULL,
        )
        try:
            yield tocsin.url
        finally:
            training.terminate()
            training.wait()


def test_overview_draws_this_machine(new_page, url):
    page = new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{url}/")
    for panel in ("cpu", "memory", "load"):
        page.locator(f"[data-panel={panel}] canvas").wait_for()
        expect(page.locator(f"[data-panel={panel}] .value")).to_have_text(re.compile("[0-9]"))
    assert headline(page, "memory").endswith(("GiB", "MiB"))
    page.wait_for_timeout(2500)
    assert series_pixels(page, "memory", 1) + series_pixels(page, "memory", 2) > 0


def test_training_draws_the_run_and_shows_the_alert(new_page, url):
    page = new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{url}/training?refresh=1s")
    expect(page.locator(".strip .state")).to_have_text("running")
    expect(page.locator("[data-panel=loss] .value")).to_have_text(re.compile("[0-9]"))
    assert headline(page, "learning_rate") in {"0.100", "5.00"}
    assert series_pixels(page, "loss", 1) > 50
    page.goto(f"{url}/?refresh=1s")
    alert = page.get_by_text("TrainingLossSpike").first
    alert.wait_for(timeout=ALERT_TIMEOUT_MS)
    expect(page.get_by_text("The loss of digits has jumped to").first).to_be_visible()
