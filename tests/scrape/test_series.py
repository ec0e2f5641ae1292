from __future__ import annotations

import pytest

from tocsin.config.relabel import RelabelConfig
from tocsin.config.scrape import ScrapeConfig
from tocsin.errors import ParseError
from tocsin.model import Labels
from tocsin.scrape.series import SeriesResolver

TARGET = Labels({"job": "j", "instance": "i:1"})


def resolve(scraped, **config):
    return SeriesResolver(ScrapeConfig(job_name="j", **config), TARGET)(scraped)


def test_the_labels_of_the_target_are_attached():
    assert resolve({"__name__": "a", "x": "1"}) == Labels({"__name__": "a", "x": "1", **TARGET})


def test_a_conflicting_label_is_exported():
    assert resolve({"__name__": "a", "job": "own"}) == Labels(
        {"__name__": "a", "exported_job": "own", **TARGET}
    )


def test_an_exported_label_never_overwrites_another():
    scraped = {"__name__": "a", "job": "own", "exported_job": "older"}
    assert resolve(scraped) == Labels(
        {"__name__": "a", "exported_exported_job": "own", "exported_job": "older", **TARGET}
    )


def test_honoured_labels_win_and_an_empty_one_keeps_the_targets_away():
    scraped = {"__name__": "a", "job": "own", "instance": ""}
    assert resolve(scraped, honor_labels=True) == Labels({"__name__": "a", "job": "own"})
    assert resolve(scraped) == Labels({"__name__": "a", "exported_job": "own", **TARGET})


def test_metric_relabelling_sees_the_final_labels():
    drop = RelabelConfig(action="drop", source_labels=("__name__", "job"), regex="go_.*;j")
    assert resolve({"__name__": "go_x"}, metric_relabel_configs=(drop,)) is None
    assert resolve({"__name__": "x"}, metric_relabel_configs=(drop,)) is not None


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"label_limit": 3}, 'a series of "a" has 4 labels \\(label_limit 3\\)'),
        ({"label_name_length_limit": 7}, 'longer than label_name_length_limit: "__name__"'),
        ({"label_value_length_limit": 4}, 'the label "x" of "a" is longer'),
        (
            {"metric_relabel_configs": (RelabelConfig(target_label="__name__", replacement=""),)},
            "without a metric name",
        ),
    ],
)
def test_limits(config, message):
    with pytest.raises(ParseError, match=message):
        resolve({"__name__": "a", "x": "12345"}, **config)
