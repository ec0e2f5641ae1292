"""Train a small PyTorch model in a loop of one's own, watched by tocsin.

Besides the ``with`` line and ``run.step(…)`` it shows what else a monitor takes: where the time of a step
goes, validations, checkpoints.

    pip install torch tocsin
    tocsin up &
    python examples/pytorch_loop.py
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import tocsin

SAMPLES, BATCH_SIZE = 4096, 64


def waves(seed: int) -> TensorDataset:
    """Points of a wave, with noise."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.rand(SAMPLES, 2, generator=generator) * 4 - 2
    noise = 0.1 * torch.randn(SAMPLES, 1, generator=generator)
    return TensorDataset(inputs, torch.sin(3 * inputs).sum(1, keepdim=True) + noise)


def mean_loss(model: Any, batches: Iterable[Any]) -> float:
    with torch.no_grad():
        losses = [nn.functional.mse_loss(model(inputs), targets) for inputs, targets in batches]
    return float(torch.stack(losses).mean())


def train(epochs: int, checkpoints: Path) -> None:
    batches = DataLoader(waves(seed=1), BATCH_SIZE, shuffle=True)
    validation = DataLoader(waves(seed=2), BATCH_SIZE)
    model = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(batches))

    with tocsin.TrainingMonitor("waves", total_steps=epochs * len(batches)) as run:
        for epoch in range(epochs):
            for inputs, targets in run.batches(batches):
                with run.part("forward_backward"):
                    loss = nn.functional.mse_loss(model(inputs), targets)
                    optimizer.zero_grad()
                    loss.backward()
                with run.part("optimizer"):
                    norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                    lr = scheduler.get_last_lr()[0]
                    optimizer.step()
                    scheduler.step()
                # Tensors are read later, by another thread: no step waits for an accelerator.
                run.step(loss=loss, grad_norm=norm, lr=lr, epoch=epoch, samples=len(inputs))

            with run.validation():
                val_loss = mean_loss(model, validation)
                run.evaluate(loss=val_loss)
            path = checkpoints / f"epoch-{epoch}.pt"
            torch.save(model.state_dict(), path)
            run.checkpoint(path)
            print(f"epoch {epoch}  loss {loss.item():.4f}  validation {val_loss:.4f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a small PyTorch model.")
    parser.add_argument("--epochs", type=int, default=5, help="how often all data is seen [%(default)s]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        train(options.epochs, Path(folder))


if __name__ == "__main__":
    main()
