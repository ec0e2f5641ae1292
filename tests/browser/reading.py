"""Reads what a person sees on a page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
SEVERE = {"serious", "critical"}


def serious_findings(page: Page) -> list[tuple[str, str]]:
    """What axe finds serious or critical: the rule and the first element; needs a page without CSP."""
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run()")["violations"]
    return [(rule["id"], rule["nodes"][0]["html"]) for rule in found if rule["impact"] in SEVERE]


def headline(page: Page, panel: str) -> str:
    """The current value of a panel."""
    return page.locator(f"[data-panel={panel}] .value").inner_text()


def legend(page: Page, panel: str) -> dict[str, list[str]]:
    """Lines of a legend in their order: name to [now, min, max]."""
    rows = page.locator(f"[data-panel={panel}] .legend tbody tr")
    rows.first.wait_for()
    cells = rows.evaluate_all("rows => rows.map(row => [...row.children].map(cell => cell.innerText.trim()))")
    return {name: values for name, *values in cells}


def drawn_pixels(page: Page, panel: str) -> int:
    """How many pixels of a chart are not background."""
    canvas = page.locator(f"[data-panel={panel}] canvas")
    canvas.wait_for()
    return canvas.evaluate(
        """canvas => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let count = 0;
            for (let index = 3; index < data.length; index += 4) if (data[index] > 0) count += 1;
            return count;
        }"""
    )


def series_pixels(page: Page, panel: str, number: int) -> int:
    """How many pixels of a chart have the pure colour of a series (1 to 8)."""
    canvas = page.locator(f"[data-panel={panel}] canvas")
    canvas.wait_for()
    return canvas.evaluate(
        """(canvas, number) => {
            const style = getComputedStyle(document.documentElement);
            const hex = style.getPropertyValue(`--series-${number}`).trim();
            const [red, green, blue] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const near = (at, value) => Math.abs(data[at] - value) < 12;
            let count = 0;
            for (let at = 0; at < data.length; at += 4)
                if (data[at + 3] > 200 && [red, green, blue].every((value, part) => near(at + part, value)))
                    count += 1;
            return count;
        }""",
        number,
    )


def column(page: Page, panel: str) -> dict[str, float]:
    """Where the plotting area of a chart lies."""
    box = page.locator(f"[data-panel={panel}] .u-over").bounding_box()
    assert box is not None
    return box


def params(page: Page) -> dict[str, str]:
    """The parameters in the address of a page."""
    return page.evaluate("Object.fromEntries(new URLSearchParams(location.search))")


def expect_params(page: Page, expected: dict[str, str]) -> None:
    """Wait until the address has these parameters and no other; some change just after what is seen."""
    page.wait_for_function(
        """expected => {
            const params = [...new URLSearchParams(location.search)];
            return params.length === Object.keys(expected).length
                && params.every(([name, value]) => expected[name] === value);
        }""",
        arg=expected,
    )


def figures(page: Page) -> dict[str, list[str]]:
    """The figures of the store: name to [value, note]."""
    boxes = page.locator(".figures > div")
    boxes.first.wait_for()
    cells = boxes.evaluate_all(
        "boxes => boxes.map(box => [...box.children].map(part => part.innerText.trim()))"
    )
    return {name: values for name, *values in cells}


def table(page: Page, selector: str) -> list[dict[str, str]]:
    """The rows of a table by its headings."""
    found = page.locator(selector)
    found.wait_for()
    rows = found.locator("tr").evaluate_all(
        "rows => rows.map(row => [...row.children].map(cell => cell.textContent.trim()))"
    )
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
