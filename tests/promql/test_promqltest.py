"""The runner of Prometheus' test language, and what it says of the files that lie beside the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.promql.stores import ListStore, Shape
from tests.support.cases import cases_dir
from tocsin.commands.test_promql import run
from tocsin.errors import ConfigError
from tocsin.promql.promqltest import Report, read_skips, run_file
from tocsin.storage.head import Head

FILES = [
    "at_modifier",
    "collision",
    "functions",
    "literals",
    "operators",
    "range_queries",
    "selectors",
    "staleness",
]


@pytest.mark.parametrize("name", FILES)
def test_shared_files_pass_on_the_head(name: str) -> None:
    folder = cases_dir("promql")
    file, report = folder / f"{name}.test", Report()
    run_file(file, Head, read_skips(folder / "skips.json")[file.name], report)
    assert report.failures == []
    assert report.passed > 0


@pytest.mark.parametrize("shape", ["ragged", "shared", "single"])
@pytest.mark.parametrize("name", ["at_modifier", "operators", "selectors", "staleness"])
def test_shared_files_pass_on_blocks_of_any_shape(name: str, shape: Shape) -> None:
    folder = cases_dir("promql")
    file, report = folder / f"{name}.test", Report()
    run_file(file, lambda: ListStore(shape), read_skips(folder / "skips.json")[file.name], report)
    assert report.failures == []


def outcome(tmp_path: Path, script: str) -> Report:
    file, report = tmp_path / "own.test", Report()
    file.write_text(script)
    run_file(file, Head, frozenset(), report)
    return report


LOAD = 'load 10s\n  x{a="b"} 1 2 _ stale 5\n\n'


@pytest.mark.parametrize(
    ("evaluation", "said"),
    [
        ('eval instant at 10s x\n  x{a="b"} 3', "got 2.0, wanted 3.0"),
        ("eval instant at 10s x", 'got the series x{a="b"}, wanted none'),
        ('eval instant at 30s x\n  x{a="b"} 3', "got the series none"),
        ("eval instant at 10s 1 + 1\n  3", "wanted 3"),
        ('eval instant at 10s "a"\n  expect string "b"', "wanted 'b'"),
        ("eval_fail instant at 10s x", "must fail"),
        ("eval instant at 10s x +", "parse error"),
        ('eval instant at 0s x\n  expect warn\n  x{a="b"} 1', "got no warn annotation"),
        ("eval instant at 0s quantile(2, x)\n  expect no_warn\n  {} +Inf", "wanted none"),
        ('eval range from 0 to 20s step 10s x\n  x{a="b"} 1 2 _', "got samples at"),
        ('eval_fail instant at 0s {__name__="x"}', "must fail"),
        (
            'eval instant at 0s label_replace(x, "", "", "a", "")\n  expect fail msg: never said',
            'wanted "never said"',
        ),
        ("eval instant at 20s timestamp(x) == 10 or time() > bool 0\n  {} 1", "parse error"),
        ("eval range from 0 to 10s step 10s time()\n  {} 0 1", "got 10.0, wanted 1.0"),
    ],
)
def test_what_differs_is_a_failure(tmp_path: Path, evaluation: str, said: str) -> None:
    report = outcome(tmp_path, LOAD + evaluation + "\n")
    assert (report.passed, report.total) == (0, 1)
    assert report.failures[0].startswith(f"{tmp_path / 'own.test'}:4: ")
    assert said in report.failures[0]


def test_order_counts_only_when_expected(tmp_path: Path) -> None:
    load = "load 10s\n  x 1\n  y 2\n\n"
    rows = "  x 1\n  y 2\n"
    query = 'eval instant at 0s sort_desc({__name__=~"x|y"})\n'
    assert outcome(tmp_path, load + query + rows).failures == []
    assert "got the order" in outcome(tmp_path, load + query + "  expect ordered\n" + rows).failures[0]


def test_each_file_begins_with_an_empty_store_and_clear_empties_it(tmp_path: Path) -> None:
    script = "load 10s\n  x 1\n\neval instant at 0s x\n  x 1\n\nclear\n\neval instant at 0s x\n"
    report = outcome(tmp_path, script)
    assert (report.passed, report.total) == (2, 2)


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("load 10s\n  x 1 2 what\n", 1),
        ("\nlod 10s\n  x 1\n", 2),
        ("load 1q\n", 1),
        ("eval instant at 0s x\n  expect nothing\n", 1),
        ("  x 1\n", 1),
        ('load 1s\n  x{a!="b"} 1\n', 1),
    ],
)
def test_a_malformed_script_says_where(tmp_path: Path, script: str, line: int) -> None:
    with pytest.raises(ConfigError) as error:
        outcome(tmp_path, script)
    assert str(error.value).startswith(f"{tmp_path / 'own.test'}:{line}: ")


def test_the_command_counts_skips_and_tells_failures_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, skips = tmp_path / "own.test", tmp_path / "skips.json"
    file.write_text("eval instant at 0s 1\n  1\n\neval instant at 0s 2\n  3\n\neval instant at 0s 4\n  5\n")
    skips.write_text('{"own.test": {"evals": 3, "experimental": [4], "experimental_reason": {"4": "why"}}}')
    assert run([file], skips) == 1
    out = capsys.readouterr().out.splitlines()
    assert out == [f"{file}:7: 4: got {{}} [4.0], wanted 5", "promql: 1/2 evals, 1 skipped"]
    file.write_text("eval instant at 0s 1\n  1\n")
    assert run([file], None) == 0
    assert run([tmp_path / "missing.test"], None) == 2
    assert "cannot be read" in capsys.readouterr().err
    skips.write_text("[]")
    assert run([file], skips) == 2
