"""A trained model with its shift undone: Transformers' own hybrids and a hand-made hook are the oracles."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from interp.data import Prompt
from interp.errors import Notice
from interp.model import HookedModel, LoadedModel, resid_post
from interp.model.load import load_model, organism_folder
from interp.steering.engine import Patch, score, score_patched
from interp.steering.engine._engine import ENGINES
from tests.conftest import write_tiny

LIMIT = 1e-3  # log-likelihoods near -100 in float32: kernels of other processors differ by 1e-4
ENDINGS = (" París", " 82", " one two three", " one two four")


def perturbed(folder: Path, out: Path, size: float = 0.3) -> Path:
    """The folder's model with noise on every block's weights, as training might leave it; not on the unembedding."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in model.model.layers.parameters():
            weight += size * weight.std() * torch.randn(weight.shape, generator=generator) if weight.ndim > 1 else 0
    model.save_pretrained(out)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder / name, out / name)
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return perturbed(Path(organism_folder()), tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def trained(folder: Path) -> HookedModel:
    return load_model(str(folder), device="cpu").model


@pytest.fixture
def prompts(texts: list[str]) -> list[Prompt]:
    """Ragged prompts, some behind shared examples."""
    shots = " ".join(texts[:2])
    ragged = [Prompt(str(i), "en", text, ENDINGS) for i, text in enumerate(texts[:6])]
    return ragged + [Prompt(f"shot {i}", "en", f"{shots} {text}", ENDINGS[:3]) for i, text in enumerate(texts[2:7])]


def basis(model: HookedModel, k: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(model.cfg.d_model, k, generator=generator)).Q.T


def patches(model: HookedModel) -> list[Patch | None]:
    kinds: list[Patch | None] = [None]
    for layer in range(model.cfg.n_layers):
        kinds += [Patch(layer), Patch(layer, basis(model, 1)), Patch(layer, basis(model, 2)),
                  Patch(layer, basis(model, 2), outside=True)]  # fmt: skip
    return kinds


def values(
    base: HookedModel, trained: HookedModel, asked: list[Prompt], *some: Patch | None, **more: Any
) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)  # a fallback to the reference would prove nothing
        return score_patched(base, trained, asked, some, **more).logp


@pytest.mark.parametrize("engine", ENGINES)
def test_a_full_patch_is_the_hybrid_of_both_models(
    organism: LoadedModel, trained: HookedModel, folder: Path, prompts: list[Prompt], engine: str
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    layers = range(trained.cfg.n_layers)
    found = values(organism.model, trained, prompts, *(Patch(layer) for layer in layers), engine=engine)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for layer in layers:
        below, hybrid = (
            AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, attn_implementation="eager")
            for source in (organism_folder(), folder)
        )
        hybrid.model.embed_tokens = below.model.embed_tokens
        for number in range(layer + 1):
            hybrid.model.layers[number] = below.model.layers[number]
        expected = []
        for prompt in prompts:
            start = len(tokenizer(prompt.text)["input_ids"])
            for ending in prompt.continuations:
                tokens = torch.tensor([tokenizer(prompt.text + ending)["input_ids"]])
                with torch.inference_mode():
                    logp = hybrid(tokens).logits[0, start - 1 : -1].log_softmax(-1)
                expected.append(float(logp.gather(-1, tokens[0, start:, None]).sum()))
        assert np.abs(found[layer] - expected).max() <= LIMIT


@pytest.mark.parametrize("engine", ENGINES)
def test_both_ends_are_the_two_models(
    organism: LoadedModel, trained: HookedModel, prompts: list[Prompt], engine: str
) -> None:
    found = values(organism.model, trained, prompts, None, Patch(trained.cfg.n_layers - 1), engine=engine)
    ends = [score(model, prompts, engine="reference").logp[0] for model in (trained, organism.model)]
    assert np.abs(ends[0] - ends[1]).max() > 0.5, "models that agree prove nothing"
    assert np.abs(found - ends).max() <= LIMIT


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("outside", [False, True])
def test_a_component_against_a_hook_made_by_hand(
    organism: LoadedModel, trained: HookedModel, prompts: list[Prompt], outside: bool, engine: str
) -> None:
    """One row at a time, nothing padded; the projection as a matrix."""
    layer, span = 3, basis(trained, 2)
    found = values(organism.model, trained, prompts, Patch(layer, span, outside), engine=engine)[0]
    undo = span.T @ span if not outside else torch.eye(trained.cfg.d_model) - span.T @ span
    tokenizer = trained.tokenizer
    expected = []
    for prompt in prompts:
        start = len(tokenizer(prompt.text)["input_ids"])
        for ending in prompt.continuations:
            tokens = torch.tensor([tokenizer(prompt.text + ending)["input_ids"]])
            kept: list[torch.Tensor] = []
            name = resid_post(layer)
            with torch.inference_mode():
                keep = (name, lambda residual, hook, kept=kept: kept.append(residual.clone()))
                organism.model.run_with_hooks(tokens, return_type=None, fwd_hooks=[keep])
                patch = (name, lambda residual, hook, kept=kept: residual - (residual - kept[0]) @ undo)
                logits = trained.run_with_hooks(tokens, return_type="logits", fwd_hooks=[patch])
            logp = logits[0, start - 1 : -1].log_softmax(-1)
            expected.append(float(logp.gather(-1, tokens[0, start:, None]).sum()))
    assert np.abs(found - expected).max() <= LIMIT


def test_replay_agrees_with_the_reference(organism: LoadedModel, trained: HookedModel, prompts: list[Prompt]) -> None:
    some = patches(trained)
    expected = values(organism.model, trained, prompts, *some, engine="reference")
    assert np.abs(expected[1:] - expected[0]).max(axis=1).min() > 50 * LIMIT, (
        "a patch that changes nothing proves nothing"
    )
    for settings in ({}, {"batch_size": 1}, {"batch_size": 3}, {"memory": "3MB"}):
        found = values(organism.model, trained, prompts, *some, **settings)
        assert np.abs(found - expected).max() <= LIMIT, settings


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gemma3"])
def test_replay_agrees_on_other_architectures(architecture: str, tmp_path: Path, prompts: list[Prompt]) -> None:
    """Local and global blocks, norms behind blocks, sliding windows."""
    below = write_tiny(architecture, tmp_path)
    (tmp_path / "trained").mkdir()
    base, trained = (
        load_model(str(source), device="cpu").model for source in (below, perturbed(below, tmp_path / "trained"))
    )
    expected = values(base, trained, prompts, *patches(trained), engine="reference")
    assert np.abs(expected[1:] - expected[0]).max(axis=1).min() > 50 * LIMIT
    assert np.abs(values(base, trained, prompts, *patches(trained)) - expected).max() <= LIMIT


@pytest.mark.parametrize("engine", ENGINES)
def test_batch_and_neighbours_do_not_matter(
    organism: LoadedModel, trained: HookedModel, prompts: list[Prompt], engine: str
) -> None:
    some = (None, Patch(2), Patch(4, basis(trained, 2), outside=True))
    alone = np.concatenate([values(organism.model, trained, [p], *some, engine=engine) for p in prompts], axis=1)
    for size in (1, 3, 64):
        together = values(organism.model, trained, prompts, *some, engine=engine, batch_size=size)
        assert np.abs(together - alone).max() <= LIMIT
    last = values(organism.model, trained, prompts, some[-1], engine=engine)
    assert np.abs(last[0] - alone[-1]).max() <= LIMIT, "nor do the other patches"


def test_the_same_model_twice_has_no_shift(organism: LoadedModel, prompts: list[Prompt]) -> None:
    found = values(organism.model, organism.model, prompts, *patches(organism.model))
    assert np.abs(found - found[0]).max() <= LIMIT


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_left_on_the_models_and_all_patches_are_counted(
    organism: LoadedModel, trained: HookedModel, prompts: list[Prompt], engine: str
) -> None:
    before = [score(model, prompts).logp for model in (organism.model, trained)]
    done: list[float] = []
    values(organism.model, trained, prompts, *patches(trained), engine=engine, progress=done.append)
    assert sum(done) == pytest.approx(len(patches(trained)))
    for model, logp in zip((organism.model, trained), before, strict=True):
        assert np.array_equal(score(model, prompts).logp, logp)


def test_attached_hooks_fall_back_with_a_notice(
    organism: LoadedModel, trained: HookedModel, prompts: list[Prompt]
) -> None:
    hooks = [(resid_post(1), lambda residual, hook: residual * 0.5)]
    with trained.hooks(fwd_hooks=hooks):  # type: ignore[attr-defined]
        with pytest.warns(Notice, match="hooks attached"):
            found = score_patched(organism.model, trained, prompts, [None]).logp
        expected = score(trained, prompts, engine="reference").logp
    assert np.array_equal(found, expected)


def test_models_that_cannot_be_compared_are_refused(
    organism: LoadedModel, trained: HookedModel, prompts: list[Prompt], tmp_path: Path
) -> None:
    other = load_model(str(write_tiny("llama", tmp_path)), device="cpu").model
    with pytest.raises(ValueError, match=r"differ in blocks: the base has 8, the trained one 3"):
        score_patched(organism.model, other, prompts)

    def like(**more: Any) -> Any:
        cfg = SimpleNamespace(n_layers=8, d_model=128)
        return SimpleNamespace(cfg=cfg, tokenizer=trained.tokenizer, _weights_processed=False, **more)

    wide = like()
    wide.cfg.d_model = 64
    with pytest.raises(ValueError, match=r"differ in residual width: the base has 128, the trained one 64"):
        score_patched(organism.model, wide, prompts)
    worded = like()
    worded.tokenizer = SimpleNamespace(get_vocab=lambda: {"a": 0})
    with pytest.raises(ValueError, match="differ in vocabulary"):
        score_patched(organism.model, worded, prompts)
    folded = like(ln_final=SimpleNamespace(weight=torch.ones(3)), W_E=torch.ones(4, 4), W_U=torch.ones(4, 4))
    folded._weights_processed = True
    with pytest.raises(ValueError, match="differ in processing: the base has 'none', the trained one 'fold_ln'"):
        score_patched(organism.model, folded, prompts)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Patch(8), "layer 8 is out of range; allowed: 0 to 7"),
        (lambda: Patch(-1), "layer -1 is out"),
        (lambda: Patch(0, torch.eye(5)[:2]), "the basis has width 5; the model's is 128"),
        (lambda: Patch(0, torch.ones(128)), r"shape \[k, d_model\]"),
        (lambda: Patch(0, torch.ones(2, 128)), "must be orthonormal"),
        (lambda: Patch(0, torch.full((1, 128), torch.nan)), "must be orthonormal"),
        (lambda: Patch(0, outside=True), "needs the basis of the span"),
    ],
)
def test_patches_that_do_not_fit_are_refused(
    organism: LoadedModel, trained: HookedModel, prompts: list[Prompt], make: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        score_patched(organism.model, trained, prompts, [make()])


def test_an_empty_basis_undoes_nothing_and_its_outside_everything(
    organism: LoadedModel, trained: HookedModel, prompts: list[Prompt]
) -> None:
    none = torch.empty(0, trained.cfg.d_model)
    found = values(organism.model, trained, prompts, None, Patch(3, none), Patch(3), Patch(3, none, outside=True))
    assert np.abs(found[1] - found[0]).max() <= LIMIT
    assert np.abs(found[3] - found[2]).max() <= LIMIT


def test_no_prompts_no_patches_and_an_unknown_engine(
    organism: LoadedModel, trained: HookedModel, prompts: list[Prompt]
) -> None:
    n_options = sum(len(prompt.continuations) for prompt in prompts)
    for settings in ({"engine": engine} for engine in ENGINES):
        assert values(organism.model, trained, [], None, **settings).shape == (1, 0)
        assert values(organism.model, trained, prompts, **settings).shape == (0, n_options)
    with pytest.raises(ValueError, match="engine 'x' is unknown"):
        score_patched(organism.model, trained, prompts, engine="x")  # type: ignore[arg-type]
