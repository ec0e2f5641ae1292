"""What a drill does, from the series to its end, and what it must not do."""

from __future__ import annotations

import asyncio

import pytest

from tests.alerts.drills.scene import START_MS, Scene, kinds, refusal
from tests.rules.helpers import MemoryStore, series
from tests.support.clock import settle
from tocsin.alerts import Alert, AlertingState, Silence
from tocsin.alerts.drills import DrillRequest, Result
from tocsin.alerts.drills.history import RETENTION_MS
from tocsin.alerts.incidents import Escalator, IncidentStatus
from tocsin.errors import StorageError, UsageError
from tocsin.model import Labels, Matcher, MatchType, SampleBatch


async def test_it_goes_from_the_series_to_the_channel_and_ends():
    async with Scene() as scene:
        drill = await scene.drill("pager", severity="warning", labels={"team": "ml"})
        assert kinds(drill)[:4] == ["series written", "rule fired", "routed to", "accepted by"]
        assert (drill.result, drill.reasons) == (Result.SUCCEEDED, [])
        (pager,) = scene.channels["pager"]
        ((told_s, message),) = pager.told
        (alert,) = message.alerts
        assert told_s <= 1
        assert dict(alert.labels) == {
            "alertname": "TocsinDrill",
            "drill": drill.id,
            "receiver": "pager",
            "severity": "warning",
            "team": "ml",
        }
        assert alert.annotations["summary"].startswith(f"DRILL {drill.id}")
        assert message.acknowledge_url == ""
        await scene.wait(35)
        assert pager.statuses == ["firing", "resolved"]
        ended = scene.desk.get(drill.id)
        assert kinds(ended)[-1] == "end told by"
        assert ended.ended_ms - START_MS <= 35_000
        assert scene.series("tocsin_drill") == []
        assert scene.book.all() == []
        assert not scene.channels["team"][0].told


async def test_without_a_receiver_it_takes_the_route_of_its_labels_and_waits_as_long():
    async with Scene() as scene:
        drill = await scene.drill(wait_s=5)
        assert drill.result is None
        assert "group_wait" in drill.stages[-1].text
        await scene.wait(8)
        assert scene.desk.get(drill.id).result is Result.SUCCEEDED
        assert [round(at_s) for at_s, _ in scene.channels["team"][0].told] == [10]


async def test_all_routes_that_its_labels_lead_to_are_taken():
    async with Scene() as scene:
        drill = await scene.drill(severity="critical")
        assert {each.receiver for each in drill.outcomes} == {"pager", "log"}
        assert drill.result is Result.SUCCEEDED
        await scene.wait(35)
        assert scene.channels["log"][0].statuses == ["firing"], "it wants to hear of no end"
        assert scene.desk.get(drill.id).ended_ms is not None


async def test_several_receivers_at_once():
    async with Scene() as scene:
        drill = await scene.drill("pager", "log")
        assert drill.result is Result.SUCCEEDED
        assert kinds(drill).count("accepted by") == 2


async def test_it_neither_joins_real_alerts_nor_holds_them_up():
    async with Scene() as scene:
        labels = Labels({"alertname": "TocsinDrill", "severity": "info"})
        scene.dispatcher.put([Alert(labels, {}, scene.clock.now_ms())])
        await scene.drill(wait_s=12)
        messages = [message for _, message in scene.channels["team"][0].told]
        assert sorted(len(message.alerts) for message in messages) == [1, 1]


async def test_a_channel_that_refuses_is_named_at_once_and_the_others_count():
    async with Scene(pager=[[], [refusal()]]) as scene:
        drill = await scene.drill("pager")
        assert drill.result is Result.FAILED
        assert drill.reasons == ["pager, webhook/1: answered 404"]
        assert kinds(drill)[3:5] == ["accepted by", "refused by"]
        assert scene.metrics("tocsin_drill_success") == {
            ("pager", "webhook/0"): 1,
            ("pager", "webhook/1"): 0,
        }


async def test_a_channel_may_refuse_for_a_while():
    async with Scene(pager=[[]]) as scene:
        (pager,) = scene.channels["pager"]
        pager.errors = [refusal("answered 503", again=True)] * 2
        drill = await scene.drill("pager", wait_s=2)
        assert drill.result is None
        assert drill.stages[-1].text == "answered 503; it is tried again"
        assert kinds(drill).count("refused by") == 1
        pager.errors = []
        await scene.wait(5)
        assert scene.desk.get(drill.id).result is Result.SUCCEEDED


async def test_a_channel_that_never_takes_it_has_failed_when_the_time_is_over():
    async with Scene(pager=[[refusal("answered 500", again=True)]]) as scene:
        drill = await scene.drill("pager", timeout_ms=20_000, wait_s=18)
        assert drill.result is None
        await scene.wait(4)
        ended = scene.desk.get(drill.id)
        assert (ended.result, ended.reasons) == (Result.FAILED, ["pager, webhook: answered 500"])
        await scene.wait(5)
        assert scene.desk.get(drill.id).ended_ms is not None, "there is no end to be told"


async def test_a_route_that_waits_longer_than_the_drill_is_named():
    async with Scene() as scene:
        drill = await scene.drill(timeout_ms=5000, wait_s=7)
        (reason,) = drill.reasons
        assert reason.startswith("team, webhook: not told within 5s (its route waits 10s")


async def test_a_rule_that_does_not_fire_is_named():
    async with Scene(is_ruled=False) as scene:
        drill = await scene.drill("pager", timeout_ms=5000, wait_s=7)
        assert drill.result is Result.FAILED
        assert "TocsinDrill did not fire within 5s" in drill.reasons[0]
        assert scene.metrics("tocsin_drill_success") == {("pager", ""): 0}


async def test_a_store_that_takes_nothing_is_named():
    class FullStore(MemoryStore):
        async def append(self, _batch):
            raise StorageError("no space is left")

    async with Scene(store=FullStore()) as scene:
        drill = await scene.drill("pager")
        assert drill.reasons == ["the series could not be written: no space is left"]


async def test_a_receiver_without_a_channel_tells_nobody():
    async with Scene() as scene:
        drill = await scene.drill("empty")
        assert drill.result is Result.FAILED
        assert 'the receiver "empty" has no channel' in drill.reasons[0]


async def test_where_no_receiver_has_a_channel_alerts_are_shown_only():
    async with Scene(team=[], pager=[], log=[]) as scene:
        drill = await scene.drill()
        assert drill.reasons == [
            "no receiver has a channel, so alerts are shown on the page and nobody is told"
        ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"labels": {"team": "quiet"}}, ['("too loud", anna)', "muted by silence"]),
        ({"labels": {"team": "move"}}, ['muted by the maintenance "move"']),
        ({"labels": {"team": "night"}}, ["silent at this time (always)"]),
        ({"severity": "low"}, ["inhibited by", "Down"]),
    ],
)
async def test_it_says_what_mutes_it(options, words):
    async with Scene() as scene:
        now_ms = scene.clock.now_ms()
        quiet = Matcher("team", MatchType.EQUAL, "quiet")
        scene.state.silences.set(Silence((quiet,), now_ms, now_ms + 3_600_000, "anna", "too loud"), now_ms)
        scene.dispatcher.put([Alert(Labels({"alertname": "Down"}), {}, now_ms)])
        drill = await scene.drill(**options)
        assert drill.result is Result.MUTED
        (reason,) = drill.all_reasons
        assert all(word in reason for word in words), reason
        assert kinds(drill)[-1] == "muted"
        assert scene.metrics("tocsin_drill_success") == {}
        await scene.wait(15)
        told = [alert for _, each in scene.channels["team"][0].told for alert in each.alerts]
        assert {alert.name for alert in told} == {"Down"}


async def test_a_silence_that_comes_while_the_route_waits_is_named():
    async with Scene() as scene:
        drill = await scene.drill(timeout_ms=15_000, wait_s=5)
        now_ms = scene.clock.now_ms()
        everything = Matcher("alertname", MatchType.EQUAL, "TocsinDrill")
        silence = Silence((everything,), now_ms, now_ms + 3_600_000, "anna", "shh")
        scene.state.silences.set(silence, now_ms)
        await scene.wait(12)
        ended = scene.desk.get(drill.id)
        assert ended.result is Result.MUTED
        assert '("shh", anna)' in ended.muted[0]


async def test_the_series_of_a_drill_elsewhere_tells_nobody_here():
    async with Scene() as scene:
        forwarded = series('tocsin_drill{drill="3f9a",receiver="pager",severity="critical"}')
        scene.store.append_batch(SampleBatch.at(scene.clock.now_ms(), {forwarded: 1.0}))
        await scene.wait(15)
        assert scene.series('ALERTS{alertname="TocsinDrill"}')
        assert not any(channel.told for each in scene.channels.values() for channel in each)


# Acknowledging.


async def test_somebody_acknowledges():
    async with Scene() as scene:
        drill = await scene.drill("pager", wait_acknowledge_ms=60_000)
        assert drill.result is None
        ((_, message),) = scene.channels["pager"][0].told
        assert message.acknowledge_url.startswith("http://here/acknowledge/1/")
        (incident,) = scene.book.active()
        assert incident.is_drill
        assert incident.title.startswith("DRILL")
        scene.book.acknowledge(incident.id, "anna", scene.clock.now_ms())
        await scene.wait(2)
        acknowledged = scene.desk.get(drill.id)
        assert acknowledged.result is Result.SUCCEEDED
        assert acknowledged.stages[-1].who == "anna"
        await scene.wait(35)
        assert scene.book.get(incident.id).status is IncidentStatus.RESOLVED
        counted = [
            sample.value
            for family in scene.registry.collect()
            if family.name.startswith("tocsin_incident")
            for sample in family.samples
            if not sample.name.endswith("_created")
        ]
        assert not any(counted)


async def test_nobody_acknowledges_and_nobody_is_told_again():
    async with Scene() as scene:
        escalator = Escalator(
            scene.book, scene.dispatcher._receivers, (), scene.dispatcher.muting, scene.clock
        )
        escalating = asyncio.create_task(escalator.run())
        drill = await scene.drill("pager", wait_acknowledge_ms=600_000, wait_s=590)
        assert drill.result is None
        assert scene.channels["pager"][0].statuses == ["firing"]
        await scene.wait(50)
        ended = scene.desk.get(drill.id)
        assert ended.reasons == ["nobody acknowledged within 10m"]
        assert scene.channels["pager"][0].statuses == ["firing", "resolved"]
        assert not scene.channels["log"][0].told, "it escalates to nobody"
        assert scene.book.active() == []
        assert scene.metrics("tocsin_drill_success") == {("pager", "webhook"): 0}
        escalating.cancel()
        await asyncio.gather(escalating, return_exceptions=True)


# Asking, remembering.


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (DrillRequest(("nix",)), 'no receiver "nix" (configured: team, pager, log, empty)'),
        (DrillRequest(labels={"alertname": "x"}), 'the label "alertname"'),
        (DrillRequest(labels={"drill": "x"}), 'the label "drill"'),
        (DrillRequest(labels={"__x": "x"}), 'the label "__x"'),
    ],
)
async def test_what_cannot_be_asked_for(request_, words):
    async with Scene() as scene:
        with pytest.raises(UsageError) as raised:
            scene.desk.start(request_)
        assert words in str(raised.value)


async def test_one_at_a_time_to_each_receiver():
    async with Scene() as scene:
        scene.desk.start(DrillRequest(("pager",)))
        scene.desk.start(DrillRequest(("log",)))
        with pytest.raises(UsageError, match="still runs"):
            scene.desk.start(DrillRequest(("team", "pager")))
        await scene.wait(3)
        scene.desk.start(DrillRequest(("pager",)))


async def test_none_is_begun_while_the_configuration_is_exchanged():
    async with Scene() as scene:
        scene.desk.shut()
        with pytest.raises(UsageError, match="being exchanged"):
            scene.desk.start(DrillRequest(("pager",)))


async def test_the_last_result_counts_and_outlives_a_restart():
    state = AlertingState.open()
    async with Scene(state=state, pager=[[refusal()]]) as scene:
        failed = await scene.drill("pager")
        assert scene.metrics("tocsin_drill_success") == {("pager", "webhook"): 0}
        scene.channels["pager"][0].errors = []
        succeeded = await scene.drill("pager")
        assert scene.metrics("tocsin_drill_success") == {("pager", "webhook"): 1}
        assert [each.id for each in scene.desk.newest(10)] == [succeeded.id, failed.id]
        await scene.wait(35)
    again = Scene(state=state)
    assert again.metrics("tocsin_drill_success") == {("pager", "webhook"): 1}
    assert again.metrics("tocsin_drill_duration_seconds")["pager", "webhook"] <= 2
    assert again.desk.get(failed.id).reasons == ["pager, webhook: answered 404"]
    assert again.desk.get("nix") is None


async def test_what_a_restart_interrupts_is_ended():
    state, store = AlertingState.open(), MemoryStore()
    async with Scene(state=state, store=store) as scene:
        drill = await scene.drill("pager", wait_acknowledge_ms=60_000)
    async with Scene(state=state, store=store) as again:
        await again.wait(5)
        ended = again.desk.get(drill.id)
        assert (ended.result, ended.reasons) == (Result.INTERRUPTED, ["tocsin was stopped while it ran"])
        assert again.series("tocsin_drill") == []
        assert again.metrics("tocsin_drill_success") == {}


async def test_receivers_that_are_gone_are_no_longer_spoken_of():
    async with Scene(pager=[[refusal()]]) as scene:
        await scene.drill("pager")
        path = scene.desk._path
        scene.desk.open(type(path)(path.root, {"team": []}, path.muting, path.silences))
        assert scene.metrics("tocsin_drill_success") == {}


async def test_old_ones_are_forgotten():
    async with Scene() as scene:
        old = await scene.drill("pager")
        await scene.wait(35)
        scene.clock._now_ms += RETENTION_MS
        new = await scene.drill("pager")
        await settle()
        assert [each.id for each in scene.desk.newest(10)] == [new.id]
        assert scene.desk.get(old.id) is None
