from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.config import ConfigModel, parse_source, validate
from tocsin.config.encryption import EncryptionConfig
from tocsin.config.model import located
from tocsin.errors import ConfigError

HEX = "ab" * 32
BASE64 = "A" * 43 + "="


class File(ConfigModel):
    encryption: EncryptionConfig | None = None


def read(text: str) -> EncryptionConfig | None:
    return validate(File, parse_source(f"encryption: {text}", "f.yml")).encryption


def test_a_key_is_in_a_file_or_in_the_environment():
    file = read("{key_file: key}")
    assert file is not None
    assert located(file, Path("/etc/tocsin")).key_file == Path("/etc/tocsin/key")
    assert read("{key_env: TOCSIN_KEY}") == EncryptionConfig(key_env="TOCSIN_KEY")


@pytest.mark.parametrize("text", ["{}", "{key_file: key, key_env: TOCSIN_KEY}"])
def test_exactly_one_place_is_named(text):
    with pytest.raises(
        ConfigError, match=r"^f.yml:1: encryption: exactly one of key_file and key_env is needed"
    ):
        read(text)


@pytest.mark.parametrize("key", [HEX, HEX.upper(), BASE64])
@pytest.mark.parametrize("name", ["key_file", "key_env"])
def test_a_key_instead_of_its_place_is_refused_and_not_shown(name, key):
    with pytest.raises(ConfigError, match=f"encryption.{name}: the name of") as caught:
        read(f'{{{name}: "{key}"}}')
    assert key not in str(caught.value)


@pytest.mark.parametrize("name", ["", "TOCSIN-KEY", "1KEY", "KEY=VALUE"])
def test_a_variable_has_a_name_that_a_shell_can_set(name):
    with pytest.raises(ConfigError, match="the name of an environment variable"):
        read(f'{{key_env: "{name}"}}')
