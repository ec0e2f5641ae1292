"""Transformers itself: when its Trainer logs, evaluates and saves, and what arrives."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("torch", reason="torch is not installed (make frameworks)")
pytest.importorskip("transformers", reason="transformers is not installed (make frameworks)")

import transformers

from tests.frameworks import trainers
from tests.frameworks.trainers import STEPS, Accident, steps_of
from tocsin.integrations.transformers import TocsinCallback

pytestmark = [pytest.mark.framework, pytest.mark.filterwarnings("default")]


@pytest.fixture
def train(receiver, tmp_path):
    """Trains with some arguments and gives the trainer."""

    def train(**options):
        trainer = trainers.transformers_trainer(TocsinCallback(url=receiver.url), tmp_path, **options)
        trainer.train()
        return trainer

    return train


def test_losses_come_as_often_as_the_trainer_logs(train, receiver):
    trainer = train(logging_steps=3)
    logged = [line for line in trainer.state.log_history if "loss" in line]
    assert steps_of(receiver) == [line["step"] for line in logged] == [3, 6]
    assert receiver.values("training_loss") == [line["loss"] for line in logged]
    assert receiver.values("training_grad_norm") == [line["grad_norm"] for line in logged]
    assert receiver.values("training_learning_rate") == [line["learning_rate"] for line in logged]
    assert steps_of(receiver, "training_samples") == list(range(1, STEPS + 1))


def test_logging_by_epoch_counts_no_step_twice(train, receiver):
    train(logging_strategy="epoch")
    assert len(receiver.values("training_loss")) == trainers.EPOCHS
    assert receiver.values("training_samples_total")[-1] == STEPS * trainers.BATCH_SIZE
    assert steps_of(receiver, "training_samples") == list(range(1, STEPS + 1))


def test_accumulated_gradients_make_one_step(train, receiver):
    train(gradient_accumulation_steps=2)
    assert steps_of(receiver) == [1, 2, 3, 4]
    assert receiver.values("training_samples") == [2 * trainers.BATCH_SIZE] * 4
    assert receiver.values("training_total_steps")[-1] == 4


def test_each_evaluation_is_told_once_and_without_its_speed(train, receiver):
    trainer = train(eval_strategy="steps", eval_steps=2)
    evaluated = [line for line in trainer.state.log_history if "eval_loss" in line]
    assert steps_of(receiver, "training_val_loss") == [2, 4, 6, 8]
    assert receiver.values("training_val_loss") == [line["eval_loss"] for line in evaluated]
    assert not [sample.name for sample in receiver.samples if "runtime" in sample.name]
    parts = {sample.labels for sample in receiver.of("training_part_seconds_total")}
    for part in ("data", "forward_backward", "optimizer", "validation", "checkpoint"):
        assert any(f'part="{part}"' in labels for labels in parts)


def test_an_evaluation_after_the_training_is_none_of_it(train, receiver):
    trainer = train()
    told = len(receiver.samples)
    trainer.evaluate()
    trainer.predict(trainer.eval_dataset)
    assert len(receiver.samples) == told


def test_the_best_checkpoint_is_told_where_only_that_is_saved(train, receiver):
    train(save_strategy="best", metric_for_best_model="loss")
    assert receiver.values("training_checkpoints_total")[-1] >= 1
    assert receiver.values("training_checkpoint_size_bytes")[-1] > 1000


def test_tokens_are_counted_where_the_trainer_counts_them(receiver, tmp_path):
    trainer = trainers.transformers_trainer(
        TocsinCallback(url=receiver.url), tmp_path, include_num_input_tokens_seen="all"
    )
    trainer.train_dataset = [{**each, "input_ids": [1, 2, 3]} for each in trainer.train_dataset]
    trainer.model.main_input_name = "input_ids"
    trainer.train()
    assert receiver.values("training_tokens") == [3 * trainers.BATCH_SIZE] * STEPS
    assert receiver.values("training_tokens_total")[-1] == trainer.state.num_input_tokens_seen
    logged = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    assert receiver.values("training_loss") == logged  # the Trainer adds its speed to these lines
    assert not [each for each in receiver.samples if "train_" in each.name or "seen" in each.name]


def test_stopping_early_is_an_end_like_another(receiver, tmp_path):
    trainer = trainers.transformers_trainer(
        TocsinCallback(url=receiver.url),
        tmp_path,
        num_train_epochs=50,
        load_best_model_at_end=True,
        metric_for_best_model="loss",
    )
    trainer.add_callback(transformers.EarlyStoppingCallback(1, early_stopping_threshold=1e9))
    trainer.train()
    assert steps_of(receiver)[-1] < 50 * trainers.BATCHES
    assert receiver.values("training_status")[-1] == 2


def test_infinite_gradients_count_except_where_16_bits_make_them(receiver, tmp_path):
    for fp16, expected in ((False, [math.inf]), (True, [])):
        receiver.samples.clear()
        trainer = trainers.transformers_trainer(None, tmp_path)
        callback = TocsinCallback(url=receiver.url)
        arguments = transformers.TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to=[])
        arguments.fp16 = fp16
        callback.on_train_begin(arguments, trainer.state, trainer.control, model=trainer.model)
        trainer.state.global_step, trainer.control.should_log = 1, True
        callback.on_step_end(arguments, trainer.state, trainer.control)
        callback.on_log(arguments, trainer.state, trainer.control, logs={"loss": 1.0, "grad_norm": math.inf})
        callback.on_train_end(arguments, trainer.state, trainer.control)
        assert receiver.values("training_grad_norm") == expected
        assert receiver.values("training_loss") == [1.0]


@pytest.mark.parametrize(
    ("options", "name"),
    [({}, "line"), ({"run_name": "mine"}, "mine"), ({"output_dir": "trainer_output"}, "Net")],
    ids=["folder", "run_name", "class"],
)
def test_the_run_has_the_name_that_the_trainer_has(receiver, tmp_path, monkeypatch, options, name):
    monkeypatch.chdir(tmp_path)
    trainer = trainers.transformers_trainer(
        TocsinCallback(url=receiver.url), tmp_path, Accident(), save_strategy="no", **options
    )
    trainer.train()
    assert f'run="{name}"' in receiver.of("training_loss")[0].labels
