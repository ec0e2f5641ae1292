"""PromQL: parsing, checking and evaluating queries over columns of samples."""

from tocsin.promql.engine import Engine
from tocsin.promql.limits import QUICK_S, QueryLimits, QueryStats
from tocsin.promql.parser import format_query, parse, parse_selector
from tocsin.promql.result import Result

__all__ = [
    "QUICK_S",
    "Engine",
    "QueryLimits",
    "QueryStats",
    "Result",
    "format_query",
    "parse",
    "parse_selector",
]
