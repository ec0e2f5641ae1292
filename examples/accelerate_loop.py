"""Train a small model with Accelerate, watched by tocsin: the import and the tracker are its two lines.

What is given to ``accelerator.log`` is what arrives; the tracker's monitor takes the rest.

    pip install accelerate tocsin
    tocsin up &
    python examples/accelerate_loop.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tocsin.integrations.accelerate import TocsinTracker

SAMPLES, BATCH_SIZE, EPOCHS = 2048, 64, 5


def waves() -> TensorDataset:
    inputs = torch.rand(SAMPLES, 2) * 4 - 2
    return TensorDataset(inputs, torch.sin(3 * inputs).sum(1, keepdim=True) + 0.1 * torch.randn(SAMPLES, 1))


def train(accelerator: Accelerator, tracker: TocsinTracker, checkpoints: Path) -> None:
    model = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    loader = DataLoader(waves(), BATCH_SIZE, shuffle=True)
    model, optimizer, batches = accelerator.prepare(model, optimizer, loader)
    accelerator.init_trackers("waves", config={"max_train_steps": EPOCHS * len(batches)})
    run, step = tracker.monitor, 0
    for epoch in range(EPOCHS):
        for inputs, targets in run.batches(batches):
            loss = nn.functional.mse_loss(model(inputs), targets)
            accelerator.backward(loss)
            norm = accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
            values = {"loss": loss, "grad_norm": norm, "lr": 1e-2, "samples": len(inputs)}
            accelerator.log({**values, "epoch": epoch}, step=step)
        path = checkpoints / f"epoch-{epoch}"
        accelerator.save_state(str(path))
        run.checkpoint(path)
        accelerator.print(f"epoch {epoch}  loss {loss.item():.4f}")


def main() -> None:
    tracker = TocsinTracker("waves-accelerate")
    accelerator = Accelerator(cpu=True, log_with=tracker)
    with tempfile.TemporaryDirectory() as folder, tracker:
        train(accelerator, tracker, Path(folder))
        accelerator.end_training()


if __name__ == "__main__":
    main()
