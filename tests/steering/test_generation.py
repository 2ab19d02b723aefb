"""Greedy continuations: Transformers' own, a plain loop over one row, and rows that do not see each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from interp.errors import ModelError, Notice
from interp.model import HookedModel, LoadedModel, resid_post
from interp.model.load import load_model, organism_folder
from interp.model.read import Tokens
from interp.steering import Generated, Plan, Positions, Steer, generate
from interp.steering import _generation as generation
from interp.steering._generation import end_tokens
from interp.steering.engine import Continuation
from tests.conftest import write_tiny

NEW = 8


def by_transformers(folder: Path, prompts: list[tuple[int, ...]]) -> list[list[int]]:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    rows = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        found = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW, pad_token_id=0
        )
        rows.append(found[0, len(prompt) :].tolist())
    return rows


def cut(rows: list[list[int]], ends: frozenset[int]) -> list[list[int]]:
    """Rows up to the first token that ends a sequence: Transformers knows only the model's own."""
    stops = [next((i + 1 for i, token in enumerate(row) if token in ends), len(row)) for row in rows]
    return [row[:stop] for row, stop in zip(rows, stops, strict=True)]


def tokens_of(rows: list[Generated]) -> list[list[int]]:
    return [list(row.tokens) for row in rows]


def test_continuations_are_those_of_transformers(tiny: LoadedModel, tiny_folder: Path, texts: list[str]) -> None:
    some = texts[:4]
    expected = by_transformers(tiny_folder, [Tokens(tiny.model)(text) for text in some])
    [found] = generate(tiny.model, some, max_new_tokens=NEW, stop=None)
    assert tokens_of(found) == cut(expected, end_tokens(tiny.model))


def test_the_organism_answers_as_transformers_does(organism: LoadedModel, texts: list[str]) -> None:
    expected = by_transformers(organism_folder(), [Tokens(organism.model)(text) for text in texts])
    [found] = generate(organism.model, texts, max_new_tokens=NEW, stop=None)
    assert tokens_of(found) == expected
    assert any(row.ended for row in found)
    for row in found:
        assert row.ended == (row.tokens[-1] in end_tokens(organism.model))
        assert row.ended or len(row.tokens) == NEW


def test_text_ends_before_the_stop(organism: LoadedModel, texts: list[str]) -> None:
    [whole] = generate(organism.model, texts[:4], max_new_tokens=NEW, stop=None)
    letter = next(c for c in whole[0].text.strip()[1:] if c != " ")
    [shorter] = generate(organism.model, texts[:4], max_new_tokens=NEW, stop=letter)
    assert shorter[0].text == whole[0].text.partition(letter)[0]
    assert shorter[0].ended
    for short, full in zip(shorter, whole, strict=True):
        assert full.tokens[: len(short.tokens)] == short.tokens


def plain_loop(model: HookedModel, prompt: tuple[int, ...], plan: Plan) -> list[int]:
    """One row, the whole sequence at every step; each steer written out."""
    ids = list(prompt)
    for _ in range(NEW):
        hooks = []
        for steer in plan.steers:
            front = int(prompt[0] == model.tokenizer.bos_token_id)
            start = {"all": 0, "text": front, "last": len(prompt) - 1}[steer.positions]

            def hook(residual: torch.Tensor, hook: object, steer: Steer = steer, start: int = start) -> torch.Tensor:
                moved = residual.clone()
                moved[:, start:] += steer.strength * steer.vector
                return moved

            hooks.append((resid_post(steer.layer), hook))
        with torch.inference_mode():
            logits = model.run_with_hooks(torch.tensor([ids]), return_type="logits", fwd_hooks=hooks)
        ids.append(int(logits[0, -1].argmax()))
        if ids[-1] in end_tokens(model):
            break
    return ids[len(prompt) :]


@pytest.mark.parametrize("positions", ["text", "last", "all"])
def test_a_plan_steers_new_tokens_too(tiny: LoadedModel, texts: list[str], positions: Positions) -> None:
    model = tiny.model
    some = [texts[i] for i in (0, 5, 10)]
    first, second = torch.randn(2, model.cfg.d_model, generator=torch.Generator().manual_seed(3))
    plan = Plan((Steer(0, first, 1.5, positions=positions), Steer(1, second, -2.0, positions=positions)))
    unsteered, steered = generate(model, some, [Plan(), plan], max_new_tokens=NEW, stop=None)
    expected = [plain_loop(model, Tokens(model)(text), plan) for text in some]
    assert tokens_of(steered) == expected
    assert tokens_of(unsteered) != expected


@pytest.mark.parametrize("positions", ["text", "last", "all"])
def test_results_depend_neither_on_the_batch_nor_on_neighbours(
    organism: LoadedModel, texts: list[str], positions: Positions
) -> None:
    model = organism.model
    vector = torch.randn(model.cfg.d_model, generator=torch.Generator().manual_seed(1))
    plan = Plan((Steer(3, vector, 1.0, positions=positions),))
    [together] = generate(model, texts, [plan], max_new_tokens=NEW)
    for batch_size in (1, 3):
        [found] = generate(model, texts, [plan], max_new_tokens=NEW, batch_size=batch_size)
        assert found == together
    [alone] = generate(model, [texts[7]], [plan], max_new_tokens=NEW)
    assert alone == [together[7]]
    [backwards] = generate(model, texts[::-1], [plan], max_new_tokens=NEW, memory="4MiB")
    assert backwards[::-1] == together


@pytest.mark.parametrize("positions", ["text", "last", "all"])
def test_kept_keys_and_values_change_nothing(tiny: LoadedModel, texts: list[str], positions: Positions) -> None:
    vector = torch.randn(tiny.model.cfg.d_model, generator=torch.Generator().manual_seed(2))
    plan = Plan((Steer(1, vector, 1.0, positions=positions), Steer(2, vector, 0.5, "rotate", positions)))
    some = texts[::4]
    fast, slow = (
        generate(tiny.model, some, [Plan(), plan], max_new_tokens=12, stop=None, engine=engine)
        for engine in ("replay", "reference")
    )
    assert fast == slow
    assert fast[0] != fast[1]


def test_a_batch_that_is_too_large_begins_again_in_halves(
    organism: LoadedModel, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = generate(organism.model, texts, max_new_tokens=NEW)
    read, calls = Continuation.read, []

    def short(going: Continuation, tokens: list[int]) -> None:
        calls.append(len(tokens))
        if len(calls) == 1:
            raise MemoryError
        read(going, tokens)

    monkeypatch.setattr(Continuation, "read", short)
    with pytest.warns(Notice, match="out of memory"):
        assert generate(organism.model, texts, max_new_tokens=NEW) == expected
    assert max(calls) > 1
    assert len(calls) > 2


def test_where_the_model_changes_with_length_or_has_hooks_sequences_are_read_anew(
    organism: LoadedModel, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, expected = organism.model, generate(organism.model, texts[:3], max_new_tokens=NEW)
    monkeypatch.setattr(Continuation, "__init__", lambda *args: pytest.fail("keys and values were kept"))
    with monkeypatch.context() as patched:
        longest = max(len(Tokens(model)(text)) for text in texts[:3])
        patched.setattr(generation, "switches_in", lambda model: (longest + 2,))
        assert generate(model, texts[:3], max_new_tokens=NEW) == expected
    with model.hooks(fwd_hooks=[(resid_post(0), lambda residual, hook: residual)]), pytest.warns(Notice, match="hooks"):
        assert generate(model, texts[:3], max_new_tokens=NEW) == expected


def test_the_context_ends_a_continuation(tmp_path: Path) -> None:
    model = load_model(str(write_tiny("gpt2", tmp_path / "gpt2")), device="cpu").model
    text, longest = "", int(model.cfg.n_ctx)
    while len(Tokens(model)(text + " a")) <= longest - 3:
        text += " a"
    [[found]] = generate(model, [text], max_new_tokens=NEW, stop=None)
    assert len(Tokens(model)(text)) + len(found.tokens) <= longest
    assert 0 < len(found.tokens) < NEW


def test_tokens_that_end_a_turn_come_from_the_models_settings(tmp_path: Path) -> None:
    folder = write_tiny("gemma3_images", tmp_path / "gemma3")
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 17]}))
    assert end_tokens(load_model(str(folder), device="cpu").model) == {2, 17}


def test_progress_adds_up_to_at_most_a_step_per_plan(organism: LoadedModel, texts: list[str]) -> None:
    steps: list[float] = []
    generate(organism.model, texts[:5], [Plan(), Plan()], max_new_tokens=4, progress=steps.append)
    assert 0 < sum(steps) <= 2 + 1e-9


def test_what_is_not_allowed(organism: LoadedModel) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        generate(organism.model, ["a"], max_new_tokens=0)
    with pytest.raises(ValueError, match="engine 'fast' is unknown; allowed: replay, reference"):
        generate(organism.model, ["a"], engine="fast")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="out of range"):
        generate(organism.model, ["a"], [Plan((Steer(99, torch.zeros(organism.model.cfg.d_model)),))])
    assert generate(organism.model, [], [Plan()]) == [[]]


@pytest.mark.parametrize("engine", ["replay", "reference"])
def test_a_plan_that_makes_logits_overflow_is_an_error(organism: LoadedModel, engine: str) -> None:
    vector = torch.full((organism.model.cfg.d_model,), 3e38)
    with pytest.raises(ModelError, match=r"logits are not finite under layer 2 at strength 100.*steer more weakly"):
        generate(organism.model, ["a"], [Plan((Steer(2, vector, 100.0),))], max_new_tokens=2, engine=engine)  # type: ignore[arg-type]
