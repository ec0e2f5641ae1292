"""``tocsin check config``: what is right is said in a line, what is wrong with file, line and key."""

from __future__ import annotations

import pytest

from tocsin.commands.app import run

TWO_RECEIVERS = "{route: {receiver: a}, receivers: [{name: a}, {name: b}]}"


@pytest.fixture
def checked(tmp_path, capsys):
    def check(text):
        file = tmp_path / "tocsin.yml"
        file.write_text(text)
        status = run(["check", "config", str(file)])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return check


@pytest.mark.parametrize(
    "text",
    [
        "disabled_rules: [gpu, DiskFull]",
        "alerts: {channels: {slack: {webhook_url: '${TOCSIN_TEST_HOOK:-http://a/b}', channel: '#x'}}}",
        "alerts: {channels: {slack: {webhook_url: ${TOCSIN_TEST_HOOK:-http://a/b}, channel: '#x'}}}",
    ],
)
def test_what_is_right(checked, text):
    status, said = checked(text)
    assert status == 0, said
    assert said.endswith(": ok\n")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "global: {}\ndisabled_rules: [gpus]",
            [":2: ", 'disabled_rules: "gpus" is neither a pack (', "gpu", "nor a rule of one"],
        ),
        (
            f"alertmanager: {TWO_RECEIVERS}\ndrills: [{{receiver: a, every: 1d}}]",
            [":2: ", 'drills[0]: only "a" itself would hear', "failed_to (b)"],
        ),
        ("alerts: {channels: {slack: {webhook_url: $}}}\nalerts: {}", [":2: ", '"alerts" stands twice']),
        ("alerts:\n  rules:\n    a: {condition: 'sum('}", [":3: ", "unclosed left parenthesis"]),
        (
            "alerts:\n  channels:\n    slack: {webhook_url: '${TOCSIN_TEST_UNSET}'}",
            [":3", "TOCSIN_TEST_UNSET is not set"],
        ),
    ],
)
def test_what_is_wrong(checked, text, parts):
    status, said = checked(text)
    assert status == 1
    assert len(said.splitlines()) == 1
    for part in parts:
        assert part in said
