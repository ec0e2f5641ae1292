from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.config import parse_source, read_source
from tocsin.errors import ConfigError


def test_scalars_are_text_and_empty_values_are_absent():
    source = parse_source("a: 1\nb: yes\nc:\nd: [2026-01-31, ~]", "f.yml")
    assert source.data == {"a": "1", "b": "yes", "d": ["2026-01-31", None]}


def test_every_place_has_its_line():
    source = parse_source("a:\n  - x: 1\n  - x: 2\n    y: 3\n", "f.yml")
    assert source.line_of(("a", 1, "y")) == 4
    assert source.line_of(("a", 1, "unknown")) == 3
    assert source.line_of(("unknown",)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "f.yml:1: not valid YAML: "),
        ("a: 1\na: 2", 'f.yml:2: the key "a" stands twice'),
        ("a: \x00", "f.yml: not valid YAML: "),
        ("a: &x [*x]", "f.yml:1: an alias contains itself"),
        ("? [1]\n: 2", "f.yml:1: a key must be text"),
        ('a: 1\nb: "\\ud800"', "f.yml:2: half of a surrogate pair is not text"),
        ("a: 1\n---\nb: 2", "f.yml:2: not valid YAML: "),
    ],
)
def test_broken_text_is_one_sentence_with_its_place(text, message):
    with pytest.raises(ConfigError) as caught:
        parse_source(text, "f.yml")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_aliases_within_aliases_do_not_explode():
    levels = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))
    with pytest.raises(ConfigError, match="aliases expanded"):
        parse_source(f"a0: &a0 [x]\n{levels}", "f.yml")


def test_deep_nesting_is_refused():
    with pytest.raises(ConfigError, match="nested too deeply"):
        parse_source("[" * 5000, "f.yml")


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="cannot read the file: No such file"):
        read_source(tmp_path / "absent.yml")
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_source(tmp_path / "binary.yml")


@given(st.text(max_size=200))
def test_any_text_is_data_or_a_config_error(text):
    try:
        parse_source(text, "f.yml")
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017
