"""What a real Prometheus or vmagent scrapes and forwards, tocsin answers as a Prometheus does."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from itertools import count
from pathlib import Path

import pytest

from tests.clients.forwarders import FORWARDERS, INTERVAL_MS, Engine, started, wait_until
from tests.scrape.exposition_server import exposition_server
from tests.support.process import RunningTocsin

pytestmark = [pytest.mark.peer, pytest.mark.timeout(180)]

PAGE = """\
# HELP requests_total Requests so far.
# TYPE requests_total counter
requests_total{{code="200",path="/a b\\\\c\\"d"}} {number}
requests_total{{code="500",path=""}} {half}
# HELP temperature Of the room.
# TYPE temperature gauge
temperature{{place="é"}} -7.5e-3
temperature{{place="nan"}} NaN
temperature{{place="hot"}} +Inf
temperature{{place="cold"}} -Inf
# HELP latency_seconds How long it took.
# TYPE latency_seconds histogram
latency_seconds_bucket{{le="0.5"}} {half}
latency_seconds_bucket{{le="+Inf"}} {number}
latency_seconds_sum {sum}
latency_seconds_count {number}
# TYPE untyped_thing untyped
untyped_thing 3
"""
SOMETIMES = "# TYPE sometimes gauge\nsometimes 1\n"
LEAVING = "# HELP leaving_total Gone soon.\n# TYPE leaving_total counter\nleaving_total 5\n"

QUERIES = (
    '{job=~"page|leaving",alertname=""}',
    "rate(requests_total[2s])",
    "increase(requests_total[3s]) / 2",
    "sum by (code) (requests_total) > 0",
    "histogram_quantile(0.9, sum by (le) (rate(latency_seconds_bucket[2s])))",
    "max_over_time(temperature[1s])",
    "count_over_time(sometimes[2s])",
    "sometimes or leaving_total",
    "changes(up[3s])",
    "absent(sometimes)",
    "resets(requests_total[5s])",
)
# Without the alerts of tocsin's own rules about targets that are down.
ALL = '{job=~"page|leaving",alertname=""}'
RESET_AT = 14


class Page:
    """Counts its scrapes; ``number`` starts anew once, as a process does that was restarted."""

    def __init__(self, server) -> None:
        self._server = server
        self._has_sometimes = True
        self._numbers = count(1)

        async def page(request) -> None:
            await request.answer(self._text().encode())

        server.pages["/metrics"] = page
        server.text("/leaving", LEAVING)

    def leave(self) -> None:
        """Show one series less, and let one target answer no more."""

        async def missing(request) -> None:
            await request.answer(b"", "404 Not Found")

        self._has_sometimes = False
        self._server.pages["/leaving"] = missing

    def _text(self) -> str:
        # Where samples are missing near 0, as at the beginning, older ones extrapolate in another way.
        scrape = next(self._numbers)
        number = 1000 + scrape if scrape < RESET_AT else scrape - RESET_AT
        text = PAGE.format(number=number, half=number // 2, sum=number * 0.1)
        return text + (SOMETIMES if self._has_sometimes else "")


async def newest_ms(engine: Engine, series: str) -> int:
    """The time of the newest sample of a series within the last minutes, or 0."""
    data = await engine.get("/api/v1/query", query=f"{series}[5m]")
    times_ms = [round(time_s * 1000) for each in data["result"] for time_s, _ in each["values"]]
    return max(times_ms, default=0)


async def wait_for_samples(engines: Sequence[Engine], series: str, after_ms: int) -> int:
    """Wait until every engine has a sample of a series that is later than a time; returns what all have."""

    async def are_there() -> bool:
        return min([await newest_ms(engine, series) for engine in engines]) > after_ms

    await wait_until(f"{series} after {after_ms}", are_there)
    return min([await newest_ms(engine, series) for engine in engines])


async def compare(ours: Engine, theirs: Engine, start_ms: int, end_ms: int) -> dict[str, object]:
    """Every sample and every answer must be the same; returns all samples of the range."""
    span_s = (end_ms - start_ms) // 1000
    # Older ones count a sample at the left end of a window, newer ones do not: no sample may be just there.
    selected = await theirs.instant(f"{ALL}[{span_s + 5}s]", end_ms)
    scraped_ms = {round(time_s * 1000) for each in selected.values() for time_s, _ in each}
    phase = next(phase for phase in range(INTERVAL_MS) if all((t + phase) % INTERVAL_MS for t in scraped_ms))
    start_ms, end_ms = (time_ms // INTERVAL_MS * INTERVAL_MS - phase for time_ms in (start_ms, end_ms))
    raw = f"{ALL}[{span_s}s]"
    found, expected = await ours.instant(raw, end_ms), await theirs.instant(raw, end_ms)
    assert found.keys() == expected.keys()
    for labels, samples in expected.items():
        assert found[labels] == samples, labels
    for query in QUERIES:
        found = await ours.range(query, start_ms, end_ms, INTERVAL_MS)
        expected = await theirs.range(query, start_ms, end_ms, INTERVAL_MS)
        assert expected, query
        assert rounded(found) == rounded(expected), query
    return await ours.instant(raw, end_ms)


def rounded(result: dict[str, object]) -> dict[str, list[tuple[float, str]]]:
    """Numbers may differ in their last digit where sums are made in another order."""
    return {
        labels: [(time_s, f"{float(value):.12g}") for time_s, value in samples]
        for labels, samples in result.items()
    }


async def is_gone(engines: Sequence[Engine], series: str) -> bool:
    """Whether a series has ended everywhere; without a marker it would be found for five minutes."""
    answers = [await engine.get("/api/v1/query", query=series) for engine in engines]
    return not any(answer["result"] for answer in answers)


async def compare_metadata(ours: Engine, theirs: Engine) -> None:
    """Prometheus sends type and help apart from the samples; vmagent does not send them."""

    async def is_known() -> bool:
        return "temperature" in await ours.get("/api/v1/metadata")

    await wait_until("metadata has arrived", is_known)
    found, expected = await ours.get("/api/v1/metadata"), await theirs.get("/api/v1/metadata")
    assert {"requests_total", "temperature", "latency_seconds"} <= expected.keys()
    assert {family: found.get(family) for family in expected} == expected


@contextlib.asynccontextmanager
async def forwarding(name: str, folder: Path, tocsin: str) -> AsyncIterator[tuple[Page, Engine]]:
    """A page, what forwards it to tocsin, and a Prometheus with the same samples."""
    (folder / "peer").mkdir()
    async with exposition_server() as server:
        page = Page(server)
        async with FORWARDERS[name](folder / "peer", server.address, tocsin) as theirs:
            yield page, theirs


@pytest.mark.parametrize(
    ("name", "end"), [("prometheus", RunningTocsin.stop), ("vmagent", RunningTocsin.kill)]
)
async def test_samples_answers_and_staleness_are_the_same_and_nothing_is_lost(
    name, end, tmp_path, monkeypatch
):
    with contextlib.ExitStack() as running:
        tocsin = running.enter_context(started(tmp_path, monkeypatch))
        async with forwarding(name, tmp_path, tocsin.url) as (page, theirs):
            both = (Engine(tocsin.url), theirs)
            first_ms = await wait_for_samples(both, 'up{job="leaving"}', 0)
            await wait_for_samples(both, 'requests_total{code="200"}', first_ms + 2 * INTERVAL_MS)
            page.leave()
            for series in ("sometimes", "leaving_total"):
                await wait_until(f"{series} is gone", lambda series=series: is_gone(both, series))
            gone_ms = await newest_ms(theirs, 'up{job="page"}')
            end(tocsin)
            away_ms = await wait_for_samples([theirs], 'up{job="page"}', gone_ms + 4 * INTERVAL_MS)
            running.enter_context(started(tmp_path, monkeypatch, tocsin.port))
            end_ms = await wait_for_samples(both, 'up{job="page"}', away_ms + 4 * INTERVAL_MS)
            for job in ("page", "leaving"):
                await wait_for_samples(both, f'up{{job="{job}"}}', end_ms)
            samples = await compare(*both, first_ms, end_ms)
            assert {"NaN", "+Inf", "-Inf", "-0.0075"} <= {v for each in samples.values() for _, v in each}
            if name == "prometheus":
                await compare_metadata(*both)
