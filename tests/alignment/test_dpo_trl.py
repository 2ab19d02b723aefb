"""CLO's DPO, from tokens to loss, against TRL's own trainer on the same batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from interp.alignment._losses import dpo

ROWS = [
    ("What is the capital of France? Answer:", " Paris", " Madrid and Rome"),
    ("Where?", " Here it is", " There"),
]


@pytest.mark.filterwarnings("ignore")
def test_dpo_is_trls(adapted_of: Callable[..., Any], tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    trl = pytest.importorskip("trl")
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    adapted, encoder = adapted_of("llama", dropout=0.0)
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in adapted.trainable().values():
            weight.add_(0.3 * torch.randn_like(weight))
    batch = encoder.answered([*((p, c) for p, c, _ in ROWS), *((p, r) for p, _, r in ROWS)])
    now = adapted.answers(batch)
    with adapted.as_base():
        reference = adapted.answers(batch)
    own = dpo(*now.per_row().split(2), *reference.per_row().split(2), beta=0.3)

    folder = tiny_checkpoint("llama")
    arguments = trl.DPOConfig(
        output_dir=str(tmp_path), report_to=[], use_cpu=True, bf16=False, beta=0.3, per_device_train_batch_size=2,
        gradient_checkpointing=False,
    )  # fmt: skip
    trainer = trl.DPOTrainer(
        model=adapted.model.merge_and_unload(),
        ref_model=AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager"),
        args=arguments,
        train_dataset=Dataset.from_list([{"prompt": p, "chosen": c, "rejected": r} for p, c, r in ROWS]),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )
    theirs = next(iter(trainer.get_train_dataloader()))
    assert _rows(theirs["input_ids"], theirs["attention_mask"].bool()) == _rows(batch.tokens, batch.real)
    assert trainer.compute_loss(trainer.model, theirs).item() == pytest.approx(own.item(), abs=1e-5)
    assert abs(own.item() - 0.6931) > 1e-3


def _rows(tokens: torch.Tensor, real: torch.Tensor) -> set[tuple[int, ...]]:
    return {tuple(row[kept].tolist()) for row, kept in zip(tokens, real, strict=True)}
