"""The suites of rule groups and of their restoring, over samples that lie in another engine."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.rules import helpers, test_group, test_restore
from tests.storage.remote.engines import ENGINES, VICTORIA_METRICS, RunningEngine, running_engine
from tocsin.model import SampleBatch
from tocsin.promql.remote import RemoteEngine
from tocsin.receive import encode_write_request
from tocsin.storage.remote import RemoteStorage

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]

DIFFERENT = {
    "test_it_runs_at_its_slots_and_leaves_out_missed_ones": "a manual clock waits for no network",
    "test_a_running_group_restores_after_two_evaluations": "a manual clock waits for no network",
}
ONLY_PROMQL = {
    "test_a_failing_rule_stops_no_other_and_says_why": "VictoriaMetrics words its errors in its own way",
}

globals().update(
    {
        name: test
        for module in (test_group, test_restore)
        for name, test in vars(module).items()
        if name.startswith("test_") and name not in DIFFERENT
    }
)


class ShownStorage(RemoteStorage):
    """A store that shows at once what it has taken, and takes samples without an event loop as well."""

    def __init__(self, engine: RunningEngine) -> None:
        super().__init__(engine.connection(), encode_write_request)
        self._engine = engine

    def put(self, at_ms, values):
        batch = SampleBatch.at(at_ms, {helpers.series(text): value for text, value in values.items()})
        httpx.post(
            self._engine.write_url,
            content=encode_write_request(batch),
            headers={"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"},
            trust_env=False,
        ).raise_for_status()
        self._engine.show()

    async def append(self, batch):
        await super().append(batch)
        await asyncio.to_thread(self._engine.show)


@pytest.fixture(params=ENGINES)
def engine(request, tmp_path):
    name = request.node.originalname
    if request.param == VICTORIA_METRICS and name in ONLY_PROMQL:
        pytest.skip(ONLY_PROMQL[name])
    folder = tmp_path / "engine"
    folder.mkdir()
    with running_engine(request.param, folder) as engine:
        yield engine


@pytest.fixture(autouse=True)
async def scenes_over_engine(engine, monkeypatch):
    """Let each scene keep its samples in the engine and ask it."""
    storage = ShownStorage(engine)
    monkeypatch.setattr(helpers, "MemoryStore", lambda: storage)
    monkeypatch.setattr(helpers, "Engine", lambda store: RemoteEngine(store.client))
    yield
    await storage.close()
