"""Names of metrics and labels, as statsd_exporter makes them from anything."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_REPLACED: Final = re.compile(r"-+|[^a-zA-Z0-9_]", re.ASCII)


@lru_cache(maxsize=4096)
def escape_name(name: str) -> str:
    """Put ``_`` in the place of what a name cannot hold, and before a digit that it begins with.

    Several dashes in a row become one ``_``.

    >>> escape_name("0test.web--server")
    '_0test_web_server'
    """
    escaped = _REPLACED.sub("_", name)
    return f"_{escaped}" if escaped[:1].isdigit() else escaped
