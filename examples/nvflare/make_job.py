"""Write a job for NVIDIA FLARE that tocsin watches: ``python make_job.py FOLDER`` and then

``nvflare simulator FOLDER -w /tmp/flare -n 2 -t 2``, or ``nvflare job submit -j FOLDER``.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tocsin.integrations.nvflare import job_components

SITES = ("site-1", "site-2")
AGGREGATOR = "nvflare.app_common.aggregators.intime_accumulate_model_aggregator"


def server(rounds: int) -> dict[str, Any]:
    """Average what the sites have learnt, some rounds long."""
    workflow = {
        "id": "scatter_and_gather",
        "path": "nvflare.app_common.workflows.scatter_and_gather.ScatterAndGather",
        "args": {
            "min_clients": len(SITES),
            "num_rounds": rounds,
            "wait_time_after_min_received": 0,
            "aggregator_id": "aggregator",
            "persistor_id": "persistor",
            "shareable_generator_id": "generator",
        },
    }
    components = [
        {"id": "persistor", "path": "nvflare.app_common.np.np_model_persistor.NPModelPersistor"},
        {
            "id": "generator",
            "path": "nvflare.app_common.shareablegenerators.full_model_shareable_generator"
            ".FullModelShareableGenerator",
        },
        {
            "id": "aggregator",
            "path": f"{AGGREGATOR}.InTimeAccumulateWeightedAggregator",
            "args": {"expected_data_kind": "WEIGHTS"},
        },
    ]
    return {"format_version": 2, "workflows": [workflow], "components": components}


def client() -> dict[str, Any]:
    """Learn whenever the server says so."""
    executor = {"path": "learner.Learner", "args": {}}
    return {
        "format_version": 2,
        "executors": [{"tasks": ["train"], "executor": executor}],
        "components": [],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the job."""
    parser = argparse.ArgumentParser(description="Write a job for NVIDIA FLARE that tocsin watches.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--statsd-port", type=int, default=9125, help="where tocsin listens")
    parser.add_argument("--no-reporter", action="store_true", help="the sites have one of their own")
    given = parser.parse_args(arguments)
    port = None if given.no_reporter else given.statsd_port
    write(given.folder, "server", server(given.rounds), "config_fed_server.json", port)
    for site in SITES:
        write(given.folder, site, client(), "config_fed_client.json", port)
        custom = given.folder / f"app_{site}" / "custom"
        custom.mkdir()
        shutil.copy(Path(__file__).with_name("learner.py"), custom)
    deployed = {f"app_{name}": [name] for name in ("server", *SITES)}
    meta = {"name": "toy", "min_clients": len(SITES), "resource_spec": {}, "deploy_map": deployed}
    (given.folder / "meta.json").write_text(json.dumps(meta, indent=2))


def write(folder: Path, site: str, config: dict[str, Any], name: str, statsd_port: int | None) -> None:
    """Write the configuration of one site, with what tocsin needs."""
    config["components"] += job_components(site, is_server=site == "server", statsd_port=statsd_port)
    target = folder / f"app_{site}" / "config"
    target.mkdir(parents=True)
    (target / name).write_text(json.dumps(config, indent=2))


if __name__ == "__main__":
    main()
