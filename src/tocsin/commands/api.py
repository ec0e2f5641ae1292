"""Asking a running tocsin, or another server with Prometheus' API."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any, Final

import httpx

from tocsin.commands.up import DEFAULT_LISTEN
from tocsin.errors import QueryError, UsageError
from tocsin.runtime import announced

_TIMEOUT_S: Final = 130.0


def server_url() -> str:
    """``TOCSIN_URL``, else the newest tocsin of this user on this machine, else the default address."""
    if url := os.environ.get("TOCSIN_URL"):
        return url
    for file in announced("servers"):
        # Another program may have left, or still be writing, something else there.
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return str(json.loads(file.read_text(encoding="utf-8"))["url"])
    return f"http://{DEFAULT_LISTEN}"


def ask(url: str, path: str, form: Mapping[str, Any] | None = None) -> Any:
    """The data that a server answers to a GET, or to a form that is posted.

    Raises UsageError when there is no such server, and QueryError with what it says is wrong.
    """
    address = f"{url.rstrip('/')}{path}"
    method = "GET" if form is None else "POST"
    try:
        answer = httpx.request(method, address, data=form, trust_env=False, timeout=_TIMEOUT_S)
        content = answer.json()
    except httpx.InvalidURL as error:
        raise UsageError(f'--url "{url}" is no URL: {error}') from error
    except httpx.HTTPError as error:
        raise UsageError(f"no answer from {url}: {error}; is tocsin up?") from error
    except ValueError as error:
        raise UsageError(f"{url} answered with something else than JSON; is it a Prometheus API?") from error
    if content.get("status") != "success":
        raise QueryError(content.get("error", f"{url} answered with status {answer.status_code}"))
    return content["data"]
