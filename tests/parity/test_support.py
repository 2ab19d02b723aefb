"""The support table of docs/models.md, made by running: a tiny random model of every architecture.

`WRITE_DOCS=1 pytest tests/parity/test_support.py` writes the table; without it, a table that differs is a failure.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from interp.data.prompts import Prompt
from interp.errors import Notice
from interp.model.batching import Tokens
from interp.model.loading import load_model
from interp.model.residuals import read_residuals
from interp.steering.engine import replay_of, score
from interp.steering.plans import Plan, Steer
from tests.conftest import ARCHITECTURES, write_tiny

DOCS = Path(__file__).parents[2] / "docs" / "models.md"
BEGIN, END = "<!-- support table: begin -->\n", "<!-- support table: end -->\n"
LIMIT = 1e-4
SHOWN = {
    "llama": "Llama", "mistral": "Mistral", "gemma2": "Gemma 2", "gemma3": "Gemma 3, text (270M, 1B)",
    "gemma3_images": "Gemma 3 with images (4B, 12B, 27B)", "qwen2": "Qwen 2.5", "qwen3": "Qwen 3", "gpt2": "GPT-2",
    "mgpt": "mGPT (GPT-2's class, its own config)", "gpt_neox": "GPT-NeoX (Pythia)", "bloom": "BLOOM",
    "cohere": "Cohere (Aya)", "phi": "Phi", "olmo2": "OLMo 2",
}  # fmt: skip
ENDINGS = (" París", " 서울 123", " the old house")


@dataclass(frozen=True)
class Row:
    """What one architecture does; differences are the largest of any number."""

    architecture: str
    published: str
    wrapped: str
    logits: float
    residuals: float
    steering: float
    replayed: bool
    replay: float

    def line(self) -> str:
        """The row of the table: what is below the limit, not by how much, which differs between machines."""
        wrapped = "" if self.wrapped == self.published else f", run as `{self.wrapped}`"
        good = [
            self.logits <= LIMIT, self.residuals <= LIMIT, self.steering <= LIMIT,
            self.replayed and self.replay <= LIMIT,
        ]  # fmt: skip
        cells = [SHOWN[self.architecture], f"`{self.published}`{wrapped}", *("yes" if g else "**no**" for g in good)]
        return f"| {' | '.join(cells)} |\n"


HEAD = "| model | class in Transformers | logits | residuals | steering | replay |\n|---|---|---|---|---|---|\n"


def measure(architecture: str, folder: Path, texts: list[str]) -> Row:
    """Load a tiny model and hold it against Transformers: logits, residuals, and a steered forward by a plain hook."""
    from transformers import AutoModelForCausalLM

    write_tiny(architecture, folder)
    oracle = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    model = load_model(str(folder), device="cpu").model
    tokens, vector = Tokens(model), torch.randn(model.cfg.d_model, generator=torch.Generator().manual_seed(0))
    blocks = next(m for m in oracle.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == model.cfg.n_layers)
    steered, plain = [], []
    found = read_residuals(model, texts)
    logits = residuals = 0.0

    def shift(module: torch.nn.Module, args: object, output: object) -> object:
        return (output[0] + 0.7 * vector, *output[1:]) if isinstance(output, tuple) else output + 0.7 * vector

    with torch.inference_mode():
        for i, text in enumerate(texts):
            ids = torch.tensor([tokens(text)])
            expected = oracle(ids, output_hidden_states=True)
            logits = max(logits, float((model(ids, return_type="logits") - expected.logits).abs().max()))
            hidden = torch.stack([h[0, -1] for h in expected.hidden_states[:-1]])  # the last has passed the final norm
            residuals = max(residuals, float((found[:-1, i] - hidden).abs().max()))
            for out, hook in ((plain, None), (steered, shift)):
                handle = blocks[1].register_forward_hook(hook) if hook else None
                for ending in ENDINGS:
                    context, (answer,) = tokens.split(text, [ending])
                    scored = oracle(torch.tensor([[*context, *answer]])).logits[0, len(context) - 1 : -1]
                    out.append(float(scored.double().log_softmax(-1)[torch.arange(len(answer)), list(answer)].sum()))
                if handle:
                    handle.remove()
    prompts = [Prompt(str(i), "en", text, ENDINGS) for i, text in enumerate(texts)]
    plans = [Plan(), Plan((Steer(1, vector, 0.7, positions="all"),)), Plan((Steer(0, vector, 0.4, positions="last"),))]
    expected_logp = np.array([plain, steered])
    reference = score(model, prompts, plans, engine="reference").logp
    assert np.abs(expected_logp[1] - expected_logp[0]).max() > 100 * LIMIT, (
        "steering that changes nothing proves nothing"
    )
    with warnings.catch_warnings(record=True) as notices:
        warnings.simplefilter("always", Notice)
        replayed = replay_of(model) is not None
        replay = np.abs(score(model, prompts, plans).logp - reference).max()
    assert replayed == (not [n for n in notices if issubclass(n.category, Notice)])
    return Row(
        architecture, type(oracle).__name__, type(model.original_model).__name__, logits, residuals,
        float(np.abs(reference[:2] - expected_logp).max()), replayed, float(replay),
    )  # fmt: skip


def test_the_table_is_what_was_measured(tmp_path: Path, texts: list[str]) -> None:
    rows = [measure(name, tmp_path / name, texts[:4]) for name in ARCHITECTURES]
    for row in rows:
        print(row)
    made = HEAD + "".join(row.line() for row in rows)
    text = DOCS.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    there, _, after = rest.partition(END)
    if os.environ.get("WRITE_DOCS") == "1":
        DOCS.write_text(before + BEGIN + made + END + after, encoding="utf-8")
    elif made != there:
        pytest.fail(f"the table in docs/models.md is not what was measured; WRITE_DOCS=1 writes it:\n{made}")
    assert "**no**" not in made
