"""What docs/channels.md shows is valid, and shows every channel."""

from __future__ import annotations

import re
from pathlib import Path

from tocsin.config import parse_source, validate
from tocsin.config.alertmanager import AlertmanagerConfig
from tocsin.model import SystemClock
from tocsin.notify import CHANNELS
from tocsin.notify.template import Templates

PAGE = Path(__file__).resolve().parents[2] / "docs" / "channels.md"


def test_every_channel_is_shown_and_valid():
    text = PAGE.read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    shown = set()
    for block in blocks:
        name = re.search(r"- name: (\w+)", block)[1]
        config = validate(
            AlertmanagerConfig, parse_source(f"{block}route: {{receiver: {name}}}\n", PAGE.name)
        )
        (receiver,) = config.receivers
        shown |= {kind for kind in CHANNELS if getattr(receiver, kind)}
    assert shown | {"msteams_configs"} == set(CHANNELS)
    assert "`msteams_configs`" in text


def test_the_templates_shown_can_be_read(tmp_path):
    (block,) = re.findall(r"```\n(\{\{.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "shown.tmpl").write_text(block)
    Templates(SystemClock(), [tmp_path / "*.tmpl"])
