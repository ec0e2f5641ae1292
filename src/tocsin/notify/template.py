"""Templates of channels: tocsin's own under Alertmanager's names, and files that add to or override them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from tocsin.alerts import Notification
from tocsin.errors import ConfigError
from tocsin.gotemplate import (
    SHORT_CIRCUITS,
    HtmlWriter,
    Node,
    Record,
    Template,
    TemplateError,
    expand,
    parse_template,
)
from tocsin.gotemplate.nodes import Text
from tocsin.model import Clock
from tocsin.notify.template_data import template_data
from tocsin.notify.template_functions import functions

_DEFAULTS: Final = Path(__file__).parent / "templates"


class Templates:
    """Named templates, and what expands texts that call them.

    ``patterns`` are names of files, in which ``*`` and ``?`` stand for any text. Raises ConfigError
    naming file and line when one of them cannot be read.
    """

    def __init__(self, clock: Clock, patterns: Iterable[Path] = ()) -> None:
        self._functions = functions(clock)
        self._known = frozenset({*self._functions, *SHORT_CIRCUITS})
        self._library: dict[str, tuple[Node, ...]] = {}
        for file in (*sorted(_DEFAULTS.glob("*.tmpl")), *_matching(patterns)):
            self._add(file)
        self._parse = lru_cache(maxsize=1024)(self._parse_anew)

    def _add(self, file: Path) -> None:
        try:
            parsed = parse_template(file.read_text(encoding="utf-8"), self._known, name=file.name)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read the template: {error}", file=str(file)) from error
        except TemplateError as error:
            raise ConfigError(str(error), file=str(file)) from error
        for name, nodes in {file.name: parsed.nodes, **parsed.defined}.items():
            # As in Go, an empty definition leaves an earlier one as it is.
            if name not in self._library or not _is_empty(nodes):
                self._library[name] = nodes

    def _parse_anew(self, name: str, text: str) -> Template:
        return parse_template(text, self._known, name=name)

    def check(self, name: str, text: str) -> None:
        """Raise TemplateError when a text that is to be expanded is malformed."""
        if "{{" in text:
            self._parse(name, text)

    def expand(self, name: str, text: str, data: Record, *, is_html: bool = False) -> str:
        """Fill a text in; raises TemplateError naming it, and the line, when that is not possible."""
        if "{{" not in text:
            return text
        parsed = self._parse(name, text)
        writer = HtmlWriter() if is_html else None
        try:
            return expand(parsed, data, self._functions, library=self._library, writer=writer)
        except TemplateError as error:
            where = error.place or name
            place = where if where.startswith(name) else f"{name}, in {where}"
            raise TemplateError(error.message, place=place) from error

    def expander(self, integration: str, notification: Notification) -> Expander:
        """What expands the texts of one channel for one notification."""
        return Expander(self, integration, notification)


class Expander:
    """Expands the texts of one channel for one notification; each is named by its key."""

    def __init__(self, templates: Templates, integration: str, notification: Notification) -> None:
        self._templates = templates
        self._integration = integration
        self._notification = notification

    @cached_property
    def _data(self) -> Record:
        """Made when the first text needs it; that of thousands of alerts takes a while."""
        return template_data(self._notification)

    def text(self, key: str, text: str) -> str:
        """A text; raises TemplateError."""
        return self._expanded(key, text)

    def html(self, key: str, text: str) -> str:
        """HTML, in which values are escaped; raises TemplateError."""
        return self._expanded(key, text, is_html=True)

    def _expanded(self, key: str, text: str, *, is_html: bool = False) -> str:
        if "{{" not in text:
            return text
        return self._templates.expand(f"{self._integration}: {key}", text, self._data, is_html=is_html)

    def texts(self, key: str, texts: Mapping[str, str]) -> dict[str, str]:
        """All values of a mapping."""
        return {name: self.text(f"{key}.{name}", text) for name, text in texts.items()}


def _matching(patterns: Iterable[Path]) -> Iterator[Path]:
    for pattern in patterns:
        name = pattern.name
        if not set("*?[") & set(name):
            # Like Alertmanager's: a file that does not exist yet is none.
            yield from (pattern,) if pattern.exists() else ()
        else:
            yield from sorted(pattern.parent.glob(name))


def _is_empty(nodes: tuple[Node, ...]) -> bool:
    return all(isinstance(node, Text) and not node.text.strip() for node in nodes)
