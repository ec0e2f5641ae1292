from __future__ import annotations

import asyncio

import pytest

from tests.receive.statsd.receiving import Receiving
from tocsin.config import parse_source, validate
from tocsin.config.statsd import Preset, StatsdConfig, resolved_statsd
from tocsin.errors import ConfigError

LINES = b"""\
_round_started_count:1|c|#site:server,job_id:j1
_round_started_count:1|c|#site:server,job_id:j1
_round_time_taken:2.43|g|#site:server,job_id:j1
_task_execution_time_taken:0.51|g|#site:site-1,client:site-1,job_id:j1
_client_heartbeat_received_count:1|c|#site:server
datadog.dogstatsd.client.metrics:61|c|#client:py
_system_start_count:1|c|#site:site-1
other:1|c
"""


async def test_names_of_nvflare_become_documented_series(tmp_path):
    receiving = Receiving("preset: nvflare", tmp_path)
    await receiving.receiver.start()
    try:
        loop = asyncio.get_running_loop()
        address = ("127.0.0.1", receiving.receiver.udp_port)
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=address)
        transport.sendto(LINES)
        await receiving.packets(1)
        found = await receiving.flush()
        transport.close()
    finally:
        await receiving.receiver.stop()
    assert found == {
        'nvflare_rounds_started_total{job="nvflare",job_id="j1",site="server"}': 2,
        'nvflare_round_duration_seconds{job="nvflare",job_id="j1",site="server"}': 2.43,
        'nvflare_task_execution_seconds{client="site-1",job="nvflare",job_id="j1",site="site-1"}': 0.51,
        'nvflare_client_heartbeat_received_total{job="nvflare",site="server"}': 1,
        'nvflare_system_start_total{job="nvflare",site="site-1"}': 1,
        "other": 1,
    }


@pytest.mark.parametrize("preset", Preset)
def test_every_preset_is_a_valid_mapping_file(preset, tmp_path):
    source = parse_source(f"preset: {preset}", "tocsin.yml")
    resolved = resolved_statsd(validate(StatsdConfig, source), source, tmp_path, ())
    assert resolved.mapping.mappings


def test_a_preset_beside_a_mapping_is_refused(tmp_path):
    source = parse_source("{preset: nvflare, mapping: {}}", "tocsin.yml")
    with pytest.raises(ConfigError, match=r"tocsin\.yml:1: only one of mapping, mapping_config and preset"):
        resolved_statsd(validate(StatsdConfig, source), source, tmp_path, ())
