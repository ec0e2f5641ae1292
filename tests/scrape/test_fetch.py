from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess

import pytest

from tocsin.config.scrape import ScrapeConfig, ScrapeProtocol, TlsConfig
from tocsin.errors import ConfigError
from tocsin.scrape.fetch import Fetcher, ScrapeError, accept_header, choose_format
from tocsin.scrape.openmetrics import OpenMetricsFormat
from tocsin.scrape.text import TextFormat


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing, which makes a certificate")
    folder = tmp_path_factory.mktemp("tls")
    files = ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    names = ["-subj", "/CN=metrics.test", "-addext", "subjectAltName=DNS:metrics.test"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *files, *names]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
async def tls_url(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        head = (
            b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: 4\r\n\r\n"
        )
        writer.write(head + b"a 1\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/metrics"
    server.close()
    await server.wait_closed()


async def fetch(url, **tls):
    fetcher = Fetcher(ScrapeConfig(job_name="j", tls_config=TlsConfig(**tls)).resolved(15_000, 5000))
    try:
        return (await fetcher.fetch(url, 5000)).content
    finally:
        await fetcher.close()


async def test_a_certificate_is_checked(tls_url, certificate):
    with pytest.raises(ScrapeError, match="certificate verify failed: self-signed"):
        await fetch(tls_url)
    with pytest.raises(ScrapeError, match="certificate verify failed: IP address mismatch"):
        await fetch(tls_url, ca_file=certificate / "cert.pem")
    assert await fetch(tls_url, ca_file=certificate / "cert.pem", server_name="metrics.test") == b"a 1\n"
    assert await fetch(tls_url, insecure_skip_verify=True, min_version="TLS13") == b"a 1\n"


def test_files_that_cannot_be_used_are_an_error_of_the_configuration(tmp_path):
    (tmp_path / "bad.pem").write_text("no certificate")
    for file in (tmp_path / "bad.pem", tmp_path / "none.pem"):
        job = ScrapeConfig(job_name="j", tls_config=TlsConfig(ca_file=file)).resolved(15_000, 5000)
        with pytest.raises(ConfigError, match="tls_config names a file that cannot be used"):
            Fetcher(job)


def test_protocols_are_asked_for_in_their_order():
    wanted = (ScrapeProtocol.PROTOBUF, ScrapeProtocol.TEXT, ScrapeProtocol.OPENMETRICS)
    assert accept_header(wanted) == (
        "text/plain;version=0.0.4;q=0.3,"
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.2,*/*;q=0.1"
    )


@pytest.mark.parametrize(
    ("content_type", "fallback", "expected"),
    [
        ("text/plain; version=0.0.4; charset=utf-8", None, TextFormat),
        ("Application/OpenMetrics-Text; version=1.0.0", None, OpenMetricsFormat),
        ("text/html", ScrapeProtocol.TEXT, TextFormat),
        ("", ScrapeProtocol.OPENMETRICS, OpenMetricsFormat),
    ],
)
def test_the_format_of_an_answer(content_type, fallback, expected):
    assert choose_format(content_type, fallback) is expected
