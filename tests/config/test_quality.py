from __future__ import annotations

import math

import pytest

from tocsin.config import parse_source, validate
from tocsin.config.quality import QualityConfig
from tocsin.config.settings import Settings, load_settings
from tocsin.errors import ConfigError
from tocsin.server.quality import make_rules
from tocsin.storage.quality import NumberType


def quality(text: str) -> QualityConfig:
    return validate(Settings, parse_source(text, "t.yml")).quality


def test_without_the_section_there_are_no_rules():
    assert not quality("").has_rules
    assert not quality("quality:").has_rules
    assert not quality("quality: {validation: []}").has_rules
    assert quality("quality: {sampling: [{metric: a, ratio: 0}]}").has_rules


def test_rules_are_compiled():
    config = quality("""
quality:
  enrichment: [{match: '{job="node"}', labels: {team: vision}, overwrite: true}]
  validation:
    - {metric: loss, range: [null, 1e3], type: integer, action: keep}
    - {metric: steps_total, monotonic: yes, reset_below: 0.5}
  outliers: [{match: "{__name__=~'loss|.*_loss'}", threshold: 4, window: 50, action: drop}]
  sampling: [{metric: a, keep_every: 1m30s, ratio: 0.25}]
""")
    rules = make_rules(config)
    (enrichment,) = rules.enrichment
    assert (str(enrichment.matchers[0]), enrichment.labels) == ('job="node"', {"team": "vision"})
    assert (enrichment.place, enrichment.overwrite) == ("quality.enrichment[0]", True)
    first, second = rules.validation
    assert (first.low, first.high, first.type, first.drops) == (-math.inf, 1000, NumberType.INTEGER, False)
    assert (second.monotonic, second.reset_below, second.drops) == (True, 0.5, True)
    assert (first.has_range, second.has_range) == (True, False)
    (outlier,) = rules.outliers
    assert (outlier.threshold, outlier.window, outlier.min_samples, outlier.drops) == (4, 50, 20, True)
    (sampling,) = rules.sampling
    assert (sampling.keep_every_ms, sampling.ratio) == (90_000, 0.25)


def test_a_lookup_file_is_relative_to_the_configuration(tmp_path):
    (tmp_path / "nodes.csv").write_text("instance,rack\na,r1\n")
    file = tmp_path / "tocsin.yml"
    file.write_text("quality:\n  enrichment:\n  - lookup:\n      file: nodes.csv\n      key: instance\n")
    (rule,) = make_rules(load_settings(file).quality).enrichment
    assert rule.lookup is not None
    assert rule.lookup.find("a") == {"rack": "r1"}
    (tmp_path / "nodes.csv").unlink()
    with pytest.raises(ConfigError) as caught:
        load_settings(file)
    assert str(caught.value) == f'{file}:4: the lookup file "{tmp_path / "nodes.csv"}" does not exist'


@pytest.mark.parametrize(
    ("part", "rule", "sentence"),
    [
        ("validation", "{metric: a}", ": range, type or monotonic must say what is valid"),
        ("validation", "{range: [0, 1]}", ": metric or match must say which series the rule is for"),
        ("validation", "{metric: a, match: a, type: finite}", ": only one of metric and match is allowed"),
        ("validation", "{metric: a b, type: finite}", '.metric: not a metric name: "a b" (letters, digits'),
        ("validation", "{match: 'sum(a)', type: finite}", '.match: "sum(a)" is no selector of series'),
        ("validation", "{match: '{a=~\"(\"}', type: finite}", ".match: invalid regular expression '('"),
        ("validation", "{metric: a, range: [0]}", ".range: two ends are needed, such as [0, 1]"),
        ("validation", "{metric: a, range: 5}", ".range: two ends are needed"),
        ("validation", "{metric: a, range: [null, null]}", ".range: one end must be a number"),
        ("validation", "{metric: a, range: [nan, 1]}", ".range: an end must be a number, not NaN"),
        ("validation", "{metric: a, range: [2, 1]}", ".range: the lower end 2 is above the upper end 1"),
        ("validation", "{metric: a, range: [x, 1]}", '.range[0] must be a number, not "x"'),
        ("validation", "{metric: a, type: float}", ".type: input should be 'finite' or 'integer'"),
        (
            "validation",
            "{metric: a, type: finite, action: mark}",
            ".action: input should be 'drop' or 'keep'",
        ),
        ("validation", "{metric: a, type: finite, reset_below: 0}", ": reset_below has no meaning without"),
        ("outliers", "{metric: a, window: 10}", ": min_samples 20 are more than the window of 10 holds"),
        ("outliers", "{metric: a, threshold: 0}", ".threshold: input should be greater than 0"),
        ("outliers", "{metric: a, window: 5000}", ".window: input should be less than or equal to 1000"),
        ("sampling", "{metric: a}", ": keep_every or ratio must say what is kept"),
        ("sampling", "{metric: a, keep_every: 0s}", ".keep_every: a duration longer than 0 is needed"),
        ("sampling", "{metric: a, ratio: 2}", ".ratio: input should be less than or equal to 1"),
        ("enrichment", "{metric: a}", ": labels or lookup must say what is added"),
        ("enrichment", "{labels: {a-b: c}}", '.labels.a-b.[key]: not a label name: "a-b"'),
        (
            "enrichment",
            "{labels: {__name__: c}}",
            '.labels.__name__.[key]: the label "__name__" cannot be set',
        ),
        ("enrichment", "{labels: {a: ''}}", ".labels.a: an empty value is no label; leave it out"),
        ("enrichment", "{lookup: {file: a.csv}}", 'the key "key" is missing in quality.enrichment[0].lookup'),
        ("enrichment", "{team: a}", 'unknown key "team" in quality.enrichment[0] (allowed: labels, lookup, '),
    ],
)
def test_a_fault_names_file_line_and_key(part, rule, sentence):
    with pytest.raises(ConfigError) as caught:
        quality(f"quality:\n  {part}:\n    - {rule}\n")
    place = "" if sentence[0].isalpha() else f"quality.{part}[0]"
    assert str(caught.value).startswith(f"t.yml:3: {place}{sentence}")
