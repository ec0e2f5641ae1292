"""Go's template language as Prometheus' rules use it: tokens, tree, evaluation, functions."""

from tocsin.rules.template.alert_template import AlertExpander, AlertTemplate
from tocsin.rules.template.functions import Context, QueryFunction

__all__ = ["AlertExpander", "AlertTemplate", "Context", "QueryFunction"]
