from __future__ import annotations

import gc
import logging
import weakref
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from tests.sdk.tensors import JaxArray, Tensor, Vector
from tocsin.sdk.guard import Guard
from tocsin.sdk.values import resolve, settle


@pytest.fixture
def guard():
    return Guard("test")


def read(guard, **values):
    return resolve(settle(values, guard), guard)


@pytest.mark.parametrize(
    "value",
    [
        0.5,
        np.float32(0.5),
        np.array(0.5),
        np.array([0.5]),
        Decimal("0.5"),
        Fraction(1, 2),
        Tensor(0.5),
        JaxArray(0.5),
    ],
    ids=lambda value: f"{type(value).__name__}-{np.ndim(value)}",
)
def test_whatever_holds_one_number_is_read(guard, value, caplog):
    (result,) = read(guard, loss=value).values()
    assert result == 0.5
    assert not caplog.records


def test_a_tensor_that_no_accelerator_has_to_finish_is_read_at_once(guard):
    class OnProcessor(Tensor):
        is_cpu = True

        def item(self):
            return self.value

    assert settle({"loss": OnProcessor(0.5)}, guard) == {"loss": 0.5}


def test_whole_numbers_are_read(guard):
    assert read(guard, a=2, b=True, c=np.int64(3)) == {"a": 2, "b": 1, "c": 3}


@pytest.mark.parametrize(
    "value",
    [None, "0.5", b"1", np.array([1, 2]), [1.0], object(), 1j, Vector()],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_number_is_left_out_and_told_once(guard, value, caplog):
    with caplog.at_level(logging.WARNING, logger="tocsin"):
        for _ in range(3):
            assert read(guard, loss=value, lr=0.1) == {"lr": 0.1}
    (record,) = caplog.records
    assert f'value "loss" of type {type(value).__name__} is not a number' in record.getMessage()


def test_an_array_that_changes_later_keeps_the_value_of_its_step(guard):
    array, tensor = np.array(1.0), Tensor(1.0)
    settled = settle({"array": array, "tensor": tensor}, guard)
    array += 1
    tensor.value = 2.0
    assert resolve(settled, guard) == {"array": 1.0, "tensor": 1.0}


def test_a_tensor_keeps_no_graph_alive(guard):
    class Graph:
        pass

    graph = Graph()
    alive = weakref.ref(graph)
    settled = settle({"loss": Tensor(1.0, graph=graph)}, guard)
    del graph
    gc.collect()
    assert alive() is None
    assert settled


def test_a_tensor_is_not_read_in_the_training_loop(guard):
    tensor = Tensor(1.0)
    settled = settle({"loss": tensor}, guard)
    assert tensor.read_in == []
    assert resolve(settled, guard) == {"loss": 1.0}
    assert len(tensor.read_in) == 1
