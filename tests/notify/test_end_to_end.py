"""A threshold is crossed, and a webhook is called: all parts together, on the machine's clock."""

from __future__ import annotations

import asyncio
import time

from prometheus_client import CollectorRegistry

from tests.notify.sink import webhook_sink
from tests.rules.helpers import MemoryStore, series, write
from tocsin.alerts import AlertingState, Dispatcher, Inhibitor, Muting, build_route
from tocsin.config import parse_source, validate
from tocsin.config.alertmanager import AlertmanagerConfig
from tocsin.model import SampleBatch, SystemClock
from tocsin.notify import NotifyMetrics, Receivers
from tocsin.promql import Engine
from tocsin.rules import RuleManager, RuleMetrics, Surroundings, query_by

CONFIG = """
route: {receiver: all, group_by: [alertname], group_wait: 0s, group_interval: 100ms}
receivers: [{name: all, webhook_configs: [{url: "URL/secret"}]}]
"""
RULES = """
groups:
  - name: g
    interval: 1s
    rules:
      - {alert: Hot, expr: celsius > 85, labels: {severity: page}, annotations: {summary: "{{ $value }} °C"}}
"""


async def test_a_threshold_crossed_reaches_a_webhook_and_so_does_its_end(tmp_path):
    clock, store, registry = SystemClock(), MemoryStore(), CollectorRegistry()
    with webhook_sink() as sink:
        config = validate(AlertmanagerConfig, parse_source(CONFIG.replace("URL", sink.url), "am.yml"))
        async with Receivers(config.receivers, clock, NotifyMetrics(registry)) as receivers:
            state = AlertingState.open()
            dispatcher = Dispatcher(
                build_route(config.route),
                receivers.channels,
                clock,
                state,
                Muting(Inhibitor(()), state.silences, {}),
                "http://here",
            )
            surroundings = Surroundings(
                query_by(Engine(store)),
                store,
                clock,
                dispatcher.put,
                RuleMetrics(registry),
                external_url="http://here",
            )
            manager = RuleManager(surroundings)
            manager.load([write(tmp_path / "rules.yml", RULES)])
            tasks = [asyncio.create_task(manager.run()), asyncio.create_task(dispatcher.run())]
            await store.append(SampleBatch.at(clock.now_ms(), {series('celsius{gpu="0"}'): 80.0}))
            await asyncio.sleep(1.1)
            assert sink.requests == []
            crossed_s = time.time()
            await store.append(SampleBatch.at(clock.now_ms(), {series('celsius{gpu="0"}'): 90.0}))
            (fired,) = await asyncio.to_thread(sink.wait_for, 1)
            print(f"sample to webhook: {fired['at'] - crossed_s:.3f} s")
            await store.append(SampleBatch.at(clock.now_ms(), {series('celsius{gpu="0"}'): 80.0}))
            _, resolved = await asyncio.to_thread(sink.wait_for, 2)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    (alert,) = fired["body"]["alerts"]
    assert alert["labels"] == {"alertname": "Hot", "gpu": "0", "severity": "page"}
    assert alert["annotations"] == {"summary": "90 °C"}
    assert alert["generatorURL"] == "http://here/graph?g0.expr=celsius+%3E+85&g0.tab=1"
    assert fired["body"]["groupKey"] == '{}:{alertname="Hot"}'
    assert resolved["body"]["status"] == "resolved"
    assert resolved["body"]["alerts"][0]["startsAt"] == alert["startsAt"]
