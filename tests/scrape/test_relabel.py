from __future__ import annotations

import json

import pytest

from tests.support.cases import CASES, cases_dir
from tocsin.config.relabel import RelabelConfig
from tocsin.scrape import relabel

FOLDER = CASES / "relabel"


def outside_cases():
    file = FOLDER / "cases.json"
    return json.loads(file.read_text()) if file.exists() else []


def test_the_outside_cases_are_complete():
    assert len(json.loads((cases_dir("relabel") / "cases.json").read_text())) == 34


@pytest.mark.parametrize("case", outside_cases())
def test_outside_case(case):
    rules = [RelabelConfig(**rule) for rule in case["relabel_configs"]]
    assert relabel(case["labels"], rules) == (None if case["dropped"] else case["expected"])


def test_outside_verdicts_on_rules():
    for case in json.loads((cases_dir("relabel") / "validation.json").read_text())["configs"]:
        rule = {"action": "", **case["config"]}
        if rule.pop("name_validation") == "legacy" and not case["valid"]:
            continue  # any UTF-8 text is a label name here
        if case["valid"]:
            RelabelConfig(**rule)
        else:
            with pytest.raises(ValueError, match=r"action|target_label"):
                RelabelConfig(**rule)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"action": "hashmod", "target_label": "a"}, "requires a modulus above 0"),
        ({"action": "labeldrop", "regex": "a", "target_label": "b"}, "labeldrop takes only regex"),
        (
            {"action": "keepequal", "target_label": "b", "regex": "x"},
            "keepequal takes only source_labels and",
        ),
        ({"action": "keep", "regex": "("}, "invalid regular expression"),
        ({"action": "keep", "regex": "a(?=b)"}, "invalid regular expression"),
        ({"action": "explode"}, "replace"),
    ],
)
def test_faulty_rules(rule, message):
    with pytest.raises(ValueError, match=message):
        RelabelConfig(**rule)


def test_the_action_may_be_written_in_capitals():
    assert relabel(
        {"a": "X"}, [RelabelConfig(action="LowerCase", source_labels=("a",), target_label="b")]
    ) == {
        "a": "X",
        "b": "x",
    }


def test_an_empty_replacement_removes_the_label():
    rule = RelabelConfig(source_labels=("a",), target_label="b", replacement="")
    assert relabel({"a": "1", "b": "2"}, [rule]) == {"a": "1"}


def test_regular_expressions_are_anchored_and_ascii_dollars_are_literal():
    keep = RelabelConfig(action="keep", source_labels=("a",), regex="b")
    assert relabel({"a": "abc"}, [keep]) is None
    price = RelabelConfig(source_labels=("a",), target_label="p", replacement="$$1")
    assert relabel({"a": "x"}, [price]) == {"a": "x", "p": "$1"}
