"""Whoever is broken is not the only one that hears of it."""

from __future__ import annotations

import pytest

from tests.rules.helpers import write
from tocsin.alerts import build_route
from tocsin.alerts.drills import DrillRoute
from tocsin.alerts.drills.failing import check_failed_to, failed_to
from tocsin.config.settings import load_settings
from tocsin.errors import ConfigError

CONFIG = """
alertmanager:
  route:
    receiver: team
    routes: [{matchers: ['alertname="DrillFailed"', 'receiver="pager"'], receiver: lead}]
  receivers: [{name: team}, {name: pager}, {name: lead}]
drills:
"""
LABELS = {"alertname": "DrillFailed", "severity": "critical", "integration": "webhook"}


def loaded(tmp_path, drills, config=CONFIG):
    return load_settings(write(tmp_path / "tocsin.yml", config + drills))


def told(settings, **labels):
    root = build_route(settings.alertmanager.route)
    names = [receiver.name for receiver in settings.alertmanager.receivers]
    route = DrillRoute.over(root, names, failed_to(settings))
    return [each.receiver for each in route.match({**LABELS, **labels})]


def test_it_takes_its_route_and_goes_to_whoever_is_named(tmp_path):
    settings = loaded(
        tmp_path,
        "  - {receiver: team, every: 1d, failed_to: pager}\n"
        "  - {receiver: pager, every: 1d}\n"
        "  - {receiver: lead, every: 1d, failed_to: team}",
    )
    check_failed_to(settings)
    assert told(settings, receiver="team") == ["team", "pager"]
    assert told(settings, receiver="pager") == ["lead"]
    assert told(settings, receiver="lead") == ["team"], "once is enough"
    assert told(settings) == ["team"]
    assert told(settings, alertname="SystemDown", receiver="team") == ["team"]


def test_a_drill_of_which_only_its_receiver_would_hear_is_refused(tmp_path):
    settings = loaded(tmp_path, "  - {receiver: pager, every: 1d}\n  - {receiver: team, every: 1d}")
    with pytest.raises(ConfigError) as raised:
        check_failed_to(settings)
    assert str(raised.value).startswith(f'{tmp_path / "tocsin.yml"}:9: drills[1]: only "team" itself')
    assert "name another receiver in failed_to (pager, lead)" in str(raised.value)


def test_with_one_receiver_there_is_nobody_else(tmp_path):
    one = "alertmanager: {route: {receiver: team}, receivers: [{name: team}]}\ndrills:\n"
    check_failed_to(loaded(tmp_path, "  - {receiver: team, every: 1d}", one))


def test_without_receivers_there_is_nothing_to_check(tmp_path):
    check_failed_to(loaded(tmp_path, "  - {every: 1d}", "drills:\n"))
