"""The whole product on another engine: collected, asked, alerted on, interrupted, and going on."""

from __future__ import annotations

import contextlib
import time
from datetime import datetime

import httpx
import pytest

from tests.storage.remote.engines import ENGINES, VICTORIA_METRICS, running_engine
from tests.support.process import running_tocsin
from tocsin.dashboards import DASHBOARDS

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]

RULES = """
groups:
  - name: quick
    interval: 1s
    rules:
      - {record: doubled, expr: 'last_over_time(load[1h]) * 2'}
      - {alert: High, expr: doubled > 10, labels: {severity: page}}
      - {alert: Slow, expr: load > 5, for: 30m}
"""
CONFIG = "collectors: {interval: 1s}\nrule_files: [rules.yml]\n"
TIMEOUT_S = 30.0


@pytest.fixture(params=ENGINES)
def engine(request, tmp_path):
    (tmp_path / "engine").mkdir()
    (tmp_path / "rules.yml").write_text(RULES)
    with running_engine(request.param, tmp_path / "engine") as engine:
        yield engine


def wait_for(engine, what, condition):
    """Ask again and again, letting the engine show what it has; returns the first answer that is true."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline_s:
        engine.show()
        with contextlib.suppress(httpx.TransportError, KeyError, IndexError):
            if found := condition():
                return found
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {TIMEOUT_S:g} s")


def get(url, path, **params):
    return httpx.get(f"{url}{path}", params=params, trust_env=False, timeout=30).json()["data"]


def values(url, query):
    result = get(url, "/api/v1/query", query=query, nocache="1")["result"]
    return [float(series["value"][1]) for series in result]


def put(tocsin, value):
    return httpx.post(
        f"{tocsin.url}/api/v1/import/prometheus", content=f"load {value}", trust_env=False, timeout=30
    )


def test_rules_and_pages(tmp_path, engine):
    with running_tocsin(tmp_path, CONFIG + engine.config()) as tocsin:
        assert put(tocsin, 7).status_code == 204
        query = 'ALERTS{alertname="High",alertstate="firing",severity="page"}'
        assert wait_for(engine, "the alert in the engine", lambda: values(engine.url, query)) == [1.0]
        assert values(tocsin.url, "doubled") == [14.0]
        wait_for(engine, "what is collected", lambda: values(tocsin.url, "node_memory_MemTotal_bytes"))
        groups = get(tocsin.url, "/api/v1/rules")["groups"]
        errors = {rule["name"]: rule.get("lastError") for group in groups for rule in group["rules"]}
        assert not {name: error for name, error in errors.items() if error}
        for dashboard in DASHBOARDS:
            check_page(tocsin.url, dashboard)


def check_page(url, dashboard):
    """Whatever the page asks is answered."""
    assert httpx.get(f"{url}{dashboard.path}", trust_env=False).status_code == 200
    now_s = time.time()
    for panel in dashboard.panels:
        for query in panel.queries:
            expr = query.expr.replace("$__rate_interval", "1m")
            for variable in dashboard.variables:
                expr = expr.replace(f"${variable.name}", ".*")
            span = {"start": now_s - 300, "end": now_s, "step": 15}
            answer = httpx.post(
                f"{url}/api/v1/query_range", data={"query": expr, **span}, trust_env=False, timeout=30
            )
            assert answer.status_code == 200, f"{expr}: {answer.text}"
            assert answer.json()["data"]["resultType"] == "matrix"
    assert get(url, "/api/v1/label/__name__/values")


def test_an_alert_goes_on_after_a_restart(tmp_path, engine):
    with running_tocsin(tmp_path, CONFIG + engine.config()) as tocsin:
        assert put(tocsin, 7).status_code == 204
        wait_for(
            engine,
            "some seconds of being pending",
            lambda: max(values(engine.url, 'time() - ALERTS_FOR_STATE{alertname="Slow"}'), default=0) > 8,
        )
        tocsin.kill()
    restarted_s = time.time()
    with running_tocsin(tmp_path, CONFIG + engine.config()) as tocsin:
        assert put(tocsin, 7).status_code == 204

        def is_restored():
            slow = [
                a for a in get(tocsin.url, "/api/v1/alerts")["alerts"] if a["labels"]["alertname"] == "Slow"
            ]
            # The interruption does not count, so that the alert moves by it.
            return datetime.fromisoformat(slow[0]["activeAt"]).timestamp() < restarted_s

        wait_for(engine, "the state before the restart", is_restored)


def test_the_engine_goes_and_comes_back(tmp_path, engine):
    with running_tocsin(tmp_path, CONFIG + engine.config(timeout="1s")) as tocsin:
        assert put(tocsin, 7).status_code == 204
        wait_for(engine, "the sample", lambda: values(tocsin.url, "load"))
        engine.stop()
        for answer in (
            httpx.get(f"{tocsin.url}/api/v1/query", params={"query": "load"}, trust_env=False, timeout=30),
            put(tocsin, 8),
        ):
            assert answer.status_code == 503
            assert answer.json()["errorType"] == "unavailable"
            assert answer.json()["error"].startswith(f"cannot reach {engine.url}: ")
        assert httpx.get(f"{tocsin.url}/-/healthy", trust_env=False).status_code == 200
        assert httpx.get(f"{tocsin.url}/api/v1/metadata", trust_env=False).status_code == 200
        engine.start()
        assert put(tocsin, 9).status_code == 204
        wait_for(engine, "the new sample", lambda: values(tocsin.url, "load") == [9.0])
        wait_for(engine, "what rules write", lambda: values(tocsin.url, "doubled") == [18.0])
    assert "Traceback" not in tocsin.output()


GUARDED = """
storage:
  type: prometheus
  write_url: {url}/insert/0/prometheus/api/v1/write
  query_url: {url}/insert/0/prometheus
  headers: {{X-Scope-OrgID: tenant}}
  basic_auth: {{username: {user}, password_file: password}}
"""


@pytest.mark.parametrize("user", ["reader", "nobody"])
def test_a_path_and_a_password(tmp_path, user):
    (tmp_path / "engine").mkdir()
    (tmp_path / "password").write_text("s3cret\n")
    options = (
        "-httpAuth.username=reader",
        "-httpAuth.password=s3cret",
        "-http.pathPrefix=/insert/0/prometheus",
    )
    with running_engine(VICTORIA_METRICS, tmp_path / "engine", *options) as engine:
        config = "collectors: {enabled: false}" + GUARDED.format(url=engine.url, user=user)
        with running_tocsin(tmp_path, config) as tocsin:
            written = put(tocsin, 7)
            asked = httpx.get(f"{tocsin.url}/api/v1/query", params={"query": "load"}, trust_env=False)
            shown = httpx.get(f"{tocsin.url}/api/v1/status/config", trust_env=False).text
        if user == "reader":
            assert (written.status_code, asked.status_code) == (204, 200)
        else:
            assert (written.status_code, asked.status_code) == (503, 503)
            assert "(HTTP status 401)" in written.json()["error"]
            assert asked.json()["error"].startswith(f"{engine.url} answered HTTP status 401")
        assert "s3cret" not in tocsin.output() + shown + written.text + asked.text
        assert "tenant" not in tocsin.output() + shown
