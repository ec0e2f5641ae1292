"""Whether a shipped alert fires when a state that was seen goes on."""

from __future__ import annotations

import json
from pathlib import Path

from tocsin.rules.testing import Options, run_file

RULES = Path(__file__).resolve().parents[2] / "src" / "tocsin" / "rules" / "shipped" / "federated.yml"


def seen(tocsin):
    """The newest values of all series of the federated training that a tocsin has stored."""
    found = tocsin.query('{__name__=~"fl_.+",job="federated"}')
    return [(each["metric"], each["value"][1]) for each in found]


def fires(state, alert, minutes, folder):
    """Whether an alert of the federated pack, as shipped, fires once a state has lasted so long."""
    series = [{"series": _text(labels), "values": f"{value}x{minutes * 4}"} for labels, value in state]
    query = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
    expected = {"expr": query, "eval_time": f"{minutes}m", "exp_samples": [{"labels": "{}", "value": 1}]}
    content = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "15s",
        "tests": [{"interval": "15s", "input_series": series, "promql_expr_test": [expected]}],
    }
    file = folder / f"{alert}.yml"
    file.write_text(json.dumps(content))
    return run_file(file, Options((), False, None)).is_success


def _text(labels):
    named = ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items() if name != "__name__")
    return f"{labels['__name__']}{{{named}}}"
