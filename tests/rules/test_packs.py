"""Packs and single rules that are left out, and names of which there are none."""

from __future__ import annotations

import pytest

from tocsin.rules import shipped_rules


def names(disabled=()):
    return {rule.alert or rule.record for group in shipped_rules(disabled) for rule in group.config.rules}


def test_a_pack_is_left_out_whole():
    left = shipped_rules(["gpu"])
    assert {group.file for group in shipped_rules()} - {group.file for group in left} == {"shipped/gpu.yml"}


def test_a_rule_is_left_out_alone():
    assert names() - names(["Watchdog", "GPUTemperatureHigh"]) >= {"Watchdog"}
    assert len(names()) - len(names(["Watchdog"])) == 1


@pytest.mark.parametrize("name", ["", "gpus", "gpu.yml", "watchdog", "shipped/gpu.yml"])
def test_what_there_is_not(name):
    with pytest.raises(ValueError, match="is neither a pack"):
        shipped_rules([name])


def test_a_group_without_rules_is_no_group():
    for pack in shipped_rules():
        every = [str(rule.alert or rule.record) for rule in pack.config.rules]
        assert pack.key not in {group.key for group in shipped_rules(every)}
