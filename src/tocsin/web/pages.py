"""The pages: one HTML shell, the static files behind it, and the dashboards as JSON.

Pages get their data from the HTTP API alone, load nothing from another host, and run no inline
script; the Content-Security-Policy says so to the browser.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from pathlib import Path
from string import Template
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from tocsin._version import __version__
from tocsin.dashboards import DASHBOARDS, Dashboard, find_dashboard

STATIC_DIR: Final = Path(__file__).resolve().parent / "static"

_IMPORT: Final = re.compile(r"""\bfrom "(\.[^"]+\.js)";""")

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def routes() -> list[BaseRoute]:
    """The pages, ``/static/`` and ``/api/tocsin/dashboards``, to be mounted at the root."""
    pages = [Route(dashboard.path, _page, name=dashboard.name) for dashboard in DASHBOARDS]
    return [
        *pages,
        Route("/api/tocsin/dashboards", _list_dashboards),
        Route("/api/tocsin/dashboards/{name}", _show_dashboard),
        Mount("/static", _VersionedFiles(directory=STATIC_DIR)),
    ]


async def _page(request: Request) -> Response:
    path = request.url.path
    dashboard = next(dashboard for dashboard in DASHBOARDS if dashboard.path == path)
    return HTMLResponse(_shell(dashboard), headers={**SECURITY_HEADERS, "Cache-Control": "no-cache"})


async def _list_dashboards(_request: Request) -> Response:
    return JSONResponse([dashboard.to_json() for dashboard in DASHBOARDS])


async def _show_dashboard(request: Request) -> Response:
    name = request.path_params["name"]
    if (dashboard := find_dashboard(name)) is not None:
        return JSONResponse(dashboard.to_json())
    known = ", ".join(dashboard.name for dashboard in DASHBOARDS)
    error = f'no dashboard is named "{name}" (there are {known})'
    return JSONResponse({"status": "error", "errorType": "not_found", "error": error}, status_code=404)


@cache
def _shell(dashboard: Dashboard) -> str:
    """The HTML of a page; its data block cannot end early because ``<`` is escaped."""
    boot = {"version": __version__, "dashboards": [each.to_json() for each in DASHBOARDS]}
    scripts = STATIC_DIR / "js"
    found = _imported(scripts / "app.js") | _imported(scripts / "pages" / f"{dashboard.name}.js")
    modules = sorted(path.relative_to(STATIC_DIR).as_posix() for path in found)
    base = f"/static/{_static_version()}"
    return Template((STATIC_DIR / "shell.html").read_text(encoding="utf-8")).substitute(
        title=f"{dashboard.title} · tocsin",
        description=dashboard.question,
        base=base,
        preload="\n".join(f'<link rel="modulepreload" href="{base}/{module}">' for module in modules),
        boot=json.dumps(boot, separators=(",", ":")).replace("<", "\\u003c"),
    )


def _imported(module: Path) -> set[Path]:
    """A module and all that it imports before it runs; pages are imported later, when they are shown."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            names = _IMPORT.findall(path.read_text(encoding="utf-8"))
            waiting += [(path.parent / name).resolve() for name in names if "/vendor/" not in name]
    return found


@cache
def _static_version() -> str:
    """A digest of all static files, so that a changed file gets a new address."""
    digest = hashlib.sha256()
    for path in sorted(path for path in STATIC_DIR.rglob("*") if path.is_file()):
        digest.update(path.relative_to(STATIC_DIR).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


class _VersionedFiles(StaticFiles):
    """Files that browsers keep for ever under ``/static/<version>/`` and revalidate without it."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        first, _, rest = path.partition("/")
        is_current = first == _static_version()
        response = await super().get_response(rest if is_current else path, scope)
        response.headers.update(SECURITY_HEADERS)
        response.headers["Cache-Control"] = (
            "public, max-age=31536000, immutable" if is_current else "no-cache"
        )
        return response
