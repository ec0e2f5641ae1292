"""Which of the processes of a distributed training this is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from tocsin.sdk.guard import Guard

_VARIABLES: Final = (
    ("RANK", "WORLD_SIZE"),  # torchrun, Accelerate, Lightning, DeepSpeed
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
)
"""What launchers set, the nearest to the training first: Slurm also starts those above it."""


@dataclass(frozen=True, slots=True)
class Rank:
    """The number of this process and how many there are.

    >>> Rank.of(None, None, Guard("TrainingMonitor"), {"RANK": "3", "WORLD_SIZE": "8"})
    Rank(number=3, world_size=8)
    """

    number: int = 0
    world_size: int = 1

    @classmethod
    def of(
        cls,
        number: int | None,
        world_size: int | None,
        guard: Guard,
        environment: Mapping[str, str] = os.environ,
    ) -> Self:
        """What was given, else what a launcher has set in the environment, else the only process.

        What cannot be is told once, and the process then counts as the only one.
        """
        if number is None and world_size is None:
            number, world_size = _launched(environment)
        with guard.around("rank", f"rank {number!r} of {world_size!r} processes is left out"):
            found = cls(int(number or 0), int(world_size or 1))
            if not 0 <= found.number < found.world_size:
                raise ValueError("allowed are ranks from 0 to world_size - 1")
            return found
        return cls()

    @property
    def labels(self) -> dict[str, str]:
        """The label of its series, where there are several processes."""
        return {"rank": str(self.number)} if self.world_size > 1 else {}


def _launched(environment: Mapping[str, str]) -> tuple[int | None, int | None]:
    for number, world_size in _VARIABLES:
        numbers = (environment.get(number, ""), environment.get(world_size, ""))
        if all(each.isdecimal() for each in numbers):
            return int(numbers[0]), int(numbers[1])
    return None, None
