"""A Chromium for each module of browser tests; each test has a fresh API behind it and fresh pages.

Playwright's synchronous interface keeps an event loop running in this thread, in which no asynchronous test
could run; so it is stopped at the end of each module.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.fake_api import FakeApi, Stage, serve
from tests.support.peers import require_peer
from tests.support.ports import free_port

TIMEOUT_MS = 15_000
"""Long enough for a machine whose cores are busy with the rest of the suite."""

ARGUMENTS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser():
    path = require_peer("chromium")
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def stage():
    return Stage()


@pytest.fixture(scope="session")
def site(stage):
    with serve(stage, free_port()) as url:
        yield url


@pytest.fixture(scope="module")
def desktop(browser, site):
    """A window whose cache the tests of a module share."""
    context = browser.new_context(base_url=site, viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@pytest.fixture
def api(stage):
    stage.api = FakeApi()
    return stage.api


@pytest.fixture
def watched():
    """Watches pages, and fails the test when one of them reports an error or reaches another host."""
    faults = []

    def watch(page):
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: _check_host(request.url, faults))
        page.on("console", lambda message: _check_message(message.text, faults))
        page.set_default_timeout(TIMEOUT_MS)
        return page

    yield watch
    assert faults == []


@pytest.fixture
def page(desktop, api, watched):
    page = watched(desktop.new_page())
    yield page
    page.close()


@pytest.fixture
def new_page(browser, site, api, watched):
    """Opens pages in windows of their own, for other sizes, colours and permissions."""
    contexts = []

    def open_page(**options):
        contexts.append(browser.new_context(**{"base_url": site, **options}))
        return watched(contexts[-1].new_page())

    yield open_page
    for context in contexts:
        context.close()


def _check_host(url: str, faults: list[str]) -> None:
    if not url.startswith(("http://127.0.0.1:", "data:")):
        faults.append(f"a request left the host: {url}")


def _check_message(text: str, faults: list[str]) -> None:
    if "Content Security" in text:
        faults.append(text)
