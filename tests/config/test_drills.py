"""``drills`` and ``heartbeat``: what they mean, and what is wrong with them in one sentence."""

from __future__ import annotations

import pytest

from tests.rules.helpers import write
from tocsin.config.settings import load_settings
from tocsin.errors import ConfigError

RECEIVERS = "alertmanager: {route: {receiver: team}, receivers: [{name: team}, {name: pager}]}\n"


def load(tmp_path, text):
    return load_settings(write(tmp_path / "tocsin.yml", RECEIVERS + text))


def test_defaults(tmp_path):
    settings = load(tmp_path, "drills: [{every: 1d}]\nheartbeat: {url: 'http://a/b'}")
    (drill,) = settings.drills
    assert (drill.receiver, drill.severity, drill.timeout) == (None, "info", 60_000)
    heartbeat = settings.heartbeat
    assert (heartbeat.method, heartbeat.interval, heartbeat.timeout) == ("GET", 60_000, 10_000)
    assert "http://a/b" not in repr(heartbeat)


def test_names_of_files_are_relative_to_the_configuration(tmp_path):
    assert load(tmp_path, "heartbeat: {url_file: url}").heartbeat.url_file == tmp_path / "url"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("drills: [{receiver: team}]", "one of every and at is needed, and not both"),
        ("drills: [{every: 1d, at: '09:00'}]", "one of every and at is needed, and not both"),
        ("drills: [{every: 1d, weekdays: [monday]}]", "weekdays and location have no meaning without at"),
        ("drills: [{every: 59s}]", "a drill each minute is the most that is allowed"),
        ("drills: [{at: '25:00'}]", '"25:00" is not a time of day'),
        ("drills: [{at: '09:00', location: Mars}]", 'unknown location "Mars"'),
        ("drills: [{every: 1d, failed_to: team}]", "failed_to has no meaning without receiver"),
        ("drills: [{every: 1d, receiver: team, failed_to: team}]", "failed_to must be another receiver"),
        ("drills: [{every: 1d, receiver: nix}]", 'drills[0].receiver names "nix", which is not defined'),
        ("drills: [{every: 1d, receiver: team, failed_to: nix}]", 'drills[0].failed_to names "nix"'),
        ("drills: [{each: 1d}]", 'unknown key "each"'),
        ("heartbeat: {}", "exactly one of url, url_file and receiver is needed"),
        ("heartbeat: {url: 'http://a', receiver: team}", "exactly one of url, url_file and receiver"),
        ("heartbeat: {url: a}", "not a URL that begins with http:// or https://"),
        ("heartbeat: {receiver: nix}", 'heartbeat.receiver names "nix", which is not defined'),
    ],
)
def test_what_is_wrong(tmp_path, text, words):
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, text)
    message = str(raised.value)
    assert words in message
    assert ":2: " in message
    assert "\n" not in message
