"""The whole suite of the HTTP API, over a tocsin that keeps its samples in another engine."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.server import test_api as suite
from tests.storage.remote.engines import ENGINES, PROMETHEUS, VICTORIA_METRICS, running_engine
from tests.support.process import running_tocsin

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]

DIFFERENT = {
    "test_raw_samples_scalars_and_strings": "Prometheus 2 counts the beginning of a range in; MetricsQL has "
    "no scalars and no strings",
    "test_stats_are_given_when_asked_for": "Prometheus 2 counts the beginning of a range in",
    "test_a_query_that_takes_too_much_is_refused": "what a query may take meanwhile is the engine's to say",
}
ONLY_PROMQL = {
    "test_the_command_line_shows_the_answer": "VictoriaMetrics words its errors in its own way",
    "test_series_labels_and_values": "VictoriaMetrics finds series by the day",
}

globals().update(
    {name: test for name, test in vars(suite).items() if name.startswith("test_") and name not in DIFFERENT}
)


@pytest.fixture(scope="module", params=ENGINES)
def both(request, tmp_path_factory):
    """An engine and a tocsin over it, with the series that the suite expects."""
    suite.NOW_S = int(time.time()) - 60
    folder = tmp_path_factory.mktemp("api")
    (folder / "engine").mkdir()
    environment = {"TOCSIN_RUNTIME_DIR": str(folder / "runtime")}
    with running_engine(request.param, folder / "engine") as engine:
        config = suite.CONFIG + engine.config()
        with running_tocsin(folder, config, environment=environment) as tocsin:
            lines = [
                f'steps{{run="{run}"}} {factor * n} {(suite.NOW_S - 19 + n) * 1000}'
                for run, factor in (("a", 1), ("b", 2))
                for n in range(20)
            ]
            text = "# TYPE steps gauge\n# HELP steps Steps taken.\n" + "\n".join(lines)
            answer = httpx.post(f"{tocsin.url}/api/v1/import/prometheus", content=text, trust_env=False)
            assert answer.status_code == 204
            engine.show()
            yield engine, tocsin


@pytest.fixture
def url(both, request):
    engine, tocsin = both
    name = request.node.originalname
    if engine.program == VICTORIA_METRICS and name in ONLY_PROMQL:
        pytest.skip(ONLY_PROMQL[name])
    return tocsin.url


@pytest.fixture
def client(both, url):
    """A client that sees at once what was written."""
    engine, _ = both
    with httpx.Client(
        base_url=url, trust_env=False, event_hooks={"request": [lambda _: engine.show()]}
    ) as client:
        yield client


def test_the_start_says_where_samples_are(both):
    engine, tocsin = both
    assert f"written to {engine.url}, read from {engine.url}" in tocsin.output()
    assert not (tocsin.data / "tocsin.duckdb").exists()


def test_raw_samples(both):
    _, tocsin = both
    answer = httpx.get(
        f"{tocsin.url}/api/v1/query",
        params={"query": 'steps{run="a"}[2500ms]', "time": suite.NOW_S},
        trust_env=False,
    )
    content = answer.json()["data"]
    assert content["resultType"] == "matrix"
    assert content["result"][0]["values"] == [
        [suite.NOW_S - 2, "17"],
        [suite.NOW_S - 1, "18"],
        [suite.NOW_S, "19"],
    ]


def test_limits_hold_for_answers(both):
    engine, tocsin = both
    answer = httpx.get(
        f"{tocsin.url}/api/v1/query", params={"query": "steps[1h:1ms]", "time": suite.NOW_S + 59}
    )
    assert answer.status_code == 422
    if engine.program == PROMETHEUS:
        assert "too many samples" in answer.json()["error"]
