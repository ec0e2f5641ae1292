from __future__ import annotations

import pytest

from tocsin.web.access import denial


@pytest.mark.parametrize(
    ("method", "headers", "loopback", "allowed"),
    [
        ("GET", {"host": "127.0.0.1:8627"}, True, True),
        ("GET", {"host": "localhost:8627"}, True, True),
        ("GET", {"host": "[::1]:8627"}, True, True),
        ("GET", {"host": "evil.example"}, True, False),
        ("GET", {"host": "127.0.0.1.evil.example"}, True, False),
        ("GET", {}, True, False),
        ("GET", {"host": "monitor.example"}, False, True),
        ("POST", {"host": "127.0.0.1:8627"}, True, True),
        ("POST", {"host": "127.0.0.1:8627", "origin": "http://127.0.0.1:8627"}, True, True),
        ("POST", {"host": "127.0.0.1:8627", "origin": "http://evil.example"}, True, False),
        ("POST", {"host": "127.0.0.1:8627", "origin": "null"}, True, False),
        ("POST", {"host": "monitor.example", "origin": "https://evil.example"}, False, False),
        ("GET", {"host": "monitor.example", "origin": "https://evil.example"}, False, True),
    ],
)
def test_who_may_ask(method, headers, loopback, allowed):
    reason = denial(method, "/api/v1/query", headers, listens_on_loopback=loopback)
    assert (reason is None) == allowed


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready"])
def test_health_is_open_to_everyone(path):
    assert denial("GET", path, {"host": "evil.example"}, listens_on_loopback=True) is None


@pytest.mark.parametrize(
    ("host", "allowed"), [("tocsin.example:443", True), ("evil.example", False), ("", False)]
)
def test_a_proxy_may_pass_on_the_name_that_people_use(host, allowed):
    reason = denial("GET", "/", {"host": host}, listens_on_loopback=True, external_name="tocsin.example")
    assert (reason is None) == allowed
