from __future__ import annotations

import base64
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import ConfigError
from tocsin.storage.key import generate_key, key_from_environment, key_from_file, parse_key

SECRET = bytes(range(200, 232))
HEX = SECRET.hex()
BASE64 = base64.b64encode(SECRET).decode()


@given(secret=st.binary(min_size=32, max_size=32), before=st.sampled_from(["", " ", "\t\n"]))
def test_a_key_may_be_written_in_two_ways(secret, before):
    text = base64.b64encode(secret).decode()
    keys = {parse_key(f"{before}{each}\n", "here") for each in (secret.hex(), secret.hex().upper(), text)}
    assert [key.base64() for key in keys] == [text]


@given(secret=st.binary(max_size=64).filter(lambda secret: len(secret) != 32))
def test_keys_of_another_length_are_refused(secret):
    for text in (secret.hex(), base64.b64encode(secret).decode()):
        with pytest.raises(ConfigError, match=r"^here holds no encryption key: .* not \d+ characters"):
            parse_key(text, "here")


@pytest.mark.parametrize(
    "text",
    [
        "correct horse battery staple and 35 others",
        HEX[:-1] + "g",
        HEX[:32] + " " + HEX[32:],
        BASE64.replace("=", ""),
        base64.urlsafe_b64encode(b"\xff" * 32).decode(),
        # Ends in two bits that no 32 bytes have.
        "A" * 42 + "B=",
        "é" * 64,
        "\N{ARABIC-INDIC DIGIT ONE}" * 64,
    ],
)
def test_other_texts_are_refused_and_not_shown(text):
    with pytest.raises(ConfigError) as caught:
        parse_key(text, "the file key")
    assert text not in str(caught.value)
    assert str(caught.value).startswith("the file key holds no encryption key: 64 hexadecimal digits or 44")


def test_nothing_shows_a_key(caplog):
    key = parse_key(BASE64, "the file key")
    logging.getLogger("tocsin").warning("%s %r", key, key)
    shown = caplog.text + repr(key) + str(key) + f"{key} {key!r} {[key]}"
    assert "the file key" in shown
    for secret in (HEX, BASE64, repr(SECRET), str(list(SECRET))):
        assert secret not in shown


def test_a_new_key_is_a_key_of_its_own():
    keys = {parse_key(generate_key(), "here") for _ in range(3)}
    assert len(keys) == 3


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640])
def test_a_key_file_is_for_its_owner_and_group(tmp_path, mode):
    path = tmp_path / "key"
    path.write_text(HEX + "\n")
    path.chmod(mode)
    key = key_from_file(path)
    assert (key.base64(), key.origin) == (BASE64, f"the file {path}")


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o660])
def test_a_key_file_that_is_open_to_others_is_refused(tmp_path, mode):
    path = tmp_path / "key"
    path.write_text(HEX)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=rf"open to other users \(mode {mode:04o}, .* chmod 600 {path}"):
        key_from_file(path)


@pytest.mark.parametrize("content", [b"", SECRET, b"A" * 5000, HEX.encode() * 2])
def test_a_file_that_holds_something_else_is_refused(tmp_path, content):
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="holds no encryption key"):
        key_from_file(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match=f"^{tmp_path}/none: cannot read the encryption key: No such file"):
        key_from_file(tmp_path / "none")
    with pytest.raises(ConfigError, match="cannot read the encryption key: Is a directory"):
        key_from_file(tmp_path)


def test_a_key_may_stand_in_an_environment_variable(monkeypatch):
    monkeypatch.setenv("TOCSIN_TEST_KEY", HEX)
    key = key_from_environment("TOCSIN_TEST_KEY")
    assert (key.base64(), key.origin) == (BASE64, "the environment variable TOCSIN_TEST_KEY")
    monkeypatch.delenv("TOCSIN_TEST_KEY")
    with pytest.raises(ConfigError, match="TOCSIN_TEST_KEY is not set"):
        key_from_environment("TOCSIN_TEST_KEY")
