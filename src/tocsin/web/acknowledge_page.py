"""The page behind a signed link in a message: one incident, and a button to acknowledge it.

Opening it changes nothing, since mail programs and chats open links by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from string import Template
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from tocsin.alerts.incidents import Incident, IncidentStatus
from tocsin.alerts.incidents.links import PATH
from tocsin.errors import ParseError
from tocsin.model.timestamps import format_timestamp_ms
from tocsin.web.pages import SECURITY_HEADERS
from tocsin.web.parameters import Parameters
from tocsin.web.services import Services

_HEADERS: Final = {
    **SECURITY_HEADERS,
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    # Without a referrer a browser sends "Origin: null" with a form, which is refused as a foreign page's.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_PAGE: Final = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Incident $id · tocsin</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/theme.css"><link rel="stylesheet" href="/static/app.css">
<link rel="stylesheet" href="/static/plain.css"></head>
<body class="plain"><main>
<div class="card is-$level">
<p class="status"><b class="is-$level">$severity</b><span class="muted">Incident $id</span></p>
<h1>$title</h1>
<p class="muted">opened $opened</p>
<ul>$alerts</ul>
<p role="status"><b class="is-$status_level">$status</b></p>$form</div>
<p><a href="/incidents?id=$id">Everything about it</a></p>
</main></body></html>
""")
_FORM: Final = """
<form method="post">
<label>Your name <input name="by" required maxlength="80" autocomplete="name" autofocus></label>
<button type="submit">Acknowledge</button>
<p class="muted">Nobody further is told while you act.</p></form>"""
_LEVELS: Final = {"critical": "critical", "high": "critical", "info": "info", "low": "info"}
_STATUS_LEVELS: Final = {
    IncidentStatus.OPEN: "critical",
    IncidentStatus.ACKNOWLEDGED: "info",
    IncidentStatus.RESOLVED: "ok",
}
_MOST_ALERTS: Final = 5
_DEFAULT_NAME: Final = "link"


class AcknowledgePage:
    """``/acknowledge/ID/SIGNATURE``; whoever has the link may use it."""

    def __init__(self, services: Services) -> None:
        self._book = services.incidents
        self._clock = services.clock

    def routes(self) -> Sequence[BaseRoute]:
        """The routes that this class answers."""
        path = f"{PATH}/{{id:int}}/{{signature}}"
        return (Route(path, self.show, methods=["GET"]), Route(path, self.acknowledge, methods=["POST"]))

    async def show(self, request: Request) -> Response:
        """The incident and the button."""
        return _page(self._incident(request))

    async def acknowledge(self, request: Request) -> Response:
        """Acknowledge it under the name that was given."""
        incident = self._incident(request)
        name = (await Parameters.of(request)).optional("by") or _DEFAULT_NAME
        if incident.status is not IncidentStatus.RESOLVED:
            incident = self._book.acknowledge(incident.id, name[:80], self._clock.now_ms())
        return _page(incident)

    def _incident(self, request: Request) -> Incident:
        incident_id, signature = request.path_params["id"], request.path_params["signature"]
        if not self._book.is_signed(incident_id, signature):
            raise HTTPException(404, "this link is not valid")
        try:
            return self._book.get(incident_id)
        except ParseError as error:
            raise HTTPException(404, str(error)) from error


def _page(incident: Incident) -> Response:
    content = _PAGE.substitute(
        id=incident.id,
        title=escape(incident.title),
        severity=escape(incident.severity or "no severity"),
        level=_LEVELS.get(incident.severity, "warning"),
        opened=format_timestamp_ms(incident.opened_ms)[:16].replace("T", " ") + " UTC",
        alerts=_alerts(incident),
        status=escape(_status(incident)),
        status_level=_STATUS_LEVELS[incident.status],
        form=_FORM if incident.status is IncidentStatus.OPEN else "",
    )
    return HTMLResponse(content, headers=_HEADERS)


def _status(incident: Incident) -> str:
    """Where it stands, as a sentence."""
    acknowledgement = incident.acknowledgement
    if incident.status is IncidentStatus.RESOLVED:
        return "It is over."
    if acknowledgement is None:
        return "Nobody has acknowledged it."
    if acknowledgement.until_ms is None:
        return f"Acknowledged by {acknowledgement.by}."
    until = format_timestamp_ms(acknowledgement.until_ms)[:16].replace("T", " ")
    return f"Acknowledged by {acknowledgement.by}, until {until} UTC."


def _alerts(incident: Incident) -> str:
    """Its alerts as items of a list, those that fire first."""
    alerts = sorted(incident.alerts.values(), key=lambda alert: (alert.ends_at_ms is not None, alert.labels))
    texts = [
        f"{alert.labels.get('alertname', '')}: {alert.annotations.get('summary', '')}".strip(": ")
        + (" (over)" if alert.ends_at_ms is not None else "")
        for alert in alerts[:_MOST_ALERTS]
    ]
    if len(alerts) > _MOST_ALERTS:
        texts.append(f"and {len(alerts) - _MOST_ALERTS} more")
    return "".join(f"<li>{escape(text)}</li>" for text in texts)
