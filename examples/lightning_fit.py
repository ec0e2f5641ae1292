"""Train a small model with Lightning, watched by tocsin: the import and the callback are its two lines.

pip install lightning tocsin
tocsin up &
python examples/lightning_fit.py
"""

from __future__ import annotations

import tempfile
from typing import Any

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tocsin.integrations.lightning import TocsinCallback

SAMPLES, BATCH_SIZE = 2048, 64


class Waves(lightning.LightningModule):
    """Learns a wave from noisy points of it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 1))

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return nn.functional.mse_loss(self.layers(batch[0]), batch[1])

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", nn.functional.mse_loss(self.layers(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=1e-2)


def waves() -> DataLoader[Any]:
    inputs = torch.rand(SAMPLES, 2) * 4 - 2
    targets = torch.sin(3 * inputs).sum(1, keepdim=True) + 0.1 * torch.randn(SAMPLES, 1)
    return DataLoader(TensorDataset(inputs, targets), BATCH_SIZE)


def main() -> None:
    lightning.seed_everything(7)
    with tempfile.TemporaryDirectory() as folder:
        trainer = lightning.Trainer(
            max_epochs=5,
            accelerator="cpu",
            logger=False,
            default_root_dir=folder,
            callbacks=[TocsinCallback("waves-lightning")],
        )
        trainer.fit(Waves(), waves(), waves())


if __name__ == "__main__":
    main()
