"""Who asks, when tocsin makes an HTTP request: user and password, or a token."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import SecretStr, model_validator

from tocsin.config.model import ConfigModel
from tocsin.errors import ConfigError


class BasicAuth(ConfigModel):
    """A user name and a password; either may stand in a file."""

    username: str = ""
    username_file: Path | None = None
    password: SecretStr = SecretStr("")
    password_file: Path | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        at_most_one("basic_auth", password=self.password, password_file=self.password_file)
        at_most_one("basic_auth", username=self.username, username_file=self.username_file)
        return self


class Authorization(ConfigModel):
    """The content of the header Authorization; the credentials may stand in a file."""

    type: str = "Bearer"
    credentials: SecretStr = SecretStr("")
    credentials_file: Path | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        at_most_one("authorization", credentials=self.credentials, credentials_file=self.credentials_file)
        if self.type.strip().lower() == "basic":
            raise ValueError('the type of authorization cannot be "basic" (use basic_auth)')
        return self


def at_most_one(where: str, **choices: object) -> None:
    """Raise ValueError when more than one of several keys has a value."""
    given = [name for name, value in choices.items() if value]
    if len(given) > 1:
        raise ValueError(f"{where} takes only one of {' and '.join(given)}")


def authorization_header(
    basic_auth: BasicAuth | None, authorization: Authorization | None
) -> Mapping[str, str]:
    """The header to send, if any.

    Files are read anew each time, so that a secret can be exchanged. Raises ConfigError when one
    cannot be read.
    """
    if basic_auth is not None:
        user = secret(SecretStr(basic_auth.username), basic_auth.username_file)
        password = secret(basic_auth.password, basic_auth.password_file)
        return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
    if authorization is not None:
        credentials = secret(authorization.credentials, authorization.credentials_file)
        return {"Authorization": f"{authorization.type} {credentials}"}
    return {}


def secret(value: SecretStr, file: Path | None) -> str:
    """A secret that is given or stands in a file; raises ConfigError when that cannot be read."""
    if file is None:
        return value.get_secret_value()
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the secret: {error}", file=str(file)) from error
