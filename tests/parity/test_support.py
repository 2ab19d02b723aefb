"""The support tables of docs/models.md and docs/architectures.md: a tiny random model of every architecture.

`WRITE_DOCS=1 pytest tests/parity/test_support.py` writes the first table, with `-m slow` the second, of every type that
TransformerLens wraps; without it, a table that differs is a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoConfig

from interp.data import Prompt
from interp.errors import ModelError, Notice
from interp.model.load import load_model, outline
from interp.model.machine import block_rate
from interp.model.read import Tokens, read_residuals
from interp.steering import Plan, Steer
from interp.steering.engine import replay_of, score
from tests.conftest import ARCHITECTURES, vocabulary, write_model, write_tiny
from tests.zoo import tiny_config_of

DOCS = Path(__file__).parents[2] / "docs"
TABLES_PAGE, ZOO_PAGE = DOCS / "models.md", DOCS / "architectures.md"
TABLE, ZOO = "support table", "every type"
LIMIT, ZOO_LIMIT = 1e-4, 1e-3
FEWEST_TYPES = 60
SHOWN = {
    "llama": "Llama", "mistral": "Mistral", "gemma2": "Gemma 2", "gemma3": "Gemma 3, text (270M, 1B)",
    "gemma3_images": "Gemma 3 with images (4B, 12B, 27B)", "qwen2": "Qwen 2.5", "qwen3": "Qwen 3", "gpt2": "GPT-2",
    "mgpt": "mGPT (GPT-2's class, its own config)", "gpt_neox": "GPT-NeoX (Pythia)", "bloom": "BLOOM",
    "cohere": "Cohere (Aya)", "phi": "Phi", "olmo2": "OLMo 2",
}  # fmt: skip
UNWRAPPED = (
    "biogpt", "ctrl", "granitemoeshared", "helium", "hunyuan_v1_moe", "minimax", "persimmon", "phimoe", "roberta",
    "xlnet", "xlm-roberta",
)  # fmt: skip
ENDINGS = (" París", " 서울 123", " the old house")


@dataclass(frozen=True)
class Row:
    """What one architecture does. Differences are the largest of any number: of logits and residuals as a share of their
    spread, of log-likelihoods as they are (of those under steering, also between batches of one row and of several).
    """

    architecture: str
    blocks: int
    published: str
    wrapped: str
    logits: float
    residuals: float
    steering: float
    replayed: bool
    replay: float

    def good(self, limit: float) -> list[bool]:
        """What is below the limit: logits, residuals, steering, replay."""
        right = [value <= limit for value in (self.logits, self.residuals, self.steering)]
        return [*right, self.replayed and self.replay <= limit]

    @property
    def kind(self) -> str:
        """The classes of the checkpoint and of what runs."""
        wrapped = "" if self.wrapped == self.published else f", run as `{self.wrapped}`"
        return f"`{self.published}`{wrapped}"

    def line(self) -> str:
        """The row of the table: what is below the limit, not by how much, which differs between machines."""
        cells = [SHOWN[self.architecture], self.kind, *("yes" if g else "**no**" for g in self.good(LIMIT))]
        return f"| {' | '.join(cells)} |\n"


HEAD = "| model | class in Transformers | logits | residuals | steering | replay |\n|---|---|---|---|---|---|\n"
ZOO_HEAD = "| model type | class in Transformers | outcome |\n|---|---|---|\n"


def measure(architecture: str, folder: Path, texts: list[str]) -> Row:
    """Hold the model of a folder against Transformers: logits, residuals, and a steered forward by a plain hook."""
    from transformers import AutoModelForCausalLM

    model = load_model(str(folder), device="cpu").model
    oracle = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    tokens, vector = Tokens(model), torch.randn(model.cfg.d_model, generator=torch.Generator().manual_seed(0))
    text = oracle.config.get_text_config()
    decoder = oracle if text is oracle.config else oracle.get_decoder()
    blocks = next(m for m in decoder.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == model.cfg.n_layers)
    steered, plain = [], []
    found = read_residuals(model, texts)
    logits = residuals = 0.0

    def shift(module: torch.nn.Module, args: object, output: object) -> object:
        return (output[0] + 0.7 * vector, *output[1:]) if isinstance(output, tuple) else output + 0.7 * vector

    with torch.inference_mode():
        for i, text in enumerate(texts):
            ids = torch.tensor([tokens(text)])
            expected = oracle(ids, output_hidden_states=True)
            logits = max(logits, apart(model(ids, return_type="logits"), expected.logits))
            hidden = torch.stack([h[0, -1] for h in expected.hidden_states[:-1]])  # the last has passed the final norm
            ways = [found[:-1, i], found[1:, i]]  # Mamba's hidden states leave out the embedding
            residuals = max(residuals, min(apart(stream, hidden) for stream in ways))
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
    alone = score(model, prompts, plans, engine="reference", batch_size=1).logp
    assert np.abs(expected_logp[1] - expected_logp[0]).max() > 100 * LIMIT, (
        "steering that changes nothing proves nothing"
    )
    with warnings.catch_warnings(record=True) as notices:
        warnings.simplefilter("always", Notice)
        replayed = replay_of(model) is not None
        replay = np.abs(score(model, prompts, plans).logp - reference).max()
    assert replayed == (not [n for n in notices if issubclass(n.category, Notice)])
    return Row(
        architecture, model.cfg.n_layers, type(oracle).__name__, type(model.original_model).__name__, logits, residuals,
        float(max(np.abs(reference[:2] - expected_logp).max(), np.abs(reference - alone).max())), replayed, float(replay),
    )  # fmt: skip


def apart(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The largest difference, as a share of the spread."""
    return float((ours - theirs).abs().max() / theirs.std())


def hold(page: Path, name: str, made: str) -> None:
    """Fail unless the page has this table, or write it there."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    there, _, after = rest.partition(end)
    if os.environ.get("WRITE_DOCS") == "1":
        page.write_text(before + begin + made + end + after, encoding="utf-8")
    elif made != there:
        pytest.fail(f"the table in docs/{page.name} is not what was measured; WRITE_DOCS=1 writes it:\n{made}")


def test_the_table_is_what_was_measured(tmp_path: Path, texts: list[str]) -> None:
    rows = [measure(name, write_tiny(name, tmp_path / name), texts[:4]) for name in ARCHITECTURES]
    for row in rows:
        print(row)
    made = HEAD + "".join(row.line() for row in rows)
    hold(TABLES_PAGE, TABLE, made)
    assert "**no**" not in made


def outcome(model_type: str, folder: Path, texts: list[str]) -> str:
    """The row of a type in the second table: right, or refused with the reason. Anything else is an error.

    `--dry-run` (its outline and what it times) refuses in one line too, and gives the loaded model's sizes.
    """
    write_model(tiny_config_of(model_type, vocabulary()), folder)
    published = f"`{json.loads((folder / 'config.json').read_text())['architectures'][0]}`"
    sizes = None
    with suppress(ModelError):
        sizes = outline(str(folder), "float32").shape
        block_rate(AutoConfig.from_pretrained(folder), "cpu", torch.float32, 16, 8, seconds=0.0)
    try:
        row = measure(model_type, folder, texts)
    except ModelError as error:
        message = str(error)
        assert "\n" not in message
        reason = message.partition("; allowed:")[0].partition("; to do:")[0].replace(repr(str(folder)), "")
        return f"| {model_type} | {published} | refused: {' '.join(reason.split())} |\n"
    print(row, flush=True)
    assert sizes is not None, f"--dry-run refuses {model_type}, and it loads"
    assert (sizes.n_layers, sizes.d_model, sizes.d_vocab) == (row.blocks, 32, vocabulary())
    *right, replayed = row.good(ZOO_LIMIT)
    assert all(right), row
    assert replayed or not row.replayed, row
    return f"| {model_type} | {row.kind} | right{'' if replayed else ', plan by plan'} |\n"


@pytest.mark.slow
def test_every_type_is_right_or_refused(tmp_path: Path, texts: list[str]) -> None:
    """Tiny models of every type that TransformerLens wraps, and of some that it does not: none is silently wrong."""
    from transformer_lens.factories.architecture_adapter_factory import SUPPORTED_ARCHITECTURES
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as classes

    types = [name for name, kind in classes.items() if kind in SUPPORTED_ARCHITECTURES or name in UNWRAPPED]
    lines, wrong = [], {}
    for name in types:
        folder = tmp_path / name
        try:
            lines.append(outcome(name, folder, texts[:2]))
        except ImportError as error:  # Transformers can't build it without a package that is not here
            print(name, error)
            continue
        except Exception as error:  # the others are tried all the same
            wrong[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        shutil.rmtree(folder, ignore_errors=True)
        print(name, lines[-1].strip() if name not in wrong else wrong[name], flush=True)
    assert not wrong, wrong
    assert len(lines) >= FEWEST_TYPES
    hold(ZOO_PAGE, ZOO, ZOO_HEAD + "".join(lines))
