"""The Pushgateway's URLs: jobs leave their metrics here before they end."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin.errors import ParseError, SamplesRefusedError
from tocsin.model import parse_duration_ms
from tocsin.receive import Group, decode_push
from tocsin.web.responses import failure, success
from tocsin.web.services import Services

_BASE64: Final = "@base64"
_LABEL_NAME: Final = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_PROTOBUF: Final = "application/vnd.google.protobuf"
_MAX_TTL_MS: Final = 10 * 365 * 86_400_000


class PushApi:
    """``/metrics/job/<job>{/<label>/<value>}`` as in the Pushgateway, and a list of what is there.

    The parameter ``ttl`` or the header ``X-Tocsin-TTL`` says how long a group is shown after the push.
    """

    def __init__(self, services: Services) -> None:
        self._pushed = services.pushed

    def routes(self) -> Sequence[BaseRoute]:
        """The routes that this class answers."""
        return (
            Route("/metrics/{key:path}", self.push, methods=["PUT", "POST"]),
            Route("/metrics/{key:path}", self.delete, methods=["DELETE"]),
            Route("/api/tocsin/pushed", self.groups, methods=["GET"]),
        )

    async def push(self, request: Request) -> Response:
        """Replace a group (PUT), or what it has under the names that are pushed (POST)."""
        grouping = grouping_key(request.path_params["key"])
        ttl_ms = time_to_live_ms(request.query_params.get("ttl") or request.headers.get("x-tocsin-ttl"))
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type == _PROTOBUF:
            return failure(415, "bad_data", f"{_PROTOBUF} is not supported (allowed: the text formats)")
        body, encoding = await request.body(), request.headers.get("content-encoding", "")
        try:
            push = await asyncio.to_thread(decode_push, body, media_type, encoding, grouping)
            await self._pushed.push(grouping, push, ttl_ms, replace_all=request.method == "PUT")
        except (ParseError, SamplesRefusedError):
            await self._pushed.note_failure(grouping, ttl_ms)
            raise
        return Response(status_code=200)

    async def delete(self, request: Request) -> Response:
        """End a group."""
        await self._pushed.delete(grouping_key(request.path_params["key"]))
        return Response(status_code=202)

    async def groups(self, _request: Request) -> Response:
        """The groups there are. Times are in seconds since 1970; 0 means never."""
        return success([_as_json(group) for group in self._pushed.groups()])


def grouping_key(path: str) -> dict[str, str]:
    """The labels that the path behind ``/metrics/`` names, of which the first must be the job.

    Raises ParseError when it does not.

    >>> grouping_key("job/backup/path@base64/L3Zhcg")
    {'job': 'backup', 'path': '/var'}
    """
    parts = path.removesuffix("/").split("/")
    if parts[0].removesuffix(_BASE64) != "job" or len(parts) % 2:
        raise ParseError(f'the path is "/metrics/{path}" (it must be /metrics/job/JOB{{/LABEL/VALUE}})')
    grouping: dict[str, str] = {}
    for written, value in zip(parts[::2], parts[1::2], strict=True):
        name = written.removesuffix(_BASE64)
        if not _LABEL_NAME.fullmatch(name) or name in grouping:
            raise ParseError(f'the path names the label "{name}" (it must be a label name, and once only)')
        grouping[name] = value if name == written else _from_base64(value)
        if name == written and not value:
            raise ParseError(f'the label "{name}" is empty in the path (allowed: {name}@base64/=)')
    if not grouping["job"]:
        raise ParseError("the job is empty in the path (it must have a name)")
    return grouping


def time_to_live_ms(text: str | None) -> int | None:
    """A time to live as it was asked for, or None when it was not; raises ParseError.

    >>> time_to_live_ms("1h30m")
    5400000
    """
    if text is None:
        return None
    try:
        ttl_ms = parse_duration_ms(text)
    except ValueError as error:
        raise ParseError(f"the time to live is {error}") from error
    if not 0 < ttl_ms <= _MAX_TTL_MS:
        raise ParseError(f'the time to live is "{text}" (it must be longer than zero, and 10y at most)')
    return ttl_ms


def _from_base64(text: str) -> str:
    """Read the URL-safe alphabet; the padding may be there or not."""
    bare = text.rstrip("=")
    try:
        octets = base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
        return octets.decode()
    except (binascii.Error, UnicodeError, ValueError) as error:
        raise ParseError(f'the path holds "{text}", which is not UTF-8 in URL-safe base64') from error


def _as_json(group: Group) -> dict[str, object]:
    return {
        "labels": dict(group.labels.pairs),
        "series": len(group.series()),
        "pushed": group.pushed_ms / 1000,
        "failed": group.failed_ms / 1000,
        "expires": group.expires_ms / 1000,
    }
