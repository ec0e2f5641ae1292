"""What is right in an alertmanager.yml but should be written differently."""

from __future__ import annotations

from typing import Any, Final

from tocsin.config.matchers import difference
from tocsin.config.source import Place, Source

_KEYS: Final = frozenset({"matchers", "source_matchers", "target_matchers"})


def advice(source: Source) -> list[str]:
    """One sentence for each matcher that Alertmanager's two grammars do not read alike."""
    sentences = []
    for place, line in source.lines.items():
        if len(place) > 1 and place[-2] in _KEYS and isinstance(place[-1], int):
            text = _at(source, place)
            if isinstance(text, str) and (reason := difference(text)):
                sentences.append(f"{source.file}:{line}: {reason}")
    return sentences


def _at(source: Source, place: Place) -> Any:
    data: Any = source.data
    for part in place:
        data = data[part]
    return data
