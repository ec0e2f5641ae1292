"""Where the key of an encrypted store is: the section ``storage.encryption``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Self, TypeAlias

from pydantic import AfterValidator, model_validator

from tocsin.config.model import ConfigModel

_KEY: Final = re.compile(r"[0-9A-Fa-f]{64}|[0-9A-Za-z+/]{43}=")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


# The messages here name no value: somebody may have written the key itself.
def _path(value: Path) -> Path:
    if _KEY.fullmatch(str(value)):
        raise ValueError("the name of a file that holds the key is needed, not the key itself")
    return value


def _variable(value: str) -> str:
    if _KEY.fullmatch(value) or not _VARIABLE.fullmatch(value):
        raise ValueError("the name of an environment variable with the key is needed (letters, digits and _)")
    return value


KeyFile: TypeAlias = Annotated[Path, AfterValidator(_path)]
VariableName: TypeAlias = Annotated[str, AfterValidator(_variable)]


class EncryptionConfig(ConfigModel):
    """Where the key is: in a file, or in an environment variable."""

    key_file: KeyFile | None = None
    key_env: VariableName | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.key_file is None) == (self.key_env is None):
            raise ValueError("exactly one of key_file and key_env is needed")
        return self
