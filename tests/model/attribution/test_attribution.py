"""Attribution against what Transformers computes, against exact patching, and on the organism."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from interp.data import atlas, cultural_tasks, everything, universal_tasks
from interp.errors import ModelError
from interp.model import LoadedModel
from interp.model.attribution import (
    Effects,
    contrasts,
    cue_attribution,
    cue_pairs,
    folded,
    logit_attribution,
    patch_residuals,
)
from interp.model.attribution._bridge import last_logits
from interp.model.load import fingerprint, load_model
from interp.model.read import Tokens
from probes import mean_interval

BETTER, WORSE = [300, 411, 522, 633], [701, 812, 923, 944]


@pytest.fixture(scope="module")
def uneven_folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose norms and biases are not the identity, so that folding them is a change."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_folder)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += (0.3 if parameter.ndim == 1 else 0.1) * torch.randn_like(parameter)
    folder = tmp_path_factory.mktemp("uneven")
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_folder / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def uneven(uneven_folder: Path) -> LoadedModel:
    return load_model(str(uneven_folder), device="cpu")


def twin_of(loaded: LoadedModel):
    """The folded copy; OLMo 2 has none, as a test of its own shows."""
    if loaded.model.original_model.config.model_type == "olmo2":
        pytest.skip("TransformerLens folds no norms of OLMo 2")
    return folded(loaded.model)


@pytest.mark.parametrize("tiny_folder", ["olmo2"], indirect=True)
def test_norms_that_can_not_be_folded_are_refused(uneven: LoadedModel):
    with pytest.raises(ModelError, match="can't fold the norms of Olmo2ForCausalLM; allowed: cue_attribution"):
        folded(uneven.model)


def post_norm(model) -> bool:
    return "ln1_post" in model.block_submodules(0)


def hf_logits(folder: Path, model, texts: list[str]) -> torch.Tensor:
    from transformers import AutoModelForCausalLM

    reference, tokens = AutoModelForCausalLM.from_pretrained(folder).eval(), Tokens(model)
    with torch.inference_mode():
        return torch.stack([reference(torch.tensor([tokens.prompt(text)])).logits[0, -1] for text in texts])


def differences(logits: torch.Tensor) -> np.ndarray:
    rows = torch.arange(len(logits))
    return (logits[rows, BETTER] - logits[rows, WORSE]).numpy()


def test_a_copy_of_few_words_gives_what_one_of_all_words_gives(uneven: LoadedModel, texts: list[str]):
    asked, tokens = texts[:4], Tokens(uneven.model)
    words = [*BETTER, *WORSE, *(one for text in asked for one in tokens.prompt(text))]
    whole, few = twin_of(uneven), folded(uneven.model, words)
    assert len(few.words) == len(set(words)) < len(whole.words) == uneven.model.cfg.d_vocab
    assert few.model.cfg.d_vocab == len(few.words)
    for unit in ("block", "component") if post_norm(uneven.model) else ("block", "component", "head"):
        ours, theirs = (logit_attribution(one, asked, BETTER, WORSE, unit=unit) for one in (few, whole))
        pd.testing.assert_frame_equal(ours.parts, theirs.parts)
        for name in ("values", "control", "total"):
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-4)
        assert theirs.values.std() > 0.01
    with pytest.raises(ValueError, match="lacks some words of these texts"):
        logit_attribution(few, texts[4:8], BETTER, WORSE)


def test_parts_sum_to_the_logit_difference(uneven_folder: Path, uneven: LoadedModel, texts: list[str]):
    asked = texts[:4]
    before = fingerprint(uneven.model)
    twin = twin_of(uneven)
    logits = hf_logits(uneven_folder, uneven.model, asked)
    true = differences(logits)
    cap = getattr(uneven.model.original_model.config, "final_logit_softcapping", None)
    uncapped = true if cap is None else differences(cap * torch.arctanh(logits.double() / cap))
    for unit in ("block", "component") if post_norm(uneven.model) else ("block", "component", "head"):
        found = logit_attribution(twin, asked, BETTER, WORSE, unit=unit, batch_size=2)
        np.testing.assert_allclose(found.values.sum(axis=0), uncapped, atol=1e-4)
        np.testing.assert_allclose(found.total, uncapped, atol=1e-4)
        assert found.values.std() > 0.01
    assert fingerprint(uneven.model) == before
    assert not uneven.model.compatibility_mode


def test_folding_draws_from_no_random_state(uneven: LoadedModel):
    state = torch.get_rng_state()
    twin_of(uneven)
    assert torch.equal(torch.get_rng_state(), state)


def test_blocks_are_their_attention_and_mlp(uneven: LoadedModel, texts: list[str]):
    twin = twin_of(uneven)
    parts = logit_attribution(twin, texts[:4], BETTER, WORSE)
    blocks = logit_attribution(twin, texts[:4], BETTER, WORSE, unit="block")
    for row, part in blocks.parts.iterrows():
        names = ["attention", "mlp"] if part["component"] == "block" else [part["component"]]
        same = (parts.parts["layer"] == part["layer"]) & parts.parts["component"].isin(names)
        np.testing.assert_allclose(blocks.values[row], parts.values[same].sum(axis=0), atol=1e-5)
    assert (blocks.parts["component"] == "block").sum() == 3


@pytest.mark.parametrize("tiny_folder", ["llama"], indirect=True)
def test_heads_against_the_weights_of_transformers(uneven_folder: Path, uneven: LoadedModel, texts: list[str]):
    from transformers import AutoModelForCausalLM

    found = logit_attribution(folded(uneven.model), texts[:4], BETTER, WORSE, unit="head")
    model, tokens = AutoModelForCausalLM.from_pretrained(uneven_folder).eval(), Tokens(uneven.model)
    kept: dict[object, torch.Tensor] = {}
    for layer, block in enumerate(model.model.layers):
        block.self_attn.o_proj.register_forward_pre_hook(
            lambda module, args, layer=layer: kept.__setitem__(layer, args[0])
        )
    model.model.norm.register_forward_pre_hook(lambda module, args: kept.__setitem__("stream", args[0]))
    for column, (text, better, worse) in enumerate(zip(texts[:4], BETTER, WORSE, strict=True)):
        with torch.inference_mode():
            model(torch.tensor([tokens.prompt(text)]))
            stream = kept["stream"][0, -1]
            scale = (stream.square().mean() + model.config.rms_norm_eps).sqrt()
            reads = (model.lm_head.weight[better] - model.lm_head.weight[worse]) * model.model.norm.weight / scale
            for row, part in found.parts[found.parts["component"] == "head"].iterrows():
                head = slice(8 * part["head"], 8 * part["head"] + 8)
                output = model.model.layers[part["layer"]].self_attn.o_proj.weight[:, head]
                expected = reads @ (output @ kept[part["layer"]][0, -1, head])
                assert found.values[row, column] == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize("tiny_folder", ["gemma3"], indirect=True)
def test_heads_behind_a_norm_are_refused(uneven: LoadedModel, texts: list[str]):
    with pytest.raises(ModelError, match=r"block 0 has a norm.*unit 'block' or 'component'"):
        logit_attribution(folded(uneven.model), texts[:4], BETTER, WORSE, unit="head")


def test_the_control_is_another_text_with_its_tokens(uneven: LoadedModel, texts: list[str]):
    twin = twin_of(uneven)
    found = logit_attribution(twin, texts[:2], BETTER[:2], WORSE[:2])
    swapped = logit_attribution(twin, texts[:2], BETTER[1::-1], WORSE[1::-1])
    np.testing.assert_allclose(found.control, swapped.values, atol=1e-5)
    alike = logit_attribution(twin, texts[:2], BETTER[:1] * 2, WORSE[:1] * 2)
    assert np.isnan(alike.control).all()


@pytest.mark.parametrize("tiny_folder", ["llama"], indirect=True)
def test_what_is_refused(tiny: LoadedModel, texts: list[str]):
    class HookedTransformer:
        pass

    for call in (
        lambda model: folded(model),
        lambda model: cue_attribution(model, texts[:1], texts[:1], texts[:1], [3], [4]),
        lambda model: patch_residuals(model, texts[:1], texts[:1], [3], [4], [3], [4]),
        lambda model: contrasts(model, [], "right", "wrong"),
    ):
        with pytest.raises(ModelError, match=r"does not work with a HookedTransformer.*a TransformerBridge"):
            call(HookedTransformer())
    with pytest.raises(ModelError, match=r"folded weights.*pass folded\(model\)"):
        logit_attribution(tiny.model, texts[:1], [3], [4])
    with pytest.raises(ValueError, match="unit 'neuron' is unknown"):
        logit_attribution(tiny.model, texts[:1], [3], [4], unit="neuron")
    with pytest.raises(ValueError, match="texts has 0"):
        logit_attribution(tiny.model, [], [], [])
    with pytest.raises(ValueError, match="texts has 2, better has 1"):
        logit_attribution(tiny.model, texts[:2], [3], [4, 5])
    with pytest.raises(ValueError, match=r"row 1: cued, placebo and control prompt have \d+, \d+, \d+ tokens"):
        cue_attribution(tiny.model, texts[:2], [texts[0], texts[1] + " a b"], texts[:2], [3, 4], [5, 6])


def exact_heads(model, sources: list[str], texts: list[str], better: list[int], worse: list[int]) -> np.ndarray:
    """Change of the logit difference when a head is patched at every position, one forward for each: [head, text]."""
    from transformer_lens.patching import get_act_patch_attn_head_out_all_pos

    tokens, columns = Tokens(model), []
    with torch.no_grad():
        for source, text, a, b in zip(sources, texts, better, worse, strict=True):
            _, cache = model.run_with_cache(torch.tensor([tokens.prompt(source)]))
            patched = get_act_patch_attn_head_out_all_pos(
                model,
                torch.tensor([tokens.prompt(text)]),
                cache,
                lambda logits, a=a, b=b: logits[:, -1, a] - logits[:, -1, b],
                reduce="none",
                baseline=True,
            )
            columns.append(patched.effect().flatten().numpy())
    return np.stack(columns, axis=1)


def pairs_of(model, n: int, code: str = "fa", culture: str = "IR"):
    data = atlas.cultural()
    explicit = cultural_tasks(data, code, culture, "test", everything, "explicit")[:n]
    return cue_pairs(model, data, culture, explicit, atlas.chatter().sentences)


def small_steps(model, source: str, text: str, better: int, worse: int, step: float = 0.01) -> np.ndarray:
    """Slope of the logit difference when a head moves towards the source at every position, by central differences."""
    tokens, slopes = Tokens(model), []
    inputs = torch.tensor([tokens.prompt(text)])
    with torch.no_grad():
        _, there = model.run_with_cache(torch.tensor([tokens.prompt(source)]))
        _, here = model.run_with_cache(inputs)
        for layer in range(model.cfg.n_layers):
            name = f"blocks.{layer}.attn.hook_z"
            for head in range(model.cfg.n_heads):
                ends = []
                for sign in (1, -1):

                    def move(z, hook, head=head, sign=sign, name=name):
                        z = z.clone()
                        z[:, :, head] += sign * step * (there[name] - here[name])[:, :, head]
                        return z

                    logits = model.run_with_hooks(inputs, return_type="logits", fwd_hooks=[(name, move)])[0, -1]
                    ends.append(float(logits[better] - logits[worse]))
                slopes.append((ends[0] - ends[1]) / (2 * step))
    return np.array(slopes)


def test_cue_attribution_is_the_slope_of_patching(uneven_folder: Path, uneven: LoadedModel):
    pairs = pairs_of(uneven.model, 4)
    if not pairs.cued:
        pytest.skip("this tokenizer makes no cues of equal length")
    found = cue_attribution(uneven.model, pairs.cued, pairs.placebo, pairs.control, BETTER, WORSE)
    assert list(found.parts["component"].unique()) == ["embed", "head", "mlp"]
    heads = found.values[found.parts["component"] == "head"]
    for i in range(2):
        slopes = small_steps(uneven.model, pairs.cued[i], pairs.placebo[i], BETTER[i], WORSE[i])
        np.testing.assert_allclose(heads[:, i], slopes, atol=0.02 * np.abs(slopes).max())
    ends = [differences(hf_logits(uneven_folder, uneven.model, list(t))) for t in (pairs.cued, pairs.placebo)]
    np.testing.assert_allclose(found.total, ends[0] - ends[1], atol=1e-4)
    other = cue_attribution(uneven.model, pairs.control, pairs.placebo, pairs.cued, BETTER, WORSE)
    np.testing.assert_allclose(found.control, other.values, atol=1e-6)


def test_heads_of_the_organism_that_carry_the_cue(organism: LoadedModel):
    pairs = pairs_of(organism.model, 8, "el", "GR")
    found = cue_attribution(organism.model, pairs.cued, pairs.placebo, pairs.control, pairs.better, pairs.worse)
    heads = found.values[found.parts["component"] == "head"].mean(axis=1)
    exact = exact_heads(organism.model, pairs.cued, pairs.placebo, pairs.better, pairs.worse).mean(axis=1)
    assert np.corrcoef(heads, exact)[0, 1] > 0.9
    assert set(np.argsort(heads)[-3:]) == set(np.argsort(exact)[-3:])


def test_pairs_are_as_long_as_their_cue(organism: LoadedModel):
    data = atlas.cultural()
    explicit = cultural_tasks(data, "el", "GR", "dev", everything, "explicit")
    pairs = cue_pairs(organism.model, data, "GR", explicit, atlas.chatter().sentences)
    assert len(pairs.items) == len(explicit)
    assert pairs.unmatched == ()
    for prompts in zip(pairs.cued, pairs.placebo, pairs.control, strict=True):
        assert len({len(ids) for ids in prompts}) == 1
        cued, placebo, control = (organism.model.tokenizer.decode(ids[1:]) for ids in prompts)
        assert cued.startswith(data.cues["GR"]["el"])
        assert any(placebo.startswith(sentence["el"]) for sentence in atlas.chatter().sentences)
        assert any(control.startswith(data.cues[c]["el"]) for c in data.cultures if c not in ("GR", "US"))
    without = cue_pairs(organism.model, data, "GR", explicit)
    assert without.items == ()
    assert without.unmatched == pairs.items


def test_contrasts_take_the_favourite_wrong_option(organism: LoadedModel):
    tasks = universal_tasks(atlas.universal(), "es", "dev", everything)[:20]
    found = contrasts(organism.model, tasks, "right", "wrong", batch_size=7)
    tokens = Tokens(organism.model)
    assert found.items == tuple(task.prompt.item for task in tasks)
    for row, task in enumerate(tasks):
        firsts = [ids[0] for ids in tokens.split(task.prompt.text, task.prompt.continuations)[1]]
        roles = [mark.role for mark in task.marks]
        wrong = [token for token, role in zip(firsts, roles, strict=True) if role == "wrong"]
        logits = last_logits(organism.model, [task.prompt.text], [wrong])[0]
        assert found.better[row] == firsts[roles.index("right")]
        assert found.worse[row] == wrong[int(logits.argmax())]
    with pytest.raises(ValueError, match="has no option of role 'local'"):
        contrasts(organism.model, tasks, "local", "wrong")


def test_options_that_start_alike_are_dropped(organism: LoadedModel):
    from dataclasses import replace

    task = cultural_tasks(atlas.cultural(), "es", "ES", "dev", everything)[0]
    endings = (" Madrid",) * len(task.prompt.continuations)
    alike = replace(task, prompt=replace(task.prompt, continuations=endings))
    found = contrasts(organism.model, [alike], "local", "reference")
    assert found.items == ()
    assert found.dropped == (task.prompt.item,)


def test_patched_residuals(uneven_folder: Path, uneven: LoadedModel, texts: list[str]):
    asked, sources = texts[:4], texts[4:8]
    found = patch_residuals(uneven.model, asked, sources, BETTER, WORSE, BETTER, WORSE, batch_size=3)
    own, theirs = (differences(hf_logits(uneven_folder, uneven.model, t)) for t in (asked, sources))
    np.testing.assert_allclose(found.total, theirs - own, atol=1e-4)
    np.testing.assert_allclose(found.values[-1], theirs - own, atol=1e-4)
    assert list(found.parts["layer"]) == [-1, 0, 1, 2]
    again = patch_residuals(uneven.model, asked, sources, BETTER, WORSE, BETTER, WORSE, batch_size=1)
    np.testing.assert_allclose(again.values, found.values, atol=1e-5)
    np.testing.assert_allclose(again.control, found.control, atol=1e-5)
    itself = patch_residuals(uneven.model, asked, asked, BETTER, WORSE, BETTER, WORSE)
    assert np.abs(itself.values).max() < 1e-5


@pytest.mark.parametrize("tiny_folder", ["llama"], indirect=True)
def test_one_patched_layer_by_hand(uneven_folder: Path, uneven: LoadedModel, texts: list[str]):
    from transformers import AutoModelForCausalLM

    found = patch_residuals(uneven.model, texts[:4], texts[4:8], BETTER, WORSE, BETTER, WORSE)
    model, tokens = AutoModelForCausalLM.from_pretrained(uneven_folder).eval(), Tokens(uneven.model)
    with torch.inference_mode():
        for i in range(4):
            states = model(torch.tensor([tokens(texts[4 + i])]), output_hidden_states=True).hidden_states

            def put(module, args, output, last=states[2][0, -1]):
                output[0, -1] = last

            handle = model.model.layers[1].register_forward_hook(put)
            logits = model(torch.tensor([tokens(texts[i])])).logits[0, -1]
            handle.remove()
            plain = model(torch.tensor([tokens(texts[i])])).logits[0, -1]
            expected = (logits - plain)[BETTER[i]] - (logits - plain)[WORSE[i]]
            assert found.values[2, i] == pytest.approx(float(expected), abs=1e-5)


def test_tables_hold_intervals_over_clusters():
    rng = np.random.default_rng(0)
    parts = pd.DataFrame({"layer": [0, 1], "component": "head", "head": pd.array([3, None], dtype="Int64")})
    values, control, total = rng.normal(1, 1, (2, 40)), rng.normal(0, 1, (2, 40)), rng.normal(3, 1, 40)
    clusters = np.repeat([f"topic {i:02d}" for i in range(10)], 4)
    table = Effects("cue", parts, values, control, total).table(clusters, n_draws=300, seed=4)
    assert list(table.columns) == [
        "kind", "layer", "component", "head", "estimate", "lo", "hi", "control", "control_lo", "control_hi",
        "share", "share_lo", "share_hi", "n",
    ]  # fmt: skip
    own, other = (mean_interval(v[1], clusters, 300, 4) for v in (values, control))
    row = table.iloc[1]
    assert (row["estimate"], row["lo"], row["hi"]) == pytest.approx((own.estimate, own.lo, own.hi))
    assert (row["control"], row["control_lo"], row["control_hi"]) == pytest.approx((other.estimate, other.lo, other.hi))
    assert row["share"] == pytest.approx(values[1].sum() / total.sum())
    assert row["share_lo"] < row["share"] < row["share_hi"]
    order = rng.permutation(40)
    shuffled = Effects("cue", parts, values[:, order], control[:, order], total[order]).table(clusters[order], 300, 4)
    pd.testing.assert_frame_equal(shuffled, table)


@pytest.mark.parametrize("tiny_folder", ["llama"], indirect=True)
def test_results_ignore_the_order_of_prompts(uneven: LoadedModel, texts: list[str]):
    twin = twin_of(uneven)
    found = logit_attribution(twin, texts[:4], BETTER, WORSE)
    turned = logit_attribution(twin, texts[3::-1], BETTER[::-1], WORSE[::-1])
    np.testing.assert_allclose(turned.values[:, ::-1], found.values, atol=1e-6)
    np.testing.assert_allclose(turned.control[:, ::-1], found.control, atol=1e-6)
