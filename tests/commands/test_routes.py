"""``tocsin routes``, against Debian's amtool, and ``tocsin check`` on an alertmanager.yml."""

from __future__ import annotations

import random
import shutil
import subprocess

import pytest
import yaml

from tests.support.peers import require_peer
from tocsin.commands.app import run

TREE = """
route:
  receiver: all
  routes:
  - matchers: [team=ml]
    receiver: ml
    continue: true
    routes:
    - {match: {severity: critical}, receiver: pager}
  - {match_re: {team: "ml|web"}}
receivers: [{name: all}, {name: ml}, {name: pager}]
"""
SHOWN = """.
└── default-route  receiver: all
    ├── {team="ml"}  continue: true  receiver: ml
    │   └── {severity="critical"}  receiver: pager
    └── {team=~"^(?:ml|web)$"}  receiver: all
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "am.yml"
    path.write_text(TREE)
    return path


def test_a_tree_as_text(file, capsys):
    assert run(["routes", "show", str(file)]) == 0
    assert capsys.readouterr().out == SHOWN


def test_a_tree_in_tocsins_own_file(file, capsys):
    own = file.with_name("tocsin.yml")
    own.write_text("alertmanager_config: am.yml")
    assert run(["routes", "show", str(own)]) == 0
    assert capsys.readouterr().out == SHOWN
    own.write_text("rule_files: []")
    assert run(["routes", "show", str(own)]) == 2
    assert "tocsin.yml has no routes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ([], "all"),
        (["team=ml"], "ml,all"),
        (["team=ml", 'severity="critical"'], "pager,all"),
        (["team="], "all"),
    ],
)
def test_who_is_told(file, capsys, labels, receivers):
    assert run(["routes", "test", "--config", str(file), *labels]) == 0
    assert capsys.readouterr().out == f"{receivers}\n"


def test_who_should_be_told(file, capsys):
    command = ["routes", "test", "--config", str(file), "team=ml"]
    assert run([*command, "--verify.receivers=ml,all"]) == 0
    assert run([*command, "--verify.receivers=all,ml"]) == 1
    assert "not those that were expected: all,ml" in capsys.readouterr().err


@pytest.mark.parametrize("label", ["team", "team=~ml", "team!=ml", "=ml", "a=b,c=d", ""])
def test_what_is_no_label(file, capsys, label):
    assert run(["routes", "test", "--config", str(file), label]) == 2
    assert f'not a label: "{label}" (allowed are forms such as' in capsys.readouterr().err


def test_an_alertmanager_yml_is_recognised_and_checked(file, capsys):
    assert run(["check", "config", str(file)]) == run(["check", "alertmanager", str(file)]) == 0
    found = "ok, 4 routes, 3 receivers, 0 inhibit rules, 0 time intervals"
    assert capsys.readouterr().out == f"{file}: {found}\n" * 2
    file.write_text(TREE.replace("receiver: pager}", "receiver: page}"))
    assert run(["check", "config", str(file)]) == run(["check", "alertmanager", str(file)]) == 1
    assert (
        capsys.readouterr().err.count('the receiver "page" of route.routes[0].routes[0] is not defined') == 2
    )


def test_advice_about_matchers(file, capsys):
    file.write_text(TREE.replace("team=ml", "team="))
    assert run(["check", "config", str(file)]) == 0
    assert (
        'am.yml:5: the newer grammar does not read the matcher team= (write team="")'
        in capsys.readouterr().err
    )


def test_other_files_are_checked_as_before(file, capsys):
    own = file.with_name("prometheus.yml")
    own.write_text("scrape_configs: [{job_name: a}]")
    assert run(["check", "config", str(own)]) == 0
    assert capsys.readouterr().out == f"{own}: ok\n"


NAMES = ("a", "b", "c")
VALUES = ("x", "y", "xy", "")


def grown_route(choose, depth):
    route = {"receiver": choose.choice("PQRS"), "continue": choose.random() < 0.4}
    name, value = choose.choice(NAMES), choose.choice(VALUES)
    kind = choose.randrange(4)
    if kind == 0:
        route["match"] = {name: value}
    elif kind == 1:
        route["match_re"] = {name: choose.choice(["x|y", "x.*", ".*", "[^x]*"])}
    elif kind == 2:
        operator = choose.choice(["=", "!=", "=~", "!~"])
        route["matchers"] = [f'{name}{operator}"{value}"', f'{choose.choice(NAMES)}!="z"']
    if depth:
        route["routes"] = [grown_route(choose, depth - 1) for _ in range(choose.randrange(4))]
    return route


def grown_tree(seed):
    choose = random.Random(seed)
    routes = [grown_route(choose, 2) for _ in range(3)]
    labels = [
        [f"{name}={value}" for name in NAMES if (value := choose.choice((*VALUES, None))) is not None]
        for _ in range(5)
    ]
    receivers = [{"name": name} for name in "OPQRS"]
    return {"route": {"receiver": "O", "routes": routes}, "receivers": receivers}, labels


@pytest.mark.peer
@pytest.mark.parametrize("seed", range(8))
def test_amtool_tells_the_same_receivers_and_shows_the_same_tree(tmp_path, capsys, seed):
    require_peer("prometheus-alertmanager")  # amtool is in the same package
    tree, label_sets = grown_tree(seed)
    file = tmp_path / "am.yml"
    file.write_text(yaml.safe_dump(tree))
    assert run(["routes", "show", str(file)]) == 0
    assert amtool("show", file) == f"Routing tree:\n{capsys.readouterr().out}"
    for labels in label_sets:
        assert run(["routes", "test", "--config", str(file), *labels]) == 0
        assert capsys.readouterr().out.strip() == amtool("test", file, *labels).strip()


def amtool(verb, file, *labels):
    program = shutil.which("amtool") or pytest.fail("amtool is missing")
    command = [program, "config", "routes", verb, f"--config.file={file}", *labels]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.replace("\N{NO-BREAK SPACE}", " ").rstrip() + "\n"
