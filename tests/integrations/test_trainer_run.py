from __future__ import annotations

import copy
import importlib
import inspect
import logging
import pickle
import sys
from collections import UserDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sdk.receiver import Receiver
from tests.sdk.tensors import Tensor
from tocsin.integrations._trainer_run import (
    MOST_RATES,
    FailsWithBlock,
    MonitorOptions,
    TrainerRun,
    guarded,
    learning_rates,
    numbers,
    sizes_of,
    told,
)
from tocsin.sdk.training import TrainingMonitor


class Callback(FailsWithBlock):
    """As an integration has it."""

    def __init__(self, receiver, name=None, **options):
        self._run = TrainerRun("callback", name, {"url": receiver.url, **options})

    @guarded
    def on_something(self, fault=None):
        """A hook."""
        if fault is not None:
            raise fault


class Array:
    """Has a shape, as arrays of every framework do, and cannot be read."""

    def __init__(self, *shape):
        self.shape = shape

    def __float__(self):
        raise AssertionError("only its shape may be looked at")


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def run(receiver):
    return TrainerRun("callback", None, {"url": receiver.url})


def test_a_run_opens_when_it_begins_and_closes_when_it_ends(run, receiver):
    run.begin("line", 3)
    for number in (7, 8, 9):
        run.step(number, {"loss": 0.5, "epoch": None})
    run.evaluate(9, {"loss": 0.25})
    run.evaluate(9, {})
    run.end()
    run.end(is_failed=True)
    assert receiver.values("training_loss") == [0.5] * 3
    assert receiver.values("training_step") == [7, 8, 9, 9]
    assert receiver.values("training_val_loss") == [0.25]
    assert receiver.values("training_total_steps")[-1] == 3
    assert receiver.values("training_status")[-1] == 2
    assert not receiver.values("training_epoch")


def test_what_is_told_while_nothing_goes_on_is_ignored(run, receiver, caplog):
    for _ in range(2):
        run.step(1, {"loss": 0.5})
        run.part("data")
        run.begin_validation()
        run.end_validation()
        run.evaluate(1, {"loss": 0.5})
        run.checkpoint("nowhere", 1)
        run.end()
    assert not receiver.samples
    assert not caplog.records


def test_a_run_that_is_open_when_another_begins_has_failed(run, receiver):
    run.begin("first")
    run.begin("second")
    run.end()
    statuses = {sample.labels: sample.value for sample in receiver.of("training_status")}
    assert {"first" in labels: value for labels, value in statuses.items()} == {True: 3, False: 2}


def test_the_name_of_the_user_counts_for_more(receiver):
    run = TrainerRun("callback", "mine", {"url": receiver.url, "labels": {"team": "vision"}})
    run.begin("line", rank=1, world_size=2)
    run.end()
    assert 'rank="1",run="mine",team="vision"' in receiver.of("training_status")[0].labels


@pytest.mark.parametrize("total", [None, 0, -1])
def test_a_total_that_is_none_is_left_out(run, receiver, total, caplog):
    run.begin("line", total)
    run.end()
    assert not receiver.values("training_total_steps")
    assert not caplog.records


def test_parts_follow_each_other_and_a_validation_ends_them(run, receiver):
    run.begin("line")
    for name in ("data", "forward_backward", "data", None, "optimizer"):
        run.part(name)
    for _ in range(2):
        run.begin_validation()
    for _ in range(2):
        run.end_validation()
    run.end()
    parts = {sample.labels.partition('part="')[2].partition('"')[0] for sample in receiver.samples}
    assert parts - {""} == {"data", "forward_backward", "optimizer", "validation"}
    assert receiver.values("training_validating")[-1] == 0


def test_an_option_that_there_is_not_is_refused(receiver):
    with pytest.raises(TypeError, match='there is no option "total_steps"'):
        Callback(receiver, total_steps=3)


def test_the_options_are_those_of_the_monitor():
    of_the_framework = {"self", "name", "total_steps", "rank", "world_size"}
    parameters = inspect.signature(TrainingMonitor.__init__).parameters.keys()
    assert MonitorOptions.__annotations__.keys() == parameters - of_the_framework


def test_a_run_is_copied_and_sent_without_what_is_open(run, receiver):
    run.begin("line")
    for twin in (copy.deepcopy(run), pickle.loads(pickle.dumps(run))):  # noqa: S301 - our own
        assert twin.monitor is None
        twin.begin("twin")
        twin.step(1, {"loss": 0.5})
        twin.end()
    run.end()
    assert receiver.values("training_loss") == [0.5, 0.5]


def test_a_hook_that_fails_is_told_once(receiver, caplog):
    caplog.set_level(logging.WARNING, logger="tocsin")
    callback = Callback(receiver)
    for _ in range(3):
        callback.on_something(ValueError("broken"))
    assert [record.getMessage().count("broken") for record in caplog.records] == [1]
    assert callback.on_something.__doc__ == "A hook."
    with pytest.raises(KeyboardInterrupt):
        callback.on_something(KeyboardInterrupt())


@pytest.mark.parametrize("kind", [None, ValueError, KeyboardInterrupt])
def test_a_training_that_goes_on_at_the_end_of_the_block_has_failed(receiver, kind):
    def train():
        with Callback(receiver) as callback:
            callback._run.begin("line")
            if kind is not None:
                raise kind("mine")

    if kind is None:
        train()
    else:
        with pytest.raises(kind, match="mine"):
            train()
    assert receiver.values("training_status")[-1] == 3


def test_of_a_tensor_that_is_spread_over_devices_the_part_here_counts():
    class Spread:
        def to_local(self):
            return Tensor(0.5)

    assert float(told({"loss": Spread()})["loss"]) == 0.5


def test_texts_are_no_values():
    assert numbers({"loss": 1, "note": "warm-up", "raw": b"1", "missing": None, 3: 0.5}) == {
        "loss": 1,
        "3": 0.5,
    }
    assert numbers(None) == {}


def test_learning_rates_are_those_of_every_group_up_to_some():
    class Optimizer:
        def __init__(self, *rates):
            self.param_groups = [{"lr": rate} for rate in rates]

    assert learning_rates([Optimizer(0.1, 0.2), Optimizer(0.3)]) == {
        "learning_rate": 0.1,
        "learning_rate_2": 0.2,
        "learning_rate_3": 0.3,
    }
    assert len(learning_rates([Optimizer(*range(100))])) == MOST_RATES
    assert learning_rates([]) == {}


@pytest.mark.parametrize(
    ("batch", "sizes"),
    [
        (Array(8, 4), {"samples": 8}),
        ([Array(8, 4), Array(8)], {"samples": 8}),
        (({"x": (Array(3),)}, "name"), {"samples": 3}),
        ({"input_ids": Array(8, 16), "labels": Array(8)}, {"samples": 8, "tokens": 128}),
        (UserDict(input_ids=Array(2, 16)), {"samples": 2, "tokens": 32}),
        ({"names": ["a", "b"], "scale": Array(), "x": Array(5, 2)}, {"samples": 5}),
        ({"input_ids": [[1, 2], [3, 4]]}, {}),
        ([], {}),
        (None, {}),
        ("text", {}),
        ([[[[[[Array(8)]]]]]], {}),
    ],
)
def test_the_size_of_a_batch_is_that_of_its_first_array(batch, sizes):
    assert sizes_of(batch) == sizes


@given(
    st.recursive(
        st.one_of(st.none(), st.text(), st.integers(), st.builds(Array, st.integers(0, 9))),
        lambda inside: st.one_of(
            st.lists(inside, max_size=3), st.dictionaries(st.text(), inside, max_size=3)
        ),
    )
)
def test_no_batch_is_too_strange(batch):
    assert sizes_of(batch).keys() <= {"samples", "tokens"}


@pytest.mark.parametrize(
    ("name", "packages", "command"),
    [
        ("lightning", ["lightning", "lightning.pytorch", "pytorch_lightning"], "pip install lightning"),
        ("transformers", ["transformers"], "pip install 'transformers[torch]'"),
        ("keras", ["keras"], "pip install keras torch"),
        ("accelerate", ["accelerate"], "pip install accelerate"),
    ],
)
def test_without_the_framework_the_command_that_installs_it_is_told(monkeypatch, name, packages, command):
    module = f"tocsin.integrations.{name}"
    monkeypatch.delitem(sys.modules, module, raising=False)
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module(module).TocsinCallback  # noqa: B018 - Lightning is needed only here
    assert command in str(caught.value)
    sys.modules.pop(module, None)
