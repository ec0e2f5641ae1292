"""Train a small neural network on handwritten digits, watched by tocsin.

The training is real: a network with one hidden layer, written in NumPy, learns scikit-learn's digits
by mini-batch gradient descent. Two lines are tocsin's: the ``with`` line and ``run.step(…)``.

    tocsin up &
    python examples/train_digits.py

To see an alert, let the learning rate jump while it runs:

    python examples/train_digits.py --spike-at 300 --spike-lr 5
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

import tocsin

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

BATCH_SIZE = 64
HIDDEN_UNITS = 64
VALIDATION_SIZE = 360
SPIKE_STEPS = 20
PRINT_EVERY = 20


class Network:
    """Pixels → hidden layer with ReLU → ten digits."""

    def __init__(self, rng: np.random.Generator, inputs: int, classes: int) -> None:
        self.hidden_weights = rng.normal(0, np.sqrt(2 / inputs), (inputs, HIDDEN_UNITS))
        self.hidden_bias = np.zeros(HIDDEN_UNITS)
        self.output_weights = rng.normal(0, np.sqrt(1 / HIDDEN_UNITS), (HIDDEN_UNITS, classes))
        self.output_bias = np.zeros(classes)

    def hidden(self, images: Array) -> Array:
        return np.maximum(images @ self.hidden_weights + self.hidden_bias, 0)

    def scores(self, images: Array) -> Array:
        return self.hidden(images) @ self.output_weights + self.output_bias

    def accuracy(self, images: Array, digits: Labels) -> float:
        return float(np.mean(self.scores(images).argmax(axis=1) == digits))

    def train_step(self, images: Array, digits: Labels, learning_rate: float) -> float:
        """Take one step of gradient descent; returns the cross entropy before it."""
        hidden = self.hidden(images)
        log_probabilities = log_softmax(hidden @ self.output_weights + self.output_bias)
        rows = np.arange(len(digits))
        loss = -float(log_probabilities[rows, digits].mean())

        score_gradient = np.exp(log_probabilities)
        score_gradient[rows, digits] -= 1
        score_gradient /= len(digits)
        hidden_gradient = (score_gradient @ self.output_weights.T) * (hidden > 0)

        self.output_weights -= learning_rate * hidden.T @ score_gradient
        self.output_bias -= learning_rate * score_gradient.sum(axis=0)
        self.hidden_weights -= learning_rate * images.T @ hidden_gradient
        self.hidden_bias -= learning_rate * hidden_gradient.sum(axis=0)
        return loss


def log_softmax(scores: Array) -> Array:
    shifted = scores - scores.max(axis=1, keepdims=True)
    normalised: Array = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normalised


@dataclass(frozen=True)
class Schedule:
    """A constant learning rate, but for an accident of ``SPIKE_STEPS`` steps that begins at ``spike_at``."""

    learning_rate: float
    spike_at: int | None
    spike_learning_rate: float

    def at(self, step: int) -> float:
        if self.spike_at is not None and self.spike_at <= step < self.spike_at + SPIKE_STEPS:
            return self.spike_learning_rate
        return self.learning_rate


def train(steps: int, steps_per_second: float, schedule: Schedule) -> None:
    rng = np.random.default_rng(7)
    images, digits = load_digits(return_X_y=True)
    order = rng.permutation(len(digits))
    images, digits = images[order] / 16, digits[order]
    network = Network(rng, inputs=images.shape[1], classes=10)

    with tocsin.TrainingMonitor("digits", total_steps=steps) as run:
        next_step_s = time.monotonic()
        for step in range(1, steps + 1):
            batch = rng.integers(VALIDATION_SIZE, len(digits), BATCH_SIZE)
            learning_rate = schedule.at(step)
            loss = network.train_step(images[batch], digits[batch], learning_rate)
            accuracy = network.accuracy(images[:VALIDATION_SIZE], digits[:VALIDATION_SIZE])
            run.step(loss=loss, lr=learning_rate, accuracy=accuracy)

            if step % PRINT_EVERY == 0:
                print(
                    f"step {step:5}  loss {loss:8.4f}  lr {learning_rate:g}  accuracy {accuracy:.3f}",
                    flush=True,
                )
            next_step_s += 1 / steps_per_second
            time.sleep(max(0.0, next_step_s - time.monotonic()))


def positive(text: str) -> float:
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text} is not more than 0")
    return number


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a small network on handwritten digits.")
    parser.add_argument("--steps", type=int, default=2000, help="how many steps to take [%(default)s]")
    parser.add_argument(
        "--steps-per-second", type=positive, default=20, help="slow enough to watch [%(default)s]"
    )
    parser.add_argument("--lr", type=positive, default=0.1, help="learning rate [%(default)s]")
    parser.add_argument("--spike-at", type=int, metavar="STEP", help="raise the learning rate at this step")
    parser.add_argument(
        "--spike-lr", type=positive, default=5, help=f"to this, for {SPIKE_STEPS} steps [%(default)s]"
    )
    options = parser.parse_args()
    schedule = Schedule(options.lr, options.spike_at, options.spike_lr)
    try:
        train(options.steps, options.steps_per_second, schedule)
    except KeyboardInterrupt:
        print("stopped")


if __name__ == "__main__":
    main()
