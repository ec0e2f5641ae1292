"""Go's templates: text/template, and of html/template the escaping of values."""

from tocsin.gotemplate.builtins import BUILTINS
from tocsin.gotemplate.errors import TemplateError
from tocsin.gotemplate.evaluator import SHORT_CIRCUITS, expand
from tocsin.gotemplate.html import HtmlWriter
from tocsin.gotemplate.nodes import Node
from tocsin.gotemplate.parser import Template, parse_template
from tocsin.gotemplate.signature import Signature, bind
from tocsin.gotemplate.times import Duration, Time
from tocsin.gotemplate.values import Object, Record, SafeHtml, SafeUrl, Value

__all__ = [
    "BUILTINS",
    "SHORT_CIRCUITS",
    "Duration",
    "HtmlWriter",
    "Node",
    "Object",
    "Record",
    "SafeHtml",
    "SafeUrl",
    "Signature",
    "Template",
    "TemplateError",
    "Time",
    "Value",
    "bind",
    "expand",
    "parse_template",
]
