"""The HTTP API of a real process, as Prometheus' documentation describes it."""

from __future__ import annotations

import gzip
import subprocess
import time
from datetime import UTC, datetime

import httpx
import pytest
from prometheus_api_client import PrometheusConnect

from tests.support.peers import require_peer
from tests.support.process import running_tocsin
from tocsin.commands.query import query as query_command
from tocsin.errors import QueryError, UsageError
from tocsin.model import Labels, MetricMetadata, MetricType, SampleBatch
from tocsin.receive import encode_write_request

NOW_S = int(time.time()) - 60
CONFIG = """
global: {external_labels: {site: berlin}}
collectors: {enabled: false}
query: {max_samples: 100000, max_series: 50, timeout: 30s}
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A tocsin with two series of twenty samples, 1 s apart, that end at NOW_S."""
    # Some minutes may have passed since the module was read, and samples must be newer than the look-back.
    global NOW_S  # noqa: PLW0603 - the tests of other engines set it too
    NOW_S = int(time.time()) - 60
    folder = tmp_path_factory.mktemp("api")
    environment = {"TOCSIN_RUNTIME_DIR": str(folder / "runtime")}
    with running_tocsin(folder, CONFIG, environment=environment) as tocsin:
        lines = [
            f'steps{{run="{run}"}} {factor * n} {(NOW_S - 19 + n) * 1000}'
            for run, factor in (("a", 1), ("b", 2))
            for n in range(20)
        ]
        text = "# TYPE steps gauge\n# HELP steps Steps taken.\n" + "\n".join(lines)
        answer = httpx.post(f"{tocsin.url}/api/v1/import/prometheus", content=text, trust_env=False)
        assert answer.status_code == 204
        yield tocsin.url


@pytest.fixture
def client(url):
    with httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def data_of(answer: httpx.Response):
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert content["status"] == "success"
    return content["data"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_instant_query(client, method):
    parameters = {"query": "steps", "time": str(NOW_S)}
    key = "params" if method == "GET" else "data"
    data = data_of(client.request(method, "/api/v1/query", **{key: parameters}))
    assert data == {
        "resultType": "vector",
        "result": [
            {"metric": {"__name__": "steps", "run": "a"}, "value": [NOW_S, "19"]},
            {"metric": {"__name__": "steps", "run": "b"}, "value": [NOW_S, "38"]},
        ],
    }


def test_times_may_be_rfc_3339(client):
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW_S))
    data = data_of(client.get("/api/v1/query", params={"query": "sum(steps)", "time": moment}))
    assert data["result"] == [{"metric": {}, "value": [NOW_S, "57"]}]


def test_a_range_query(client):
    parameters = {"query": 'steps{run="a"}', "start": NOW_S - 2, "end": NOW_S, "step": "500ms"}
    (series,) = data_of(client.get("/api/v1/query_range", params=parameters))["result"]
    assert series["values"] == [
        [NOW_S - 2, "17"],
        [NOW_S - 1.5, "17"],
        [NOW_S - 1, "18"],
        [NOW_S - 0.5, "18"],
        [NOW_S, "19"],
    ]


def test_a_range_has_gaps_where_there_is_nothing(client):
    parameters = {
        "query": 'steps{run="a"} == 3 or steps{run="a"} == 5',
        "start": NOW_S - 19,
        "end": NOW_S,
        "step": 1,
    }
    (series,) = data_of(client.get("/api/v1/query_range", params=parameters))["result"]
    assert series["values"] == [[NOW_S - 16, "3"], [NOW_S - 14, "5"]]


def test_raw_samples_scalars_and_strings(client):
    raw = data_of(client.get("/api/v1/query", params={"query": 'steps{run="a"}[3s]', "time": NOW_S}))
    assert raw["resultType"] == "matrix"
    assert raw["result"][0]["values"] == [[NOW_S - 2, "17"], [NOW_S - 1, "18"], [NOW_S, "19"]]
    assert data_of(client.get("/api/v1/query", params={"query": "1 / 0", "time": 5})) == {
        "resultType": "scalar",
        "result": [5, "+Inf"],
    }
    assert data_of(client.get("/api/v1/query", params={"query": '"hi"', "time": 5}))["result"] == [5, "hi"]


def test_limit_says_that_it_cut(client):
    answer = client.get("/api/v1/query", params={"query": "steps", "time": NOW_S, "limit": 1})
    assert len(data_of(answer)["result"]) == 1
    assert answer.json()["warnings"] == ["results truncated due to limit"]


def test_stats_are_given_when_asked_for(client):
    data = data_of(client.get("/api/v1/query", params={"query": "steps[5s]", "time": NOW_S, "stats": "all"}))
    assert data["stats"]["samples"]["totalQueryableSamples"] == 10


def test_series_labels_and_values(client):
    both = [("match[]", 'steps{run="a"}'), ("match[]", "steps")]
    assert data_of(client.get("/api/v1/series", params=both)) == [
        {"__name__": "steps", "run": "a"},
        {"__name__": "steps", "run": "b"},
    ]
    assert data_of(client.get("/api/v1/labels", params={"match[]": "steps"})) == ["__name__", "run"]
    assert data_of(client.get("/api/v1/label/run/values")) == ["a", "b"]
    assert data_of(client.get("/api/v1/label/run/values", params={"match[]": 'steps{run!="a"}'})) == ["b"]
    before = {"match[]": "steps", "start": NOW_S - 100, "end": NOW_S - 50}
    assert data_of(client.get("/api/v1/series", params=before)) == []


def test_metadata(client):
    data = data_of(client.get("/api/v1/metadata", params={"metric": "steps"}))
    assert data == {"steps": [{"type": "gauge", "help": "Steps taken.", "unit": ""}]}


def test_federation_gives_the_newest_samples_with_external_labels(client):
    answer = client.get("/federate", params={"match[]": "steps"})
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert answer.text.splitlines() == [
        "# TYPE steps gauge",
        f'steps{{run="a",site="berlin"}} 19 {NOW_S * 1000}',
        f'steps{{run="b",site="berlin"}} 38 {NOW_S * 1000}',
    ]


def test_queries_about_queries(client):
    formatted = client.get("/api/v1/format_query", params={"query": "sum(rate(x[5m]))by(a)"})
    assert data_of(formatted) == "sum by (a) (rate(x[5m]))"
    tree = data_of(
        client.get("/api/v1/parse_query", params={"query": "-x offset 5m > bool on(a) 2 + y @ end()"})
    )
    assert tree["type"] == "binaryExpr"
    assert data_of(client.get("/api/v1/query_exemplars", params={"query": "x"})) == []
    functions = data_of(client.get("/api/tocsin/promql/functions"))
    rate = next(function for function in functions if function["name"] == "rate")
    assert rate["argTypes"] == ["matrix"]
    assert rate["summary"].endswith(".")


def test_reports(client):
    assert data_of(client.get("/api/v1/status/buildinfo"))["application"] == "tocsin"
    assert data_of(client.get("/api/v1/status/flags"))["query.max-samples"] == "100000"
    assert "site: berlin" in data_of(client.get("/api/v1/status/config"))["yaml"]
    assert data_of(client.get("/api/v1/status/runtimeinfo"))["storageRetention"] == "1w"
    head = data_of(client.get("/api/v1/status/tsdb", params={"limit": 1000}))
    assert {"name": "steps", "value": 2} in head["seriesCountByMetricName"]
    assert data_of(client.get("/api/v1/targets"))["activeTargets"] == []
    assert data_of(client.get("/api/v1/alerts"))["alerts"] == []
    names = {group["name"] for group in data_of(client.get("/api/v1/rules"))["groups"]}
    assert "training" in names
    assert "process_resident_memory_bytes" in client.get("/metrics").text


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("count_over_time(steps[1h:1ms])", "too many samples"),
        ('{__name__=~".+"}', "series"),
    ],
)
def test_a_query_that_takes_too_much_is_refused(client, query, sentence):
    lines = "\n".join(f'many{{n="{n}"}} 1' for n in range(60))
    client.post("/api/v1/import/prometheus", content=lines)
    answer = client.get("/api/v1/query", params={"query": query})
    assert answer.status_code == 422
    assert answer.json()["errorType"] == "execution"
    assert sentence in answer.json()["error"]


def test_remote_write_stores_samples_and_metadata(client):
    labels = Labels({"__name__": "written_total", "job": "writer"})
    batch = SampleBatch.at(NOW_S * 1000, {labels: 5.0})
    body = encode_write_request(batch, {"written_total": MetricMetadata(MetricType.COUNTER, "Writes.")})
    headers = {"content-type": "application/x-protobuf", "content-encoding": "snappy"}
    assert client.post("/api/v1/write", content=body, headers=headers).status_code == 204
    data = data_of(client.get("/api/v1/query", params={"query": "written_total", "time": NOW_S}))
    assert data["result"][0]["value"] == [NOW_S, "5"]
    assert data_of(client.get("/api/v1/metadata"))["written_total"][0]["type"] == "counter"


def test_text_may_be_compressed_and_get_extra_labels(client):
    answer = client.post(
        "/api/v1/import/prometheus?extra_label=site=paris",
        content=gzip.compress(f"zipped 1 {NOW_S * 1000}".encode()),
        headers={"content-encoding": "gzip"},
    )
    assert answer.status_code == 204
    data = data_of(client.get("/api/v1/series", params={"match[]": "zipped"}))
    assert data == [{"__name__": "zipped", "site": "paris"}]


def test_a_python_client_for_prometheus_works_unmodified(url):
    client = PrometheusConnect(url)
    assert client.check_prometheus_connection()
    assert "steps" in client.all_metrics()
    assert client.get_label_values("run") == ["a", "b"]
    newest = client.get_current_metric_value("steps", {"run": "a"})
    assert newest[0]["metric"] == {"__name__": "steps", "run": "a"}
    begin, end = (datetime.fromtimestamp(moment_s, UTC) for moment_s in (NOW_S - 2, NOW_S))
    ranged = client.custom_query_range('steps{run="a"}', begin, end, "1")
    assert ranged[0]["values"] == [[NOW_S - 2, "17"], [NOW_S - 1, "18"], [NOW_S, "19"]]
    assert client.custom_query("sum(steps)", {"time": NOW_S})[0]["value"] == [NOW_S, "57"]
    assert len(client.get_metric_range_data("steps", start_time=begin, end_time=end)) == 2


@pytest.mark.peer
def test_promtool_asks_it_as_it_asks_prometheus(url):
    promtool = require_peer("promtool")

    def ask(*arguments: str) -> str:
        ended = subprocess.run([promtool, "query", *arguments], capture_output=True, text=True, check=True)
        return ended.stdout

    assert f"=> 19 @[{NOW_S}]" in ask("instant", f"--time={NOW_S}", url, 'steps{run="a"}')
    ranged = ask("range", f"--start={NOW_S - 2}", f"--end={NOW_S}", "--step=1s", url, 'steps{run="a"}')
    assert f"17 @[{NOW_S - 2}]" in ranged
    assert ask("labels", url, "run").split() == ["a", "b"]
    assert "steps" in ask("series", "--match=steps", url)


def test_the_command_line_shows_the_answer(url, capsys):
    assert query_command("sum(steps)", end=str(NOW_S), url=url) == 0
    assert "57" in capsys.readouterr().out
    query_command('steps{run="a"}', start=str(NOW_S - 7), end=str(NOW_S), step="1s", url=url)
    assert "▁▂▃▄▅▆▇█" in capsys.readouterr().out
    query_command("sum(steps)", end=str(NOW_S), url=url, as_json=True)
    assert '"resultType": "vector"' in capsys.readouterr().out
    with pytest.raises(QueryError, match="unclosed left parenthesis"):
        query_command("sum(", url=url)
    with pytest.raises(UsageError, match="not a time"):
        query_command("up", start="yesterday", url=url)
    with pytest.raises(UsageError, match="is tocsin up"):
        query_command("up", url="http://127.0.0.1:9")
