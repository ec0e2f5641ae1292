from __future__ import annotations

import pytest

from tocsin.sdk.guard import Guard
from tocsin.sdk.rank import Rank


def rank(number=None, world_size=None, **environment):
    return Rank.of(number, world_size, Guard("test"), environment)


def test_alone_it_has_no_label():
    assert rank() == Rank(0, 1)
    assert rank().labels == {}


@pytest.mark.parametrize(
    "environment",
    [
        {"RANK": "3", "WORLD_SIZE": "8", "SLURM_PROCID": "0", "SLURM_NTASKS": "2"},
        {"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "8"},
        {"PMI_RANK": "3", "PMI_SIZE": "8"},
        {"SLURM_PROCID": "3", "SLURM_NTASKS": "8"},
        {"RANK": "", "WORLD_SIZE": "8", "SLURM_PROCID": "3", "SLURM_NTASKS": "8"},
    ],
)
def test_what_a_launcher_has_set_counts(environment):
    assert rank(**environment) == Rank(3, 8)
    assert rank(**environment).labels == {"rank": "3"}


def test_what_is_given_counts_before_the_environment():
    assert rank(1, 4, RANK="3", WORLD_SIZE="8") == Rank(1, 4)


@pytest.mark.parametrize(("number", "world_size"), [(4, 4), (-1, 4), (1, None), ("a", 4), (0, "b")])
def test_a_rank_that_cannot_be_is_told_and_left_out(number, world_size, caplog):
    assert rank(number, world_size) == Rank(0, 1)
    assert "is left out" in caplog.text
