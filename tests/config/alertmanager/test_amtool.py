"""What is right is so for Debian's amtool (0.25) too: one full file, damaged in a hundred ways."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.peers import require_peer
from tocsin.config.alertmanager import read_alertmanager
from tocsin.errors import ConfigError

pytestmark = pytest.mark.peer

FULL = Path(__file__).with_name("full.yml")
ABSENT = object()
VALUES = (ABSENT, "", "garbage !", "7", -1, ["x"], [], {"x": "y"}, {}, "http://ok", "10s", "-5m", True)
EACH = 37
"""One of so many damages is tried; no divisor of the number of values, so that all values occur."""


def amtool():
    require_peer("prometheus-alertmanager")  # amtool is in the same package
    return shutil.which("amtool") or pytest.fail("amtool is missing")


def places(data, at=()):
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*at, key)
        yield from places(value, (*at, key))


def damaged(data, place, value):
    data = copy.deepcopy(data)
    *above, key = place
    part = data
    for step in above:
        part = part[step]
    if value is ABSENT:
        del part[key]
    else:
        part[key] = value
    return data


def is_known_difference(place, value):
    """Where newer versions take more, or tocsin reads text as whoever knows what is meant."""
    key = next(step for step in reversed(place) if isinstance(step, str))
    return (
        (key in {"equal", "group_by"} and value in ("garbage !", "http://ok"))  # any name since 0.27
        or (
            "details" in place and "pagerduty_configs" in place and not isinstance(value, str)
        )  # any since 0.29
        or (key in {"chat_id", "max_alerts"} and value == "7")  # a number in quotes is one
        or (key == "months" and value == -1)  # never in any month
        or (key in {"retry", "expire"} and value == "-5m")  # over before it began
    )


def cases():
    full = yaml.safe_load(FULL.read_text())
    damages = [(place, value) for place in places(full) for value in VALUES]
    return [
        (place, value, yaml.safe_dump(damaged(full, place, value), sort_keys=False))
        for place, value in damages[::EACH]
        if not is_known_difference(place, value)
    ]


def is_right(file):
    try:
        read_alertmanager(file)
    except ConfigError:
        return False
    return True


def amtool_says(files):
    done = subprocess.run([amtool(), "check-config", *files], capture_output=True, text=True, check=False)
    return {
        file: verdict == "SUCCESS" for file, verdict in re.findall(r"Checking '(.+)'  (\w+)", done.stdout)
    }


def test_what_is_right_and_what_is_not(tmp_path):
    files = {}
    for number, (place, value, text) in enumerate(cases()):
        file = tmp_path / f"{number}.yml"
        file.write_text(text)
        files[str(file)] = (place, value)
    verdicts = amtool_says([*files, str(FULL)])
    assert verdicts.pop(str(FULL)) is is_right(FULL) is True
    assert len(verdicts) == len(files) > 90
    assert 10 < sum(verdicts.values()) < len(verdicts) - 10
    different = [files[file] for file in files if is_right(Path(file)) is not verdicts[file]]
    assert different == []
