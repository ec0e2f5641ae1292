"""The functions of PromQL: one file a family, one table over all."""

from tocsin.promql.functions.base import Function
from tocsin.promql.functions.table import TABLE

__all__ = ["TABLE", "Function"]
