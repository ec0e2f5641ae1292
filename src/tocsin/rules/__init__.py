"""Recording and alerting rules: files, templates, groups, and the manager that runs them."""

from tocsin.rules.alerting import ActiveAlert, AlertingRule, AlertState
from tocsin.rules.api import describe_alerts, describe_groups
from tocsin.rules.errors import RuleError, TemplateError
from tocsin.rules.files import GroupDefinition, compile_rules, read_rule_file
from tocsin.rules.group import RuleGroup, Surroundings
from tocsin.rules.manager import RuleManager, read_groups
from tocsin.rules.metrics import RuleMetrics
from tocsin.rules.packs import builtin_rules, shipped_rules
from tocsin.rules.query import query_by
from tocsin.rules.recording import RecordingRule

__all__ = [
    "ActiveAlert",
    "AlertState",
    "AlertingRule",
    "GroupDefinition",
    "RecordingRule",
    "RuleError",
    "RuleGroup",
    "RuleManager",
    "RuleMetrics",
    "Surroundings",
    "TemplateError",
    "builtin_rules",
    "compile_rules",
    "describe_alerts",
    "describe_groups",
    "query_by",
    "read_groups",
    "read_rule_file",
    "shipped_rules",
]
