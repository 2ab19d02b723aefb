"""Positions `text`: the special tokens in front are never steered, whoever computes it and whatever stands beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from interp.data import Prompt
from interp.model import LoadedModel
from interp.model.read import Batch, Tokens, batches, one_batch, read_residuals
from interp.model.read._batching import special_ids
from interp.steering import Plan, Steer, generate, steered
from interp.steering.engine import Layout, Stem, reference_logp, replay_of, score
from interp.steering.engine._engine import ENGINES
from interp.steering.engine._forest import plant
from interp.steering.engine._replay import Replay
from interp.steering.engine._schedule import groups

LAYER, LIMIT = 1, 1e-4
ENDINGS = (" París", " 82", " one two three")


def plan(model: Any, positions: str = "text", operator: str = "add", strength: float = 2.0) -> Plan:
    vector = torch.randn(model.cfg.d_model, generator=torch.Generator().manual_seed(3))
    return Plan((Steer(LAYER, vector, strength, operator, positions),))  # type: ignore[arg-type]


def streams(model: Any, batch: Batch, steering: Plan) -> torch.Tensor:
    """The stream after the last block, [row, position, d_model]."""
    kept: list[torch.Tensor] = []
    name = f"blocks.{model.cfg.n_layers - 1}.hook_resid_post"
    with steered(model, steering, batch), torch.inference_mode():
        model.run_with_hooks(
            batch.tokens, return_type=None, fwd_hooks=[(name, lambda stream, hook: kept.append(stream.clone()))]
        )
    return kept[0]


def front(tokenizer: Any, ids: list[int]) -> int:
    counter = Tokens.__new__(Tokens)
    counter._special = special_ids(tokenizer)
    return counter.front(ids)


@pytest.mark.parametrize("operator", ["add", "rotate", "project_out"])
def test_bos_keeps_its_residual_to_the_bit_and_the_text_moves(
    organism: LoadedModel, texts: list[str], operator: str
) -> None:
    model = organism.model
    batch = one_batch(model, texts[:3])
    assert batch.tokens[:, 0].tolist() == [model.tokenizer.bos_token_id] * 3
    plain, text = streams(model, batch, Plan()), streams(model, batch, plan(model, "text", operator, 0.5))
    everywhere = streams(model, batch, plan(model, "all", operator, 0.5))
    assert torch.equal(text[:, 0], plain[:, 0])
    assert (everywhere[:, 0] - plain[:, 0]).abs().amax(-1).min() > 1e-3
    moved = (text - plain).abs().amax(-1) > 1e-3
    assert moved[:, 1:][batch.real[:, 1:]].all()


def test_the_leading_run_of_special_tokens_is_counted(organism: LoadedModel) -> None:
    """A chat template's `<s><|turn|>` is the run; special tokens further behind and `<unk>` are text."""
    tokenizer = organism.model.tokenizer
    bos, eos, pad, unk = 1, 2, 0, 3
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (bos, eos, pad)
    assert tokenizer.unk_token_id == unk
    cases = {
        (bos, 20, 30): 1, (20, 30): 0, (bos, eos, 20, bos, 30): 2, (bos, unk, 20): 1, (unk, 20): 0, (bos,): 1,
        (bos, pad, eos): 3,
    }  # fmt: skip
    assert {ids: front(tokenizer, list(ids)) for ids in cases} == cases


def test_tokens_that_are_only_marked_special_count_too() -> None:
    """As in Gemma 3 and Llama 3, whose `<start_of_turn>` and `<|start_header_id|>` are in no named list."""
    from tokenizers import AddedToken, Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = {word: number for number, word in enumerate(("<bos>", "<unk>", "a", "b"))}
    made = Tokenizer(models.WordLevel(words, "<unk>"))
    made.add_special_tokens([AddedToken("<bos>", special=True), AddedToken("<turn>", special=True)])
    made.add_tokens([AddedToken("<plain>", special=False)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<bos>", unk_token="<unk>")
    turn, plain = (tokenizer.convert_tokens_to_ids(word) for word in ("<turn>", "<plain>"))
    assert turn not in tokenizer.all_special_ids
    assert front(tokenizer, [0, turn, 2]) == 2
    assert front(tokenizer, [plain, 2]) == 0
    assert front(tokenizer, [0, 1, 2]) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_without_special_tokens_in_front_text_is_all(
    organism: LoadedModel, texts: list[str], engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [Prompt(str(i), "en", text, ENDINGS) for i, text in enumerate(texts[:6])]
    both = [plan(organism.model, "text"), plan(organism.model, "all")]
    found = score(organism.model, asked, both, engine=engine).logp
    assert np.abs(found[0] - found[1]).max() > 10 * LIMIT
    tokenizer = organism.model.tokenizer
    bare: Callable[..., Any] = lambda text, **more: {"input_ids": tokenizer.encode(text, add_special_tokens=False)}  # noqa: E731
    encode = Tokens(organism.model)
    monkeypatch.setattr(encode, "_tokenizer", bare)
    bare.bos_token_id = None  # type: ignore[attr-defined]
    found = score(organism.model, asked, both, engine=engine, tokens=encode).logp
    assert np.abs(found[0] - found[1]).max() < LIMIT
    assert np.array_equal(found[0], found[1])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("operator", ["add", "rotate", "project_out"])
def test_text_is_what_a_hook_of_torch_makes_of_transformers(
    organism: LoadedModel, texts: list[str], engine: Any, operator: str
) -> None:
    """The oracle changes the output of Transformers' own block, at every token behind BOS."""
    from transformers import AutoModelForCausalLM

    from interp.model.load import organism_folder

    oracle = AutoModelForCausalLM.from_pretrained(organism_folder(), dtype=torch.float32, attn_implementation="eager")
    steering = plan(organism.model, "text", operator, 0.7)
    unit = steering.steers[0].vector

    def turned(h: torch.Tensor) -> torch.Tensor:
        if operator == "add":
            return h + 0.7 * unit
        along = (h @ unit / unit.square().sum())[..., None] * unit
        if operator == "project_out":
            return h - 0.7 * along
        u = h / h.norm(dim=-1, keepdim=True)
        w = unit - (u @ unit)[..., None] * u
        w = w / w.norm(dim=-1, keepdim=True)
        return h.norm(dim=-1, keepdim=True) * (np.cos(0.7) * u + np.sin(0.7) * w)

    def hook(module: Any, args: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        hidden = torch.cat([hidden[:, :1], turned(hidden[:, 1:])], dim=1)
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    prompt = Prompt("0", "en", texts[0], ENDINGS)
    found = score(organism.model, [prompt], [steering], engine=engine).logp[0]
    encode, expected = Tokens(organism.model), []
    handle = oracle.model.layers[LAYER].register_forward_hook(hook)
    for ending in ENDINGS:
        before, (after,) = encode.split(prompt.text, [ending])
        with torch.inference_mode():
            logp = oracle(torch.tensor([[*before, *after]])).logits[0, len(before) - 1 : -1].log_softmax(-1)
        expected.append(float(logp[torch.arange(len(after)), list(after)].sum()))
    handle.remove()
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_batch_neighbours_and_prefix_do_not_matter(organism: LoadedModel, texts: list[str], engine: Any) -> None:
    """Ragged prompts; some share a long beginning, which replay computes once, and some have more in front."""
    model, shots = organism.model, " ".join(texts[:2])
    asked = [Prompt(str(i), "en", text, ENDINGS) for i, text in enumerate(texts[:5])]
    asked += [Prompt(f"shot {i}", "en", f"{shots} {text}", ENDINGS) for i, text in enumerate(texts[2:7])]
    asked += [Prompt(f"turn {i}", "en", f"</s>{shots} {text}", ENDINGS) for i, text in enumerate(texts[2:7])]
    encode = Tokens(model)
    assert {encode.front(encode(prompt.text)) for prompt in asked} == {1, 2}
    assert replay_of(model) is not None
    several = [plan(model, "text", operator, 0.6) for operator in ("add", "rotate")]
    alone = np.concatenate([score(model, [p], several, engine="reference").logp for p in asked], axis=1)
    for settings in ({}, {"batch_size": 1}, {"batch_size": 4}, {"memory": "3MB"}):
        found = score(model, asked, several, engine=engine, **settings).logp  # type: ignore[arg-type]
        assert np.abs(found - alone).max() < LIMIT


def stems(fronts: list[int]) -> list[Stem]:
    shared = tuple(range(40, 60))
    return [Stem((*shared, 70 + i, 80 + i), ((i, (90, 91)),), front) for i, front in enumerate(fronts)]


def test_prompts_that_differ_in_front_never_share_a_prefix(organism: LoadedModel) -> None:
    """Equal ids, but counted differently: each group is exact, and replay is the reference."""
    mixed = stems([1, 1, 3, 1, 3, 3, 1, 3])
    for members, prefix in groups(mixed):
        assert prefix == 20
        assert len({stem.front for stem in members}) == 1
        forest = plant(members, prefix, torch.device("cpu"))
        assert int((~forest.prefix_text).sum()) == members[0].front
        assert bool(forest.text.all())
    layout = Layout(tuple(mixed), np.arange(9), np.ones(8), np.ones(8))
    several = [plan(organism.model, "text", operator, 0.6) for operator in ("add", "rotate")]
    found = Replay(organism.model).logp(layout, several)
    expected = reference_logp(organism.model, layout, several, batch_size=1)
    assert np.abs(found - expected).max() < LIMIT
    assert np.abs(found[:, 0] - found[:, 2]).max() > 0


@pytest.mark.parametrize("engine", ENGINES)
def test_of_a_prompt_of_special_tokens_alone_nothing_is_steered(organism: LoadedModel, engine: Any) -> None:
    """Behind an empty text the first option token is read from the unsteered BOS; later ones are steered."""
    model, tokenizer = organism.model, organism.model.tokenizer
    one, several = " 82", " one two three four"
    asked = [Prompt("0", "en", "", (one, several))]
    assert len(Tokens(model)("")) == 1
    single = len(tokenizer.encode(one, add_special_tokens=False)) == 1
    found = score(model, asked, [Plan(), plan(model, "text", strength=4.0)], engine=engine).logp
    if single:
        assert abs(found[1, 0] - found[0, 0]) < LIMIT
    assert abs(found[1, 1] - found[0, 1]) > 0.01
    first = generate(model, [""], [Plan(), plan(model, "text", strength=4.0)], max_new_tokens=1, stop=None)
    assert first[0][0].tokens == first[1][0].tokens


def test_residuals_are_read_as_text_leaves_them(organism: LoadedModel, texts: list[str]) -> None:
    model, steering = organism.model, plan(organism.model, "text")
    plain = read_residuals(model, texts[:4], position=0)
    for size in (1, 4):
        moved = read_residuals(model, texts[:4], position=0, hooks=steering.hooks, batch_size=size)
        assert torch.allclose(moved, plain, atol=1e-6)
    last = [read_residuals(model, texts[:4], hooks=steering.hooks, batch_size=size) for size in (1, 4)]
    assert torch.allclose(*last, atol=1e-4)
    assert (last[0][LAYER + 1] - read_residuals(model, texts[:4])[LAYER + 1]).norm(dim=-1).min() > 1


@pytest.mark.parametrize("positions", ["text", "last"])
def test_without_a_batch_only_all_can_be_steered(organism: LoadedModel, positions: str) -> None:
    steering = plan(organism.model, positions)
    with pytest.raises(ValueError, match=f"positions '{positions}' needs the batch.*one_batch"):
        steering.hooks()
    assert len(steering.at("all").hooks()) == 1
    (uncounted,) = batches([[5, 6, 7]], [3], 1)
    with pytest.raises(ValueError, match="special tokens precede"):
        plan(organism.model).hooks(uncounted)


def test_halves_of_a_batch_know_what_stands_in_front() -> None:
    (batch,) = batches([[1, 1, 7, 8], [1, 6, 7], [5, 6]], [4, 3, 2], 3, fronts=[2, 1, 0])
    whole = batch.text()
    assert whole.int().tolist() == [[0, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 0]]
    assert torch.equal(torch.cat([half.text() for half in batch.halves()]), whole)


def test_one_batch_keeps_the_order(organism: LoadedModel, texts: list[str]) -> None:
    encode = Tokens(organism.model)
    batch = one_batch(organism.model, texts[:4])
    rows = [tuple(row[real].tolist()) for row, real in zip(batch.tokens, batch.real, strict=True)]
    assert rows == [encode(text) for text in texts[:4]]
    assert batch.front is not None
    assert batch.front.tolist() == [1] * 4
