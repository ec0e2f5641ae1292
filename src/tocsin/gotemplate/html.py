"""Escapes values by where in HTML they stand, as Go's html/template does.

Text, attributes, addresses in attributes, and styles are told apart while the template is written. Values in
scripts are refused: nothing that reads a notification runs one. As in Go, comments are left out.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final
from urllib.parse import quote

from tocsin.gotemplate.errors import TemplateError
from tocsin.gotemplate.values import SafeHtml, SafeUrl, Value, display

_ESCAPES: Final = {
    "\0": "\ufffd",
    '"': "&#34;",
    "&": "&amp;",
    "'": "&#39;",
    "+": "&#43;",
    "<": "&lt;",
    ">": "&gt;",
}
_TABLE: Final = str.maketrans(_ESCAPES)
_UNQUOTED: Final = str.maketrans({**_ESCAPES, **{sign: f"&#{ord(sign)};" for sign in "\t\n\v\f\r =`"}})
_NORMAL: Final = str.maketrans({sign: name for sign, name in _ESCAPES.items() if sign not in "&+"})

_URL_ATTRIBUTES: Final = frozenset(
    {
        "action",
        "archive",
        "background",
        "cite",
        "classid",
        "codebase",
        "data",
        "formaction",
        "href",
        "icon",
        "longdesc",
        "manifest",
        "poster",
        "profile",
        "src",
        "usemap",
        "xmlns",
    }
)
_SAFE_SCHEMES: Final = frozenset({"http", "https", "mailto"})
_UNSAFE: Final = "ZgotmplZ"
_STYLE_VALUE: Final = re.compile(r"[\w#%.,!+\- \t]*")

_TAG_END: Final = re.compile(r"\s*/?\s*>")
_TAG: Final = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
_ANY_TAG: Final = re.compile(r"<[^>]*>?")
_ATTRIBUTE: Final = re.compile(r"\s*/?\s*([^\s=>/\"']+)(\s*=\s*)?(\"|')?")
_RAW: Final = frozenset({"script", "style", "textarea", "title"})


class _Place(Enum):
    TEXT = auto()
    TAG = auto()
    ATTRIBUTE = auto()
    RAW = auto()
    COMMENT = auto()


class HtmlWriter:
    """Writes a template's own text as it stands, and values so that they cannot leave their place."""

    def __init__(self) -> None:
        self._place = _Place.TEXT
        self._tag = ""
        self._attribute = ""
        self._quote = ""
        self._before = ""

    def text(self, text: str) -> str:
        """Text of the template itself, without comments."""
        kept: list[str] = []
        position = 0
        while position < len(text):
            is_shown = self._place is not _Place.COMMENT
            end = _STEPS[self._place](self, text, position)
            if is_shown:
                kept.append(text[position:end])
            position = end
        return "".join(kept)

    def value(self, value: Value) -> str:
        """A value, escaped as its place demands; raises TemplateError in a script."""
        shown = "" if value is None else display(value)
        match self._place:
            case _Place.TEXT:
                return shown if isinstance(value, SafeHtml) else shown.translate(_TABLE)
            case _Place.ATTRIBUTE:
                return self._attribute_value(value, shown)
            case _Place.TAG:
                return shown if re.fullmatch(r"[a-zA-Z0-9-]*", shown) else _UNSAFE
            case _Place.RAW:
                return self._raw_value(value, shown)
            case _Place.COMMENT:
                return ""

    def _attribute_value(self, value: Value, shown: str) -> str:
        if self._attribute.startswith("on"):
            raise TemplateError(f"a value stands in the script of an attribute {self._attribute}")
        if self._attribute in _URL_ATTRIBUTES:
            shown = _url(shown, self._before, is_safe=isinstance(value, SafeUrl))
        elif self._attribute == "style":
            shown = shown if _STYLE_VALUE.fullmatch(shown) else _UNSAFE
        elif isinstance(value, SafeHtml):
            # Marked as HTML it keeps its entities here, but has no tags.
            shown = _ANY_TAG.sub("", shown)
            return shown.translate(_NORMAL) if self._quote else shown.translate(_UNQUOTED)
        self._before += shown
        return shown.translate(_TABLE if self._quote else _UNQUOTED)

    def _raw_value(self, value: Value, shown: str) -> str:
        if self._tag == "script":
            raise TemplateError("a value stands in a <script>")
        if self._tag == "style":
            return shown if _STYLE_VALUE.fullmatch(shown) else _UNSAFE
        return shown.translate(_NORMAL if isinstance(value, SafeHtml) else _TABLE)

    # Each step goes on from a position of the template's text, and says how far it came.

    def _in_text(self, text: str, position: int) -> int:
        start = text.find("<", position)
        if start < 0:
            return len(text)
        if text.startswith("<!--", start):
            self._place = _Place.COMMENT if start == position else _Place.TEXT
            return start
        if (tag := _TAG.match(text, start)) is None:
            return start + 1
        self._tag = "" if tag[1] else tag[2].lower()
        self._place = _Place.TAG
        return tag.end()

    def _in_tag(self, text: str, position: int) -> int:
        if (end := _TAG_END.match(text, position)) is not None:
            self._place = _Place.RAW if self._tag in _RAW else _Place.TEXT
            return end.end()
        if (attribute := _ATTRIBUTE.match(text, position)) is None:
            return position + 1
        if attribute[2] is None:
            return attribute.end(1)
        self._attribute = attribute[1].lower().rpartition(":")[2]
        self._quote = attribute[3] or ""
        self._before = ""
        self._place = _Place.ATTRIBUTE
        return attribute.end()

    def _in_attribute(self, text: str, position: int) -> int:
        end = re.compile(self._quote or r"[\s>]").search(text, position)
        self._before += text[position : end.start() if end else len(text)]
        if end is None:
            return len(text)
        self._place = _Place.TAG
        return end.end() if self._quote else end.start()

    def _in_raw(self, text: str, position: int) -> int:
        end = re.compile(f"</{self._tag}", re.IGNORECASE).search(text, position)
        if end is None:
            return len(text)
        self._tag, self._place = "", _Place.TAG
        return end.end()

    def _in_comment(self, text: str, position: int) -> int:
        end = text.find("-->", position)
        if end < 0:
            return len(text)
        self._place = _Place.TEXT
        return end + 3


_STEPS: Final = {
    _Place.TEXT: HtmlWriter._in_text,  # noqa: SLF001 - of the same class
    _Place.TAG: HtmlWriter._in_tag,  # noqa: SLF001
    _Place.ATTRIBUTE: HtmlWriter._in_attribute,  # noqa: SLF001
    _Place.RAW: HtmlWriter._in_raw,  # noqa: SLF001
    _Place.COMMENT: HtmlWriter._in_comment,  # noqa: SLF001
}


def _url(text: str, before: str, *, is_safe: bool) -> str:
    """A part of an address: after a ? it is a query's value, at the start its scheme must be harmless."""
    if not is_safe and ("?" in before or "#" in before):
        return quote(text, safe="")
    scheme, colon, _ = text.partition(":")
    if not before and not is_safe and colon and "/" not in scheme and scheme.lower() not in _SAFE_SCHEMES:
        return f"#{_UNSAFE}"
    return quote(text, safe="!#$&*+,/:;=?@[]-._~%")
