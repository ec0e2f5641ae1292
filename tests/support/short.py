"""Configurations in short forms, loaded and compiled."""

from __future__ import annotations

from pathlib import Path

from tocsin.config.alertmanager import ReceiverConfig
from tocsin.config.settings import Settings, load_settings
from tocsin.rules import GroupDefinition, compile_rules

HOOK = "alerts: {channels: {webhook: {url: 'http://127.0.0.1:9/'}}}"


def load(folder: Path, text: str) -> Settings:
    file = folder / "tocsin.yml"
    file.write_text(text)
    return load_settings(file)


def groups(settings: Settings) -> dict[str, GroupDefinition]:
    return {group.config.name: group for group in compile_rules(settings.short_rules)}


def receiver(settings: Settings, name: str) -> ReceiverConfig:
    assert settings.alertmanager is not None
    (found,) = [each for each in settings.alertmanager.receivers if each.name == name]
    return found
