"""Configuration files: YAML with line numbers, strict models, errors in one sentence."""

from tocsin.config.model import ConfigModel, DurationMs, LabelName, PositiveDurationMs, validate
from tocsin.config.source import Source, parse_source, read_source

__all__ = [
    "ConfigModel",
    "DurationMs",
    "LabelName",
    "PositiveDurationMs",
    "Source",
    "parse_source",
    "read_source",
    "validate",
]
