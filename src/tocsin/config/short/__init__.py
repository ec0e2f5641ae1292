"""Short forms: the sections ``monitoring`` and ``alerts``, which become rules, routes and escalations.

There stays one path: what they mean is a rule file, an alertmanager.yml and escalations, checked and run as
those that people write.
"""

from tocsin.config.short.alerts import LEVELS, AlertRuleConfig, AlertsConfig, LevelConfig, level_of
from tocsin.config.short.compiling import ShortForms, compile_short_forms
from tocsin.config.short.monitoring import MonitoringConfig, ThresholdsConfig
from tocsin.config.short.variables import expand_text, expanded, read_expanded

__all__ = [
    "LEVELS",
    "AlertRuleConfig",
    "AlertsConfig",
    "LevelConfig",
    "MonitoringConfig",
    "ShortForms",
    "ThresholdsConfig",
    "compile_short_forms",
    "expand_text",
    "expanded",
    "level_of",
    "read_expanded",
]
