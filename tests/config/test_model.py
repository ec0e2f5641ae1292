from __future__ import annotations

import pytest
from pydantic import Field

from tocsin.config import ConfigModel, LabelName, PositiveDurationMs, parse_source, validate
from tocsin.errors import ConfigError


class Job(ConfigModel):
    name: str
    interval: PositiveDurationMs = 5000
    weight: float = 0.0
    count: int = 0
    enabled: bool = True
    params: dict[LabelName, list[str]] = Field(default_factory=dict)


class File(ConfigModel):
    jobs: tuple[Job, ...] = ()
    main: Job | None = None


def test_text_becomes_what_the_model_wants():
    file = validate(File, parse_source("jobs: [{name: 1, interval: 1m, count: 3, enabled: no}]", "f.yml"))
    assert file.jobs == (Job(name="1", interval=60_000, count=3, enabled=False),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jobs: 5", 'f.yml:1: jobs must be a list, not "5"'),
        ("main: x", 'f.yml:1: main must be a mapping, not "x"'),
        ("- a", "f.yml:1: the file must be a mapping, not a list"),
        ("unknown: 1", 'f.yml:1: unknown key "unknown" (allowed: jobs, main)'),
        (
            "jobs:\n- name: a\n  hue: red",
            'f.yml:3: unknown key "hue" in jobs[0] (allowed: count, enabled, interval, name, params, weight)',
        ),
        ("main:\n  nme: a", 'f.yml:1: the key "name" is missing in main'),
        (
            "jobs:\n- name: a\n- name: b\n  interval: 5 min",
            'f.yml:4: jobs[1].interval: not a duration: "5 min" (allowed are forms such as 15s, 5m or 1h30m)',
        ),
        ("main: {name: a, interval: 0s}", "f.yml:1: main.interval: a duration longer than 0 is needed"),
        (
            "main: {name: a, interval: [1]}",
            "f.yml:1: main.interval must be a duration such as 15s, not a list",
        ),
        ("main: {name: a, count: many}", 'f.yml:1: main.count must be a whole number, not "many"'),
        ("main: {name: a, weight: heavy}", 'f.yml:1: main.weight must be a number, not "heavy"'),
        ("main: {name: a, enabled: maybe}", 'f.yml:1: main.enabled must be true or false, not "maybe"'),
        ("main: {name: {}}", "f.yml:1: main.name must be text, not a mapping"),
        ("main: {name: a, params: {a: [{}]}}", "f.yml:1: main.params.a[0] must be text, not a mapping"),
        ("main: {name: a, params: [1]}", "f.yml:1: main.params must be a mapping, not a list"),
    ],
)
def test_a_fault_is_one_sentence_with_file_line_and_key(text, message):
    with pytest.raises(ConfigError) as caught:
        validate(File, parse_source(text, "f.yml"))
    assert str(caught.value) == message


def test_a_bad_label_name_says_what_is_allowed():
    with pytest.raises(ConfigError, match="not a label name: "):
        validate(File, parse_source("main: {name: a, params: {0a: []}}", "f.yml"))
