from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.notify.channels import SECRET, Team, alert, notification
from tests.notify.recorder import Reply, recorder
from tests.support.ports import free_port
from tocsin.alerts import DeliveryError
from tocsin.config.alertmanager import HttpConfig
from tocsin.errors import ConfigError
from tocsin.notify.errors import RefusalError, failure_reason
from tocsin.notify.http import HttpClient, Request, parse_retry_after
from tocsin.notify.proxy import is_direct
from tocsin.notify.secrets import Secrets


def hook(url, **http_config):
    return Team("webhook_configs", {"url": f"{url}/hook", "http_config": http_config})


def oauth2(url, **more):
    return {"client_id": "me", "client_secret": SECRET, "token_url": f"{url}/token", **more}


async def test_headers_of_ones_own(tmp_path):
    (tmp_path / "value").write_text("from file\n")
    headers = {
        "X-One": {"values": ["a"]},
        "X-Two": {"secrets": [SECRET]},
        "X-Three": {"files": [str(tmp_path / "value")]},
    }
    with recorder() as server:
        await hook(server.url, http_headers=headers).tell()
    sent = server.requests[0].headers
    assert [sent[name] for name in ("X-One", "X-Two", "X-Three")] == ["a", SECRET, "from file"]
    assert sent["User-Agent"].startswith("tocsin/")


async def test_a_token_of_oauth_2_is_fetched_once_and_again_when_it_is_over():
    with recorder() as server:
        usual = server.usual
        tokens = iter([{"access_token": "one", "expires_in": 3600}, {"access_token": "two", "expires_in": 1}])
        server.usual = lambda request: (
            Reply(body=next(tokens)) if request.path == "/token" else usual(request)
        )
        config = {"scopes": ["a", "b"], "endpoint_params": {"audience": "x"}}
        team = hook(server.url, oauth2=oauth2(server.url, **config))
        async with team.receivers:
            for _ in range(2):
                await team.channel.notify(notification(alert()))
            team.channel.channel.http._tokens._expires_s = 0.0
            await team.channel.notify(notification(alert()))
    paths = [request.path for request in server.requests]
    assert paths == ["/token", "/hook", "/hook", "/token", "/hook"]
    assert server.requests[-1].headers["Authorization"] == "Bearer two"
    form = server.requests[0].form
    assert form == {"grant_type": "client_credentials", "scope": "a b", "audience": "x"}
    expected = base64.b64encode(f"me:{SECRET}".encode()).decode()
    assert server.requests[0].headers["Authorization"] == f"Basic {expected}"
    assert server.requests[1].headers["Authorization"] == "Bearer one"


@pytest.mark.parametrize(
    ("reply", "is_retryable"),
    [(Reply(401, echo=True), False), (Reply(503), True), (Reply(200, {"no": "token"}), False)],
)
async def test_without_a_token_nothing_is_sent(reply, is_retryable):
    with recorder() as server:
        server.usual = lambda _: reply
        team = hook(server.url, oauth2=oauth2(server.url))
        async with team.receivers:
            with pytest.raises(DeliveryError, match=r"no token of OAuth 2\.0") as caught:
                await team.channel.channel.notify(notification(alert()))
    assert caught.value.is_retryable is is_retryable
    assert SECRET not in str(caught.value)
    assert {request.path for request in server.requests} == {"/token"}


async def test_a_proxy_is_used(monkeypatch):
    with recorder() as proxy:
        url = proxy.url.replace("http://", f"http://user:{SECRET}@")
        await hook("http://hooks.example", proxy_url=url).tell()
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        await hook("http://hooks.example", proxy_from_environment=True).tell()
    assert [request.path for request in proxy.requests] == ["http://hooks.example/hook"] * 2
    assert "Proxy-Authorization" in proxy.requests[0].headers


async def test_the_proxy_is_not_used_for_what_no_proxy_names():
    with recorder() as server, recorder() as proxy:
        await hook(server.url.replace("127.0.0.1", "localhost"), proxy_url=proxy.url).tell()
        await hook(server.url, proxy_url=proxy.url, no_proxy="127.0.0.0/8").tell()
    assert (len(server.requests), len(proxy.requests)) == (2, 0)


@pytest.mark.parametrize(
    ("host", "port", "no_proxy", "expected"),
    [
        ("example.com", 80, "", False),
        ("example.com", 80, "*", True),
        ("example.com", 80, "example.com", True),
        ("www.example.com", 80, "example.com", True),
        ("www.example.com", 80, ".example.com", True),
        ("example.com", 80, ".example.com", False),
        ("example.com", 80, "*.example.com", False),
        ("notexample.com", 80, "example.com", False),
        ("example.com", 8080, "example.com:80", False),
        ("example.com", 80, "other, example.com:80", True),
        ("10.1.2.3", 80, "10.0.0.0/8", True),
        ("11.1.2.3", 80, "10.0.0.0/8,nonsense/99", False),
        ("fd00::1", 80, "fd00::/8", True),
        ("127.0.0.1", 80, "", True),
        ("localhost", 80, "", True),
    ],
)
def test_what_goes_past_the_proxy(host, port, no_proxy, expected):
    assert is_direct(host, port, no_proxy) is expected


def test_a_file_for_tls_that_is_missing_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match=r'the receiver "team.ml": tls_config names a file'):
        hook("https://here", tls_config={"ca_file": str(tmp_path / "none.pem")})


@pytest.mark.parametrize("url", ["nonsense", "ftp://x/y", "http://[::1", "http://h:99999999/x"])
async def test_an_address_that_is_none_is_final(url, tmp_path):
    (tmp_path / "url").write_text(url)
    team = Team("webhook_configs", {"url_file": str(tmp_path / "url")})
    with pytest.raises(DeliveryError) as caught:
        await team.tell()
    assert not caught.value.is_retryable


async def test_an_answer_without_end_is_cut():
    with recorder() as server:
        server.replies = [Reply(400, b"x" * 5_000_000)]
        client = HttpClient(HttpConfig(), Secrets(HttpConfig()))
        answer = await client.send(Request(server.url))
        refusal = client.refusal(answer, is_retryable=False)
        await client.close()
    assert len(answer.body) == 64 * 1024
    assert len(str(refusal)) < 300


async def test_a_header_that_cannot_be_sent_is_final():
    headers = {"X-One": {"secrets": [f"{SECRET}\nX-Two: two"]}}
    with recorder() as server:
        team = hook(server.url, http_headers=headers)
        with pytest.raises(DeliveryError, match="the request cannot be sent") as caught:
            await asyncio.wait_for(team.tell(), 10)
    assert not caught.value.is_retryable
    assert SECRET not in str(caught.value)
    assert server.requests == []


async def test_a_request_that_takes_too_long_is_given_up_and_tried_again():
    is_over = asyncio.Event()

    async def handle(reader, writer):
        await reader.read()
        writer.close()
        await writer.wait_closed()
        is_over.set()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    team = Team("webhook_configs", {"url": url, "timeout": "50ms"})
    async with team.receivers:
        with pytest.raises(DeliveryError, match=r"no answer within 0\.05s") as caught:
            await team.channel.channel.notify(notification(alert()))
    assert caught.value.is_retryable
    await is_over.wait()
    server.close()
    await server.wait_closed()


@given(st.integers(0, 10**8))
def test_retry_after_in_seconds_and_as_a_date_mean_the_same(seconds):
    now_ms = 1_700_000_000_000
    date = format_datetime(datetime.fromtimestamp(now_ms / 1000 + seconds, UTC), usegmt=True)
    assert parse_retry_after(str(seconds), now_ms) == parse_retry_after(date, now_ms) == seconds


@given(st.text(max_size=30))
def test_any_retry_after_is_a_wait_or_none(text):
    wait_s = parse_retry_after(text, 0)
    assert wait_s is None or wait_s >= 0


@given(
    st.text(max_size=20), st.text(alphabet="abcXYZ09/%+ &=", min_size=4, max_size=20), st.text(max_size=20)
)
def test_scrubbing_leaves_no_secret(before, secret, after):
    secrets = Secrets(HttpConfig())
    secrets.add(secret)
    assert secret not in secrets.scrub(before + secret + after).replace("<secret>", "\0")


def test_reasons_are_alertmanagers():
    reasons = {
        failure_reason(RefusalError("", status, is_retryable=False)) for status in (400, 404, 429, 499)
    }
    assert reasons == {"clientError"}
    assert failure_reason(RefusalError("", 503, is_retryable=True)) == "serverError"
    assert failure_reason(RefusalError("", 307, is_retryable=False)) == "other"
    assert failure_reason(DeliveryError("", is_retryable=True)) == "other"
    assert failure_reason(None) == "contextDeadlineExceeded"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:{port}/secret", "http://127.0.0.1:{port}: Connection refused"),
        ("http://no.such.host.invalid/secret", "http://no.such.host.invalid: "),
    ],
)
async def test_what_keeps_from_connecting_is_said_in_plain_words(url, words):
    port = free_port()
    client = HttpClient(HttpConfig(), Secrets(HttpConfig()))
    with pytest.raises(DeliveryError) as caught:
        await client.send(Request(url.format(port=port)))
    await client.close()
    assert str(caught.value).startswith(words.format(port=port))
    assert "object at" not in str(caught.value)
