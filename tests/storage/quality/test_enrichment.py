from __future__ import annotations

import asyncio
import json
import os

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.support.quality import made, plain, written
from tocsin.errors import ConfigError
from tocsin.model import Labels, Matcher, SampleBatch
from tocsin.storage.quality import EnrichmentRule, Lookup, QualityMetrics, QualityRules
from tocsin.storage.quality.enrichment import Enrichment
from tocsin.storage.quality.lookup import read_entries
from tocsin.storage.quality.storage import REFRESH_EVERY_S

UP = Labels({"__name__": "up", "instance": "a:1", "job": "node"})
CSV = "instance,rack,owner\na:1,r1,ann\nb:1, r2 ,\n"


def enriched(labels: Labels, *rules: EnrichmentRule) -> str:
    return str(Enrichment(rules).rename(labels))


@pytest.fixture
def nodes(tmp_path):
    file = tmp_path / "nodes.csv"
    file.write_text(CSV)
    lookup = Lookup(file, "instance")
    lookup.load()
    return lookup


def replace(file, text: str) -> None:
    """Write a file so that its time differs for certain."""
    before = file.stat().st_mtime_ns if file.exists() else 0
    file.write_text(text)
    os.utime(file, ns=(before + 10**9, before + 10**9))


def test_labels_that_are_there_win():
    labels = {"job": "other", "team": "vision"}
    assert enriched(UP, EnrichmentRule("e", labels=labels)) == 'up{instance="a:1",job="node",team="vision"}'
    overwriting = EnrichmentRule("e", labels=labels, overwrite=True)
    assert enriched(UP, overwriting) == 'up{instance="a:1",job="other",team="vision"}'


def test_rules_see_what_those_before_have_added(nodes):
    matched = (Matcher("rack", Matcher.metric("x").type, "r1"),)
    rules = [
        EnrichmentRule("never", matched, labels={"never": "x"}),
        EnrichmentRule("lookup", lookup=nodes, labels={"owner": "nobody"}),
        EnrichmentRule("after", matched, labels={"room": "7"}),
    ]
    assert enriched(UP, *rules) == 'up{instance="a:1",job="node",owner="ann",rack="r1",room="7"}'
    assert enriched(UP.set(instance="b:1"), *rules) == (
        'up{instance="b:1",job="node",owner="nobody",rack="r2"}'
    )
    assert enriched(UP.set(instance=""), *rules) == 'up{job="node",owner="nobody"}'


def test_what_no_rule_changes_is_the_same_object(nodes):
    labels = UP.set(instance="unknown")
    assert Enrichment([EnrichmentRule("e", lookup=nodes)]).rename(labels) is labels


ENTRIES = {"a:1": {"rack": "r1", "slot": "3"}, "b:1": {"rack": "r2"}}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("f.csv", "rack,instance,slot\nr1,a:1,3\n\nr2,b:1,\n"),
        ("f.csv", '\ufeff"instance", rack,slot\r\na:1,r1,3\r\nb:1,"r2",\r\n'.removeprefix("\ufeff")),
        ("f.json", '{"a:1": {"rack": "r1", "slot": 3}, "b:1": {"rack": "r2", "slot": null}}'),
        ("f.json", '[{"instance": "a:1", "rack": "r1", "slot": 3}, {"instance": "b:1", "rack": "r2"}]'),
        ("f.yml", "a:1: {rack: r1, slot: 3}\nb:1: {rack: r2}\n"),
        ("f.yaml", "- {instance: 'a:1', rack: r1, slot: 3}\n- instance: b:1\n  rack: r2\n"),
    ],
)
def test_the_forms_of_a_file(tmp_path, name, text):
    assert read_entries(text, tmp_path / name, "instance") == ENTRIES
    only_rack = {key: {"rack": labels["rack"]} for key, labels in ENTRIES.items()}
    assert read_entries(text, tmp_path / name, "instance", ["rack", "other"]) == only_rack


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)


@given(st.dictionaries(TEXT, st.dictionaries(st.sampled_from(["rack", "owner"]), TEXT), max_size=5))
def test_json_and_yaml_give_back_what_was_written(tmp_path_factory, entries):
    folder = tmp_path_factory.getbasetemp()
    assert read_entries(json.dumps(entries), folder / "f.json", "k") == entries
    assert read_entries(yaml.safe_dump(entries, allow_unicode=True), folder / "f.yml", "k") == entries


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("f.csv", "", ':1: the header has no column "instance"'),
        ("f.csv", "host,rack\n", ':1: the header has no column "instance"'),
        ("f.csv", "instance,rack\na\n", ":2: 1 columns stand here and 2 in the header"),
        ("f.csv", "instance,rack\na,1\na,2\n", ':3: two entries have the instance "a"'),
        ("f.csv", "instance,rack\n,1\n", ':2: an entry has no "instance"'),
        ("f.csv", 'instance,rack\n"a,1\n', ":2: not valid CSV: unexpected end of data"),
        ("f.csv", "instance,the rack\na,1\n", ':2: not a label name: "the rack" (letters, digits and _'),
        ("f.csv", "instance,__name__\na,1\n", ':2: not a label name: "__name__"'),
        ("f.json", "{", ": not valid JSON: "),
        ("f.json", "3", ": a list of entries is needed, or a mapping from keys to labels"),
        ("f.json", "[[]]", ": an entry is no mapping from labels to text: []"),
        ("f.json", '{"a": {"rack": []}}', ": an entry is no mapping from labels to text: "),
        ("f.json", '{"a": "r1"}', ": an entry is no mapping from labels to text: "),
        ("f.json", "[" * 100_000, ": not valid JSON: "),
        ("f.yml", "a: [", ": not valid YAML: "),
    ],
)
def test_a_fault_names_file_and_line(tmp_path, name, text, sentence):
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        Lookup(file, "instance").load()
    assert str(caught.value).startswith(f"{file}{sentence}")


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match="cannot read the file: No such file"):
        Lookup(tmp_path / "none.csv", "instance").load()
    (tmp_path / "latin.csv").write_bytes(b"instance\n\xe4\n")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        Lookup(tmp_path / "latin.csv", "instance").load()


def test_a_file_is_read_again_only_when_it_changes(nodes):
    before = nodes.entries
    assert not nodes.refresh()
    assert nodes.entries is before
    replace(nodes.file, CSV)
    assert not nodes.refresh(), "it says the same"
    replace(nodes.file, CSV.replace("r1", "r9"))
    assert nodes.refresh()
    assert nodes.find("a:1") == {"rack": "r9", "owner": "ann"}
    assert nodes.failure_count == 0


def test_what_was_read_stays_in_force_while_a_file_is_wrong(nodes, caplog):
    replace(nodes.file, "host\n")
    assert not nodes.refresh()
    assert not nodes.refresh(), "a version that is wrong is read once"
    nodes.file.unlink()
    assert not nodes.refresh()
    assert not nodes.refresh()
    assert nodes.find("a:1") == {"rack": "r1", "owner": "ann"}
    assert len(caplog.records) == 2
    assert 'nodes.csv:1: the header has no column "instance"' in caplog.text
    assert nodes.failure_count == 3
    replace(nodes.file, CSV.replace("r1", "r9"))
    assert nodes.refresh()


async def test_the_watch_reads_a_file_again(nodes, monkeypatch):
    storage, inner, clock = made(QualityRules(enrichment=[EnrichmentRule("e", lookup=nodes)]))
    renamed, table = asyncio.Event(), storage.pipeline.series
    rename_all = table.rename_all
    monkeypatch.setattr(table, "rename_all", lambda: (rename_all(), renamed.set()))
    watching = asyncio.create_task(storage.watch())
    await storage.append(SampleBatch.at(1, {UP: 1.0}))
    replace(nodes.file, CSV.replace("r1", "r9"))
    await clock.advance(REFRESH_EVERY_S)
    await asyncio.wait_for(renamed.wait(), 10)
    await storage.append(SampleBatch.at(2, {UP: 1.0}))
    watching.cancel()
    old, new = (f'up{{instance="a:1",job="node",owner="ann",rack="{rack}"}}' for rack in ("r1", "r9"))
    assert [plain(written(batch)) for batch in inner.batches] == [
        [(old, 1, "1.0")],
        [(new, 2, "1.0"), (old, 2, "stale")],
    ]
    families = {family.name: family for family in QualityMetrics(storage).collect()}
    (entries,) = families["tocsin_quality_lookup_entries"].samples
    assert (entries.labels, entries.value) == ({"file": str(nodes.file)}, 2)
