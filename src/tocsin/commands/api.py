"""Asking a running tocsin, or another server with Prometheus' API."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from http import HTTPStatus
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
    return next(iter(running_urls()), f"http://{DEFAULT_LISTEN}")


def running_urls() -> list[str]:
    """Of all tocsins of this user on this machine, newest first."""
    urls = []
    for file in announced("servers"):
        # Another program may have left, or still be writing, something else there.
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            urls.append(str(json.loads(file.read_text(encoding="utf-8"))["url"]))
    return urls


def ask(url: str, path: str, form: Mapping[str, Any] | None = None) -> Any:
    """The data that a server answers to a GET, or to a form that is posted.

    Raises UsageError when there is no such server, and QueryError with what it says is wrong.
    """
    return _answer("GET" if form is None else "POST", url, path, form)


def delete(url: str, path: str) -> Any:
    """The data that a server answers to a DELETE; raises as :func:`ask` does."""
    return _answer("DELETE", url, path)


def post_json(url: str, path: str, body: Mapping[str, Any]) -> Any:
    """The data that a server answers to JSON that is posted; raises as :func:`ask` does."""
    return _answer("POST", url, path, body, is_json=True)


def ask_alertmanager(url: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """What Alertmanager's API answers, which has no envelope; raises as :func:`ask` does."""
    status, content = _exchange(method, url, path, body, is_json=True)
    if status >= HTTPStatus.BAD_REQUEST:
        message = content.get("message") if isinstance(content, dict) else content
        raise QueryError(str(message or f"{url} answered with status {status}"))
    return content


def _answer(
    method: str, url: str, path: str, content: Mapping[str, Any] | None = None, *, is_json: bool = False
) -> Any:
    status, answer = _exchange(method, url, path, content, is_json=is_json)
    if not isinstance(answer, dict) or answer.get("status") != "success":
        error = answer.get("error") if isinstance(answer, dict) else None
        raise QueryError(error or f"{url} answered with status {status}")
    return answer["data"]


def _exchange(
    method: str, url: str, path: str, content: Mapping[str, Any] | None, *, is_json: bool
) -> tuple[int, Any]:
    """Status and JSON of an answer; an empty one is None."""
    sent: dict[str, Any] = {} if content is None else {"json" if is_json else "data": content}
    try:
        answer = httpx.request(
            method, f"{url.rstrip('/')}{path}", trust_env=False, timeout=_TIMEOUT_S, **sent
        )
        return answer.status_code, answer.json() if answer.content else None
    except httpx.InvalidURL as error:
        raise UsageError(f'--url "{url}" is no URL: {error}') from error
    except httpx.HTTPError as error:
        raise UsageError(f"no answer from {url}: {error}; is tocsin up?") from error
    except ValueError as error:
        raise UsageError(f"{url} answered with something else than JSON; is it a Prometheus API?") from error
