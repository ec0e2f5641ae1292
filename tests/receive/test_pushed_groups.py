from __future__ import annotations

import asyncio
import contextlib
import gzip
import math
from itertools import pairwise

import cramjam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.clock import ManualClock, settle
from tocsin.config.push import PushConfig
from tocsin.errors import ParseError, SeriesLimitError, SizeLimitError, StorageError
from tocsin.model import Labels, MetricMetadata, MetricType, is_stale
from tocsin.receive import PushedGroups, decode_push
from tocsin.web.push_api import grouping_key, time_to_live_ms

START_MS = 1_700_000_000_000
TRAIN = {"job": "train"}
MINUTE_MS = 60_000


class Samples:
    """A store that remembers what was appended, and fails when told to."""

    def __init__(self) -> None:
        self.of: dict[str, list[tuple[int, float]]] = {}
        self.metadata: dict[str, MetricMetadata] = {}
        self.failure: StorageError | None = None

    async def append(self, batch):
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        for index, time_ms, value in zip(
            batch.series_index.tolist(), batch.timestamps_ms.tolist(), batch.values.tolist(), strict=True
        ):
            self.of.setdefault(str(batch.series[index]), []).append((time_ms, value))

    def describe(self, metadata):
        self.metadata |= metadata

    def live(self) -> dict[str, float]:
        """What an instant query would find now, its lookback left aside."""
        last = {series: max(reversed(samples), key=lambda s: s[0])[1] for series, samples in self.of.items()}
        return {
            series: value
            for series, value in last.items()
            if not is_stale(value) and not series.startswith("push_")
        }


class Pushing:
    """Groups with a store and a clock of their own."""

    def __init__(self, config: PushConfig | None = None, folder=None) -> None:
        self.store, self.clock = Samples(), ManualClock(START_MS)
        self.groups = PushedGroups(self.store, config or PushConfig(), self.clock, folder)

    async def put(self, text: str, grouping=None, ttl_ms=None, *, replace_all=True) -> None:
        push = decode(text, grouping or TRAIN)
        await self.groups.push(grouping or TRAIN, push, ttl_ms, replace_all=replace_all)

    async def post(self, text: str, grouping=None, ttl_ms=None) -> None:
        await self.put(text, grouping, ttl_ms, replace_all=False)

    @contextlib.asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.groups.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def decode(text, grouping=TRAIN, media_type="text/plain", encoding=""):
    return decode_push(text.encode(), media_type, encoding, grouping)


async def test_put_replaces_the_group_and_ends_what_is_gone():
    pushing = Pushing()
    await pushing.put('a{x="1"} 1\na{x="2"} 2\nb 3\n')
    await pushing.clock.advance(1)
    await pushing.put('a{x="1"} 5\n')
    assert pushing.store.live() == {'a{job="train",x="1"}': 5}
    assert is_stale(pushing.store.of['b{job="train"}'][-1][1])
    assert pushing.store.of['b{job="train"}'][-1][0] == START_MS + 1000


async def test_post_replaces_the_families_that_it_names():
    pushing = Pushing()
    await pushing.post('a 1\n# TYPE h histogram\nh_bucket{le="1"} 1\nh_sum 1\nh_count 1\n')
    await pushing.clock.advance(1)
    await pushing.post('# TYPE h histogram\nh_bucket{le="2"} 1\nh_sum 2\nh_count 1\nc 1\n')
    assert pushing.store.live() == {
        'a{job="train"}': 1,
        'c{job="train"}': 1,
        'h_bucket{job="train",le="2"}': 1,
        'h_count{job="train"}': 1,
        'h_sum{job="train"}': 2,
    }


async def test_the_latest_push_counts_whatever_family_it_says():
    pushing = Pushing()
    typed = "# TYPE h summary\nh_sum {value}\nh_count 1\n"
    for value, text in enumerate((typed, "h_sum {value}\n", typed, "h_sum {value}\n")):
        await pushing.post(text.format(value=value))
        await pushing.clock.advance(1)
        assert pushing.store.live()['h_sum{job="train"}'] == value


async def test_a_push_says_when_and_failures_too():
    pushing = Pushing()
    await pushing.groups.note_failure(TRAIN, None)
    await pushing.clock.advance(7)
    await pushing.put("push_time_seconds 1\na 1\n")
    times = pushing.store.of['push_time_seconds{job="train"}']
    assert times == [(START_MS, 0), (START_MS + 7000, START_MS / 1000 + 7)]
    assert pushing.store.of['push_failure_time_seconds{job="train"}'][-1][1] == START_MS / 1000
    assert pushing.store.metadata["push_time_seconds"].type is MetricType.GAUGE


async def test_groups_are_sampled_until_their_time_is_over():
    pushing = Pushing(PushConfig(ttl="10m"))
    async with pushing.running():
        await pushing.put("a 1\n")
        await pushing.clock.advance(30 * 60)
    samples = pushing.store.of['a{job="train"}']
    *values, (end_ms, last) = samples
    assert is_stale(last)
    assert end_ms == START_MS + 10 * MINUTE_MS
    assert all(value == 1 for _, value in values)
    times_ms = [time_ms for time_ms, _ in samples]
    assert max(b - a for a, b in pairwise(times_ms)) <= 15_000
    assert len(values) == 41
    assert pushing.groups.groups() == ()
    assert is_stale(pushing.store.of['push_time_seconds{job="train"}'][-1][1])


async def test_each_push_sets_the_time_to_live_anew():
    pushing = Pushing()
    async with pushing.running():
        await pushing.put("a 1\n", ttl_ms=MINUTE_MS)
        await pushing.clock.advance(50)
        await pushing.post("b 1\n", ttl_ms=MINUTE_MS)
        await pushing.clock.advance(50)
        assert len(pushing.store.live()) == 2
        await pushing.clock.advance(10)
        assert pushing.store.live() == {}


async def test_a_time_to_live_shorter_than_the_interval():
    pushing = Pushing()
    async with pushing.running():
        await pushing.clock.advance(1)
        await pushing.put("a 1\n", ttl_ms=500)
        await pushing.clock.advance(2)
    assert pushing.store.of['a{job="train"}'][-1][0] == START_MS + 1500
    assert pushing.store.live() == {}


async def test_a_group_whose_time_is_over_is_not_added_to():
    pushing = Pushing()
    await pushing.put("a 1\n", ttl_ms=500)
    await pushing.clock.advance(1)
    await pushing.post("b 1\n")
    assert pushing.store.live() == {'b{job="train"}': 1}


async def test_delete_ends_one_group_alone():
    pushing = Pushing()
    other = {"job": "train", "instance": "a"}
    await pushing.put("a 1\n")
    await pushing.put("a 2\n", other)
    await pushing.clock.advance(1)
    await pushing.groups.delete(TRAIN)
    await pushing.groups.delete({"job": "nobody"})
    assert pushing.store.live() == {'a{instance="a",job="train"}': 2}
    assert is_stale(pushing.store.of['push_time_seconds{job="train"}'][-1][1])
    await pushing.clock.advance(1)
    await pushing.put("a 3\n")
    assert pushing.store.live()['a{job="train"}'] == 3


async def test_a_series_belongs_to_one_group():
    pushing = Pushing()
    await pushing.put('a{instance="x"} 1\n')
    with pytest.raises(ParseError, match=r'belongs to another pushed group, \{job="train"\}'):
        await pushing.put("a 2\n", {"job": "train", "instance": "x"})
    assert len(pushing.groups.groups()) == 1


async def test_groups_and_series_are_bounded():
    pushing = Pushing(PushConfig(max_groups=2, max_series=3))
    await pushing.put("a 1\n")
    await pushing.put("a 1\n", {"job": "b"})
    with pytest.raises(SeriesLimitError, match=r"there are 2 pushed groups already \(push.max_groups\)"):
        await pushing.put("a 1\n", {"job": "c"})
    await pushing.groups.note_failure({"job": "c"}, None)
    assert len(pushing.groups.groups()) == 2
    with pytest.raises(SeriesLimitError, match=r"would have 4 series \(push.max_series allows 3\)"):
        await pushing.post("b 1\n")
    assert pushing.store.live() == {'a{job="train"}': 1, 'a{job="b"}': 1}


async def test_a_store_that_fails_changes_nothing(caplog):
    pushing = Pushing()
    async with pushing.running():
        await pushing.put("a 1\n", ttl_ms=MINUTE_MS)
        pushing.store.failure = StorageError("the disk is full")
        with pytest.raises(StorageError):
            await pushing.put("b 1\n")
        await pushing.clock.advance(90)
        assert len(pushing.groups.groups()) == 1
        pushing.store.failure = None
        await pushing.clock.advance(2)
        assert pushing.groups.groups() == ()
    assert pushing.store.of['a{job="train"}'][-1][0] == START_MS + MINUTE_MS
    assert [record.getMessage() for record in caplog.records] == [
        "pushed groups are not stored: the disk is full"
    ]


async def test_groups_survive_a_restart(tmp_path, monkeypatch):
    async def at_once(work, *arguments):
        return work(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", at_once)
    first = Pushing(folder=tmp_path)
    async with first.running():
        await first.put("a NaN\nb +Inf\nc 0.1\n", ttl_ms=3 * MINUTE_MS)
        await first.put("d 1\n", {"job": "short"}, MINUTE_MS)
        await settle()
    second = Pushing(folder=tmp_path)
    await second.clock.advance(120)
    await second.groups.load()
    kept = second.groups.groups()[0]
    read = {
        labels.metric_name: value for family in kept.families.values() for labels, value in family.items()
    }
    assert math.isnan(read.pop("a"))
    assert read == {"b": math.inf, "c": 0.1}
    assert kept.expires_ms == START_MS + 3 * MINUTE_MS
    async with second.running():
        await second.clock.advance(30)
        assert len(second.groups.groups()) == 1
        assert second.store.live().keys() == {f'{name}{{job="train"}}' for name in "abc"}
        assert second.store.of['d{job="short"}'][-1][0] == START_MS + MINUTE_MS
        await second.clock.advance(60)
        assert second.groups.groups() == ()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"[{}]", b'[{"labels": {}, "families": []}]', b"\xff"]
)
async def test_a_file_that_is_broken_is_reported_and_left_out(tmp_path, caplog, content):
    (tmp_path / "pushed_groups.json").write_bytes(content)
    pushing = Pushing(folder=tmp_path)
    await pushing.groups.load()
    assert pushing.groups.groups() == ()
    assert "the pushed groups in" in caplog.text


async def test_pushes_at_the_same_time_do_not_mix():
    pushing = Pushing()
    await asyncio.gather(*(pushing.put(f"a{number} {number}\n") for number in range(20)))
    assert len(pushing.store.live()) == 1
    assert len(pushing.groups.groups()[0].series()) == 3


texts = st.dictionaries(st.sampled_from("abc"), st.integers(0, 3), max_size=3)
actions = st.tuples(st.sampled_from(["put", "post", "delete"]), st.sampled_from("xy"), texts)


@given(st.lists(actions, max_size=12))
@settings(max_examples=50)
def test_any_sequence_of_pushes_leaves_what_a_dictionary_would(sequence):
    async def act():
        pushing, expected = Pushing(), {"x": {}, "y": {}}
        for verb, job, values in sequence:
            await pushing.clock.advance(1)
            text = "".join(f"{name} {value}\n" for name, value in values.items())
            if verb == "delete":
                await pushing.groups.delete({"job": job})
                expected[job] = {}
            else:
                await pushing.put(text, {"job": job}, replace_all=verb == "put")
                expected[job] = values if verb == "put" else {**expected[job], **values}
        return pushing.store.live(), expected

    live, expected = asyncio.run(act())
    assert live == {
        f'{name}{{job="{job}"}}': value for job, group in expected.items() for name, value in group.items()
    }


def test_labels_of_the_grouping_key_win():
    push = decode('a{job="other",instance="i",z="1"} 1\n', {"job": "train", "instance": ""})
    assert list(push.families["a"]) == [Labels({"__name__": "a", "job": "train", "z": "1"})]


def test_openmetrics_is_read_when_the_type_says_so():
    text = "# TYPE a counter\na_total 1\n# EOF\n"
    push = decode(text, media_type="application/openmetrics-text")
    assert list(push.families) == ["a"]
    with pytest.raises(ParseError):
        decode(text.removesuffix("# EOF\n"), media_type="application/openmetrics-text")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a 1 1700000000000\n", "must not have timestamps"),
        ("b 1\na 1 1700000000000\n", "must not have timestamps"),
        ("a 1\na 2\n", "1 samples repeat a series"),
        ('a{job="x"} 1\na{job="y"} 2\n', "1 samples repeat a series"),
        ("a one\n", 'line 1: the value "one" is not a number'),
    ],
)
def test_bodies_that_are_refused(text, sentence):
    with pytest.raises(ParseError, match=sentence):
        decode(text)


def test_bodies_may_be_compressed_and_are_bounded():
    body = b"a 1\n" * 1
    packed = {"gzip": gzip.compress(body), "snappy": bytes(cramjam.snappy.compress(body)), "": body}
    for encoding, each in packed.items():
        assert list(decode_push(each, "", encoding, TRAIN, max_bytes=4).families) == ["a"]
    for encoding in ("gzip", "snappy"):
        with pytest.raises(SizeLimitError):
            decode_push(packed[encoding], "", encoding, TRAIN, max_bytes=3)
        with pytest.raises(ParseError):
            decode_push(b"hello", "", encoding, TRAIN)
    with pytest.raises(ParseError, match='the Content-Encoding "br" is not known'):
        decode_push(body, "", "br", TRAIN)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("job/some_job", {"job": "some_job"}),
        ("job/some_job/", {"job": "some_job"}),
        ("job/a/instance/b", {"job": "a", "instance": "b"}),
        ("job@base64/YS9i", {"job": "a/b"}),
        ("job/x/path@base64/L3Zhci90bXA", {"job": "x", "path": "/var/tmp"}),
        ("job/x/path@base64/L3Zhci90bXA=", {"job": "x", "path": "/var/tmp"}),
        ("job/x/first@base64/=/second/y", {"job": "x", "first": "", "second": "y"}),
        ("job/titan/name@base64/zqDPgc6_zrzOt864zrXPjc-C", {"job": "titan", "name": "Προμηθεύς"}),
        ("job/titan/name/Προμηθεύς", {"job": "titan", "name": "Προμηθεύς"}),
    ],
)
def test_grouping_keys(path, expected):
    assert grouping_key(path) == expected


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("", "must be /metrics/job/JOB"),
        ("instance/a", "must be /metrics/job/JOB"),
        ("job", "must be /metrics/job/JOB"),
        ("job/a/b", "must be /metrics/job/JOB"),
        ("job//instance/a", 'the label "job" is empty'),
        ("job@base64/=", "the job is empty"),
        ("job/a/first//second/b", "must be /metrics/job/JOB|is empty"),
        ("job/a/__x/b", 'the path names the label "__x"'),
        ("job/a/1x/b", 'the path names the label "1x"'),
        ("job/a/job/b", 'the path names the label "job"'),
        ("job/a/x@base64/%%", "not UTF-8 in URL-safe base64"),
        ("job/a/x@base64/_w", "not UTF-8 in URL-safe base64"),
        ("job/a/x@base64/a", "not UTF-8 in URL-safe base64"),
    ],
)
def test_paths_that_are_no_grouping_key(path, sentence):
    with pytest.raises(ParseError, match=sentence):
        grouping_key(path)


@given(st.text(max_size=20) | st.text(max_size=20).map("job/a/b@base64/{}".format))
def test_any_path_is_a_key_or_a_parse_error(path):
    with contextlib.suppress(ParseError):
        assert grouping_key(path)["job"]


@pytest.mark.parametrize("text", ["", "0", "0s", "1", "-1h", "1h ", "11y", "9" * 30 + "s"])
def test_times_to_live_that_cannot_be(text):
    with pytest.raises(ParseError, match="the time to live is"):
        time_to_live_ms(text)
