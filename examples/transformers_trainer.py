"""Train a tiny model with Transformers, watched by tocsin: the import and the callback are its two lines.

The model is a GPT-2 of two small layers that learns to count; nothing is downloaded.

    pip install 'transformers[torch]' tocsin
    tocsin up &
    python examples/transformers_trainer.py
"""

from __future__ import annotations

import tempfile

from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

from tocsin.integrations.transformers import TocsinCallback

VOCABULARY, LENGTH, SEQUENCES = 32, 16, 128


def counting(offset: int) -> list[dict[str, list[int]]]:
    """Sequences that count upwards from anywhere, around the vocabulary."""
    data = []
    for sequence in range(SEQUENCES):
        tokens = [(offset + 7 * sequence + place) % VOCABULARY for place in range(LENGTH)]
        data.append({"input_ids": tokens, "labels": tokens})
    return data


def main() -> None:
    size = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": LENGTH}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, bos_token_id=0, eos_token_id=0, **size))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            run_name="counting",
            num_train_epochs=4,
            per_device_train_batch_size=16,
            learning_rate=1e-2,
            logging_steps=1,  # losses come as often as the Trainer logs
            eval_strategy="epoch",
            save_strategy="epoch",
            include_num_input_tokens_seen="all",
            use_cpu=True,
            report_to=[],
        )
        with TocsinCallback() as callback:
            Trainer(
                model, arguments, train_dataset=counting(0), eval_dataset=counting(5), callbacks=[callback]
            ).train()


if __name__ == "__main__":
    main()
