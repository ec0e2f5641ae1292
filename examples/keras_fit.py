"""Train a small model with Keras 3, watched by tocsin: the import and the callback are its two lines.

Any backend will do; without ``KERAS_BACKEND`` it is PyTorch here.

    pip install keras torch tocsin
    tocsin up &
    python examples/keras_fit.py
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

from tocsin.integrations.keras import TocsinCallback

SAMPLES, BATCH_SIZE = 2048, 64


def main() -> None:
    keras.utils.set_random_seed(7)
    inputs = np.random.default_rng(7).uniform(-2, 2, (SAMPLES, 2)).astype("float32")
    targets = np.sin(3 * inputs).sum(1)
    layers = [keras.layers.Input((2,)), keras.layers.Dense(64, "relu"), keras.layers.Dense(1)]
    model = keras.Sequential(layers, name="waves-keras")
    model.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse", metrics=["mae"])

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "{epoch:02d}.keras")
        callback = TocsinCallback(checkpoints=path, batch_size=BATCH_SIZE)
        model.fit(
            inputs,
            targets,
            batch_size=BATCH_SIZE,
            epochs=5,
            validation_split=0.2,
            verbose=2,
            callbacks=[keras.callbacks.ModelCheckpoint(path), callback],
        )


if __name__ == "__main__":
    main()
