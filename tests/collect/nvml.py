"""The stub of NVIDIA's library: compiled once, asked through the real binding in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.peers import require_peer

HERE = Path(__file__).parent

CARD = {
    "UUID": "GPU-5b1fd1a4-0000-1111-2222-333344445555",
    "NAME": "NVIDIA H100 80GB HBM3",
    "BUS_ID": "00000000:19:00.0",
    "SM_CLOCK": 1980,
    "MEM_CLOCK": 2619,
    "GPU_TEMP": 41,
    "MEMORY_TEMP": 52,
    "POWER": 627_403,
    "ENERGY": 9_876_543_210_123,
    "PCIE_REPLAYS": 7,
    "PCIE_TX": 1234,
    "PCIE_RX": 5678,
    "GPU_UTIL": 97,
    "MEM_UTIL": 31,
    "ENC_UTIL": 3,
    "DEC_UTIL": 4,
    "FB_FREE": 60_000 * 2**20 + 1,
    "FB_USED": 21_000 * 2**20 + 2**19,
    "FB_RESERVED": 559 * 2**20,
    "ECC_SBE_VOL": 11,
    "ECC_DBE_VOL": 12,
    "ECC_SBE_AGG": 13,
    "ECC_DBE_AGG": 2**40,
    "ROWS_CORRECTABLE": 5,
    "ROWS_UNCORRECTABLE": 6,
    "ROWS_FAILURE": 1,
    "REASONS": 0x4 | 0x40,
    "REASONS_SUPPORTED": 0xFF,
    "XID_EVENTS": 1,
}
"""A card that can tell everything, every value different from every other."""


@dataclass(frozen=True)
class Round:
    """What one collection gave."""

    status: str
    samples: list[tuple[str, str, dict[str, str], float]]

    def values(self, gpu: str = "0") -> dict[str, float]:
        """Values of one card by metric name; throttle reasons by metric name and reason."""
        return {
            name + labels.get("reason", ""): value
            for name, _, labels, value in self.samples
            if labels.get("gpu") == gpu
        }

    def value(self, name: str, gpu: str = "0") -> float | None:
        return self.values(gpu).get(name)

    @property
    def devices(self) -> float:
        (count,) = (value for name, _, _, value in self.samples if name == "tocsin_gpu_devices")
        return count


def machine(*cards: dict[str, object]) -> dict[str, str | None]:
    """The stub's variables for a machine with these cards."""
    return {
        "NVML_STUB_INIT": "0",
        "NVML_STUB_COUNT": str(len(cards)),
        **{
            f"NVML_STUB_{index}_{name}": str(value)
            for index, card in enumerate(cards)
            for name, value in card.items()
        },
    }


def build(folder: Path, *flags: str) -> Path:
    """Compile the stub into a folder for LD_LIBRARY_PATH."""
    command = [require_peer("gcc"), "-shared", "-fPIC", *flags, str(HERE / "nvml_stub.c")]
    subprocess.run([*command, "-o", str(folder / "libnvidia-ml.so.1")], check=True, timeout=60)
    return folder


def collect(library: Path, *steps: dict[str, str | None]) -> list[Round]:
    """One round of the GPU collector after each step."""
    done = subprocess.run(
        [sys.executable, str(HERE / "nvml_probe.py")],
        input=json.dumps(steps),
        env={**os.environ, "LD_LIBRARY_PATH": str(library)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
        text=True,
    )
    return [
        Round(step["status"], [tuple(sample) for sample in step["samples"]])
        for step in json.loads(done.stdout)
    ]
