"""Keras itself, on PyTorch: losses of batches from its means, and what its users do with it."""

from __future__ import annotations

from itertools import pairwise

import pytest

pytest.importorskip("torch", reason="torch is not installed (make frameworks)")
pytest.importorskip("tests.frameworks.trainers")  # chooses the backend, before Keras is imported
pytest.importorskip("keras", reason="keras is not installed (make frameworks)")

import keras
from hypothesis import given
from hypothesis import strategies as st

from tests.frameworks import trainers
from tests.frameworks.trainers import BATCH_SIZE, INPUTS, STEPS, TARGETS, steps_of
from tocsin.integrations.keras import EpochBatches, TocsinCallback

pytestmark = [pytest.mark.framework, pytest.mark.filterwarnings("default")]


@pytest.fixture
def callback(receiver):
    return TocsinCallback(url=receiver.url)


def test_the_loss_is_that_of_the_batch_not_the_mean_since_the_epoch_began(callback, receiver):
    losses = []

    class Noting(keras.Sequential):
        def compute_loss(self, *args, **kwargs):
            loss = super().compute_loss(*args, **kwargs)
            losses.append(loss)
            return loss

    trainers.keras_fit(trainers.keras_model(Noting), [callback])
    trained = losses[-STEPS:]  # Keras calls it before, to build the model
    assert receiver.values("training_loss") == pytest.approx([float(loss) for loss in trained], rel=1e-5)


@given(st.lists(st.floats(0, 100), max_size=50), st.sampled_from([1, 3]), st.randoms())
def test_threads_may_hand_over_batches_in_any_order(losses, stride, random):
    told = []
    batches = EpochBatches(lambda *each: told.append(each), stride=stride, are_means=True)
    counts = sorted({*range(stride, len(losses) + 1, stride), len(losses)} - {0})
    mixed = random.sample(counts, len(counts))
    for count in mixed:
        batches.take(count, {"loss": sum(losses[:count]) / count})
    assert batches.finish() == len(losses)
    assert [(earlier, count) for earlier, count, _ in told] == [*pairwise([0, *counts])]
    for earlier, count, values in told:
        assert values["loss"] == pytest.approx(sum(losses[earlier:count]) / (count - earlier), abs=1e-9)


def test_a_batch_that_never_comes_holds_up_only_some():
    told = []
    batches = EpochBatches(lambda *each: told.append(each), are_means=False)
    for count in range(2, 200):
        batches.take(count, {"loss": float(count)})
    batches.take(1, {"loss": 1.0})
    assert [count for _, count, _ in told] == list(range(2, 200))
    assert batches.finish() == 199


def test_a_loss_that_is_no_mean_is_told_as_it_is(callback, receiver):
    class Own(keras.Sequential):
        count = 0

        def train_step(self, data):
            Own.count += 1
            super().train_step(data)
            return {"loss": float(Own.count)}

    trainers.keras_fit(trainers.keras_model(Own), [callback])
    assert receiver.values("training_loss") == list(range(1, STEPS + 1))


def test_metrics_and_what_a_validation_measures(callback, receiver):
    model = trainers.keras_model(metrics=["mae"])
    history = trainers.keras_fit(model, [callback], validation_data=(INPUTS.numpy(), TARGETS.numpy()))
    assert receiver.values("training_mae")[trainers.BATCHES - 1] == pytest.approx(history.history["mae"][0])
    for name in ("val_loss", "val_mae"):
        assert receiver.values(f"training_{name}") == pytest.approx(history.history[name])
    assert steps_of(receiver, "training_val_loss") == [4, 8]
    parts = {sample.labels for sample in receiver.of("training_part_seconds_total")}
    assert [labels for labels in parts if 'part="validation"' in labels]


def test_accumulated_gradients_make_one_step(callback, receiver):
    model = trainers.keras_model(optimizer=keras.optimizers.SGD(0.1, gradient_accumulation_steps=2))
    trainers.keras_fit(model, [callback])
    assert steps_of(receiver) == [1, 2, 3, 4]
    assert receiver.values("training_total_steps")[-1] == 4


def test_a_schedule_is_read_at_each_tenth_batch(callback, receiver):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.9)
    trainers.keras_fit(
        trainers.keras_model(optimizer=keras.optimizers.SGD(schedule)), [callback], batch_size=2, epochs=1
    )
    assert steps_of(receiver, "training_learning_rate") == [1, 11]
    assert receiver.values("training_learning_rate") == pytest.approx([0.1, 0.1 * 0.9**10])


def test_fitting_again_goes_on_in_its_steps(receiver):
    model = trainers.keras_model()
    for _ in range(2):
        trainers.keras_fit(model, [TocsinCallback(url=receiver.url)])
    assert steps_of(receiver) == list(range(1, 2 * STEPS + 1))


def test_data_of_unknown_length_has_no_total(callback, receiver):
    def batches():
        for _ in range(3):
            yield INPUTS[:BATCH_SIZE].numpy(), TARGETS[:BATCH_SIZE].numpy()

    trainers.keras_fit(trainers.keras_model(), [callback], x=batches(), y=None, batch_size=None, epochs=1)
    assert steps_of(receiver) == [1, 2, 3]
    assert not receiver.values("training_total_steps")
    assert not receiver.values("training_samples")


def test_evaluating_alone_is_no_training(callback, receiver):
    model = trainers.keras_model()
    model.evaluate(INPUTS.numpy(), TARGETS.numpy(), callbacks=[callback], verbose=0)
    model.predict(INPUTS.numpy(), callbacks=[callback], verbose=0)
    assert not receiver.samples


def test_stopping_early_is_an_end_like_another(callback, receiver):
    stop = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=1e9)
    trainers.keras_fit(trainers.keras_model(), [callback, stop], epochs=50)
    assert steps_of(receiver)[-1] < 50 * trainers.BATCHES
    assert receiver.values("training_status")[-1] == 2


def test_the_run_is_called_after_the_model(callback, receiver):
    trainers.keras_fit(trainers.keras_model(), [callback], epochs=1)
    assert 'run="line"' in receiver.of("training_loss")[0].labels
