from __future__ import annotations

import pytest

from tests.support.short import HOOK, groups, load
from tocsin.alerts import build_route
from tocsin.errors import ConfigError

EVERYTHING = """
monitoring:
  enabled: true
  update_frequency: 2s
  metrics_path: /metrics
  export_format: prometheus
  thresholds:
    memory: {warning: 0.8, critical: 0.95}
    gpu: {utilization_min: 0.1, memory_max: 0.95}
    training: {loss_plateau_patience: 10, validation_loss_max: 5.0, learning_rate_min: 1e-7}
    inference: {latency_max: 1.0, timeout: 30, batch_queue_max: 100}
"""


def test_every_threshold_becomes_a_rule(tmp_path):
    settings = load(tmp_path, EVERYTHING)
    compiled = groups(settings)
    assert {name: group.config.interval_ms for name, group in compiled.items()} == {
        "thresholds": 2000,
        "threshold_trends": 5000,
    }
    rules = [rule for group in compiled.values() for rule in group.config.rules if rule.alert]
    assert len(rules) == 10
    assert {rule.labels["severity"] for rule in rules if rule.alert != "MemoryAboveThreshold"} == {"warning"}
    assert "memory_usage > 0.95" in {rule.expr for rule in rules}


def test_the_update_frequency_is_for_collectors_and_short_rules(tmp_path):
    text = f"{HOOK}\nmonitoring: {{update_frequency: {{}}}}".replace("{}", "3")
    settings = load(tmp_path, text.removesuffix("\n"))
    assert settings.collectors.interval == 3000
    own = load(tmp_path, "monitoring: {update_frequency: 3s}\ncollectors: {interval: 7s}")
    assert own.collectors.interval == 7000
    rule = "alerts: {rules: {a: {condition: up == 0}}}"
    assert (
        groups(load(tmp_path, f"{rule}\nmonitoring: {{update_frequency: 1500ms}}"))[
            "alerts"
        ].config.interval_ms
        == 1500
    )
    assert groups(load(tmp_path, rule))["alerts"].config.interval_ms == 1000


def test_thresholds_can_be_switched_off(tmp_path):
    settings = load(tmp_path, EVERYTHING.replace("enabled: true", "enabled: false"))
    assert groups(settings) == {}
    assert settings.collectors.interval == 2000


def test_the_warning_is_mute_while_the_memory_is_critical(tmp_path):
    settings = load(tmp_path, EVERYTHING + HOOK)
    (rule,) = settings.alertmanager.inhibit_rules
    assert rule.equal == ("instance",)
    route = build_route(settings.alertmanager.route)
    assert [each.receiver for each in route.match({"alertname": "MemoryAboveThreshold"})] == ["webhook"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "enabeld: true",
            "2: monitoring.enabeld: unknown key (allowed: enabled, export_format, metrics_path,",
        ),
        ("enabled: perhaps", '2: monitoring.enabled must be true or false, not "perhaps"'),
        ("update_frequency: 0", "2: monitoring.update_frequency: a duration longer than 0 is needed"),
        ("update_frequency: often", '2: monitoring.update_frequency: not a duration: "often"'),
        ("metrics_path: /m", "2: monitoring.metrics_path: input should be '/metrics', not \"/m\""),
        ("export_format: json", "2: monitoring.export_format: input should be 'prometheus', not \"json\""),
        (
            "thresholds: {cpu: {}}",
            "2: monitoring.thresholds.cpu: unknown key (allowed: gpu, inference, memory,",
        ),
        (
            "thresholds:\n    memory: {warning: 80}",
            "3: monitoring.thresholds.memory.warning: a ratio from 0 to 1 is needed, not 80 (80 % is 0.8)",
        ),
        (
            "thresholds:\n    memory: {warning: 0.9, critical: 0.8}",
            "3: monitoring.thresholds.memory: warning (0.9) must be below critical (0.8)",
        ),
        (
            "thresholds:\n    gpu:\n      memory_max: nan",
            "4: monitoring.thresholds.gpu.memory_max: a ratio from 0 to 1 is needed, not nan",
        ),
        (
            "thresholds: {training: {loss_plateau_patience: 0}}",
            "2: monitoring.thresholds.training.loss_plateau_patience: input should be greater than or ",
        ),
        (
            "thresholds: {training: {loss_plateau_patience: 1.5}}",
            '2: monitoring.thresholds.training.loss_plateau_patience must be a whole number, not "1.5"',
        ),
        (
            "thresholds: {inference: {latency_max: inf}}",
            "2: monitoring.thresholds.inference.latency_max: input should be a finite number",
        ),
        (
            "thresholds: {inference: {timeout: -1}}",
            "2: monitoring.thresholds.inference.timeout: input should be greater than 0",
        ),
    ],
)
def test_a_fault_names_file_line_and_key(tmp_path, text, sentence):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"monitoring:\n  {text}\n")
    assert str(caught.value).startswith(f"{tmp_path}/tocsin.yml:{sentence}")
