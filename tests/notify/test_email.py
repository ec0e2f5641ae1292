from __future__ import annotations

import shutil
import ssl
import subprocess

import pytest

from tests.notify.channels import SECRET, Team, alert, notification
from tests.notify.mail import mail_server
from tests.support.clock import ManualClock
from tocsin.alerts import DeliveryError
from tocsin.config.alertmanager import EmailConfig
from tocsin.notify.channel import ChannelContext
from tocsin.notify.email import EmailChannel
from tocsin.notify.template import Templates


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing, which makes a certificate")
    folder = tmp_path_factory.mktemp("tls")
    files = ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    names = ["-subj", "/CN=mail.test", "-addext", "subjectAltName=DNS:mail.test"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *files, *names]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def context(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


@pytest.fixture
def trusting(certificate):
    """Keys by which the server's certificate is trusted."""
    return {"tls_config": {"ca_file": str(certificate / "cert.pem"), "server_name": "mail.test"}}


def channel(address, **keys):
    defaults = {"to": "team@example.com", "from": "tocsin@example.com", "require_tls": False}
    config = EmailConfig.model_validate({**defaults, "smarthost": address, **keys})
    clock = ManualClock()
    return EmailChannel(config, ChannelContext(Templates(clock), clock))


async def send(box, **keys):
    told = notification(alert(summary="a < b & ü"), acknowledge_url="http://here/ack?t=1&s=2")
    await channel(box.address, **keys).notify(told)


async def test_the_mail():
    with mail_server() as box:
        await send(
            box,
            to="Team Ö <team@example.com>, other@example.com",
            text='{{ template "email.default.text" . }}',
            headers={"x-priority": "1", "Reply-To": "reply@example.com"},
            hello="monitor.test",
        )
    (mail,) = box.mails
    assert box.envelopes == [("tocsin@example.com", ["team@example.com", "other@example.com"])]
    assert box.greetings == ["monitor.test"]
    assert mail["Subject"] == "[FIRING:1] node (A)"
    assert (mail["X-Priority"], mail["Reply-To"]) == ("1", "reply@example.com")
    assert mail["To"] == "Team Ö <team@example.com>, other@example.com"
    assert mail["Message-ID"].endswith("@monitor.test>")
    assert mail["Date"] == "Tue, 14 Nov 2023 22:13:20 +0000"
    assert mail.get_content_type() == "multipart/alternative"
    text, html = mail.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert "summary: a < b & ü" in text.get_content()
    assert "Acknowledge: http://here/ack?t=1&s=2" in text.get_content()
    assert "<td>a &lt; b &amp; ü</td>" in html.get_content()
    assert 'href="http://here/ack?t=1&amp;s=2"' in html.get_content()
    assert max(map(len, box.raw[0].split(b"\r\n"))) <= 998, "RFC 5322 allows no longer line"


async def test_a_subject_of_ones_own_cannot_add_headers():
    with mail_server() as box:
        await send(box, headers={"subject": "one\r\nBcc: evil@example.com {{ .Status }} ü"})
    assert box.mails[0]["Subject"] == "one Bcc: evil@example.com firing ü"
    assert box.mails[0]["Bcc"] is None


async def test_mails_of_a_group_are_a_thread():
    threading = {"enabled": True, "thread_by_date": "daily"}
    with mail_server() as box:
        await send(box, threading=threading)
        await send(box, threading=threading)
    first, second = box.mails
    assert first["References"] == second["References"] == first["In-Reply-To"]
    assert first["Message-ID"] != second["Message-ID"]


async def test_starttls(context, trusting):
    with mail_server(context=context) as box:
        await send(box, require_tls=True, **trusting)
    assert box.was_encrypted == [True]


async def test_tls_from_the_first_byte(context, trusting):
    with mail_server(context=context, is_implicit=True) as box:
        await send(box, force_implicit_tls=True, **trusting)
    assert len(box.mails) == 1


@pytest.mark.parametrize("keys", [{"require_tls": True}, {"force_implicit_tls": True}])
async def test_a_certificate_is_checked(context, keys):
    with (
        mail_server(context=context, is_implicit="force_implicit_tls" in keys) as box,
        pytest.raises(DeliveryError, match="certificate verify failed") as caught,
    ):
        await send(box, **keys)
    assert caught.value.is_retryable
    assert box.mails == []


async def test_a_certificate_need_not_be_checked(context):
    with mail_server(context=context) as box:
        await send(box, require_tls=True, tls_config={"insecure_skip_verify": True})
    assert box.was_encrypted == [True]


async def test_without_starttls_nothing_is_sent_when_tls_is_required():
    with mail_server(password=SECRET) as box, pytest.raises(DeliveryError, match="does not offer STARTTLS"):
        await send(box, require_tls=True, auth_username="u", auth_password=SECRET)
    assert box.logins == box.mails == []


@pytest.mark.parametrize(("exclude", "way"), [(("PLAIN",), "LOGIN"), (("LOGIN",), "PLAIN")])
async def test_passwords(exclude, way):
    with mail_server(password=SECRET, exclude=exclude) as box:
        await send(box, auth_username="user", auth_password=SECRET)
    assert box.logins == [(way, "user", SECRET)]
    assert len(box.mails) == 1


async def test_a_wrong_password_is_final_and_not_shown():
    with (
        mail_server(password="other", exclude=("LOGIN",)) as box,
        pytest.raises(DeliveryError, match="535") as caught,
    ):
        await send(box, auth_username="user", auth_password=SECRET)
    assert not caught.value.is_retryable
    assert SECRET not in str(caught.value)


async def test_a_password_of_another_kind_than_the_server_takes():
    with (
        mail_server(password=SECRET) as box,
        pytest.raises(DeliveryError, match="PLAIN and LOGIN take auth_password"),
    ):
        await send(box, auth_username="user", auth_secret=SECRET)
    assert box.logins == []


async def test_cram_md5():
    """By hand: aiosmtpd does not speak it. The example is that of RFC 2195."""
    import asyncio
    import base64

    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    seen = []

    async def handle(reader, writer):
        writer.write(b"220 hello\r\n")
        while line := (await reader.readline()).strip():
            seen.append(line)
            answers = {
                b"EHLO": b"250-mail\r\n250 AUTH CRAM-MD5",
                b"AUTH": b"334 " + base64.b64encode(challenge),
                b"DATA": b"354 go on",
                b"QUIT": b"221 bye",
            }
            if line.startswith(b"DATA"):
                writer.write(b"354 go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(b"250 ok\r\n")
                continue
            known = answers.get(line[:4], b"250 ok")
            writer.write((b"235 in" if seen[-2:-1] and seen[-2].startswith(b"AUTH") else known) + b"\r\n")
            if line == b"QUIT":
                break
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    secret = "tanstaaftanstaaf"
    await channel(address, auth_username="tim", auth_secret=secret).notify(notification(alert()))
    server.close()
    await server.wait_closed()
    digest = "tim b913a602c7eda7a495b4e6e7334d3890"
    assert base64.b64encode(digest.encode()) in seen


async def test_who_does_not_exist_is_final_who_is_busy_is_not():
    with mail_server() as box:
        for answer, is_retryable in (("550 no such user", False), ("451 try later", True)):
            box.refusals = [answer]
            with pytest.raises(DeliveryError, match=answer) as caught:
                await send(box)
            assert caught.value.is_retryable is is_retryable
        await send(box)
    assert len(box.mails) == 1


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"to": "nobody"}, '"nobody" is no list of addresses (to)'),
        ({"from": "a@b.example, c@d.example"}, "from must be exactly one address"),
        ({"headers": {"Cc": "no address"}}, "(headers.Cc)"),
    ],
)
async def test_addresses_are_checked_before_anything_is_sent(keys, reason):
    with pytest.raises(DeliveryError) as caught:
        await channel("127.0.0.1:1", **keys).notify(notification(alert()))
    assert reason in str(caught.value)
    assert not caught.value.is_retryable


async def test_a_password_in_a_file_is_read_each_time(tmp_path):
    (tmp_path / "word").write_text(f"{SECRET}\n")
    with mail_server(password=SECRET) as box:
        team = Team(
            "email_configs",
            {
                "to": "team@example.com",
                "from": "tocsin@example.com",
                "smarthost": box.address,
                "auth_username": "user",
                "auth_password_file": str(tmp_path / "word"),
                "require_tls": False,
            },
        )
        await team.tell()
    assert box.logins[0][2] == SECRET
