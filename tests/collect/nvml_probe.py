"""Collects GPU metrics once for each step on stdin and prints what came: run by test_gpu.py.

A step is a JSON object of environment variables to set, or to remove where the value is null.
"""

from __future__ import annotations

import json
import os
import sys

from tocsin.collect import GpuCollector


def main() -> None:
    collector = GpuCollector(retry_after_s=0)
    rounds = []
    for step in json.load(sys.stdin):
        for name, value in step.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        samples = [
            [sample.name, family.type, sample.labels, sample.value]
            for family in collector.collect()
            for sample in family.samples
        ]
        rounds.append({"samples": samples, "status": collector.status()})
    json.dump(rounds, sys.stdout)


if __name__ == "__main__":
    main()
