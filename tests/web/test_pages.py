from __future__ import annotations

import json
import re

import httpx
import pytest
from starlette.applications import Starlette

from tocsin.dashboards import DASHBOARDS
from tocsin.web.pages import STATIC_DIR, routes

OUTSIDE = re.compile(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//""")


@pytest.fixture
async def client():
    transport = httpx.ASGITransport(Starlette(routes=routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


def static_urls(html):
    return re.findall(r'(?:src|href)="(/static/[^"]+)"', html)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)
async def test_each_dashboard_is_a_page(client, dashboard):
    response = await client.get(dashboard.path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert f"<title>{dashboard.title} · tocsin</title>" in response.text


async def test_a_page_allows_nothing_but_its_own_host(client):
    headers = (await client.get("/")).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"


async def test_a_page_has_no_inline_script_or_style(client):
    html = (await client.get("/")).text
    scripts = re.findall(r"<script([^>]*)>", html)
    assert all("src=" in attributes or 'type="application/json"' in attributes for attributes in scripts)
    assert "<style" not in html
    assert not re.search(r"\s(?:on\w+|style)=", html.split("<script id=")[0])


async def test_everything_that_a_page_names_exists_and_is_kept_for_ever(client):
    urls = static_urls((await client.get("/")).text)
    assert len(urls) > 10
    for url in urls:
        response = await client.get(url)
        assert response.status_code == 200, url
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


async def modules_ahead(client, path):
    names = {url.split("/", 3)[3] for url in static_urls((await client.get(path)).text)}
    return {name for name in names if name.startswith("js/")}


async def test_every_module_is_loaded_ahead_by_the_pages_that_need_it(client):
    named = {dashboard.name: await modules_ahead(client, dashboard.path) for dashboard in DASHBOARDS}
    modules = {path.relative_to(STATIC_DIR).as_posix() for path in (STATIC_DIR / "js").rglob("*.js")}
    assert set.union(*named.values()) == modules
    for name, found in named.items():
        assert {module for module in found if "/pages/" in module} == {f"js/pages/{name}.js"}
    assert "js/silenceform.js" in named["alerts"] - named["training"]


async def test_a_file_without_version_is_revalidated(client):
    response = await client.get("/static/app.css")
    assert response.headers["cache-control"] == "no-cache"
    again = await client.get("/static/app.css", headers={"If-None-Match": response.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path", ["/static/nothing.js", "/static/%2e%2e/pages.py", "/static/000000000000/app.css"]
)
async def test_what_is_not_there_is_not_found(client, path):
    assert (await client.get(f"/static/{path}")).status_code == 404


async def test_the_data_of_a_page_is_the_json_of_the_dashboards(client):
    html = (await client.get("/training")).text
    (boot,) = re.findall(r'<script id="boot" type="application/json">(.*?)</script>', html)
    assert "<" not in boot
    assert json.loads(boot)["dashboards"] == (await client.get("/api/tocsin/dashboards")).json()


async def test_a_dashboard_as_json(client):
    data = (await client.get("/api/tocsin/dashboards/overview")).json()
    assert data["title"] == "Overview"
    panels = [panel["name"] for section in data["sections"] for panel in section["panels"]]
    assert panels[:3] == ["cpu", "load", "memory"]


async def test_an_unknown_dashboard_is_one_sentence(client):
    response = await client.get("/api/tocsin/dashboards/weather")
    assert response.status_code == 404
    assert response.json() == {
        "status": "error",
        "errorType": "not_found",
        "error": 'no dashboard is named "weather" (there are overview, training, storage, alerts, incidents)',
    }


def test_no_own_file_names_another_host():
    own = [
        path
        for path in STATIC_DIR.rglob("*")
        if path.suffix in {".js", ".css", ".html"} and "vendor" not in path.parts
    ]
    assert len(own) > 20
    assert [path.name for path in own if OUTSIDE.search(path.read_text(encoding="utf-8"))] == []


def test_vendored_packages_keep_their_licences():
    folders = [path for path in (STATIC_DIR / "vendor").iterdir() if path.is_dir()]
    assert {folder.name for folder in folders} == {"htm", "preact", "uplot"}
    assert all((folder / "LICENSE").is_file() for folder in folders)
