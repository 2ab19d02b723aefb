"""The planted directions are where `planted_llama` says, in what the library reads, steers and attributes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from interp.data import cultural_tasks, everything, question_text, universal_tasks
from interp.data.atlas import _atlas as atlas
from interp.model import LoadedModel
from interp.model.attribution import contrasts, cue_attribution, cue_pairs, folded, logit_attribution, patch_residuals
from interp.model.load import load_model
from interp.model.read import Residuals, read_residuals
from interp.steering import Plan, SteeringVectors, difference
from interp.steering.engine import score
from tests.known_answer.planted_llama import Planted, answer_key, build

A, B = 2, 5


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return build(tmp_path_factory.mktemp("planted"), A, B)


@pytest.fixture(scope="module")
def loaded(planted: Planted) -> LoadedModel:
    return load_model(str(planted.folder), device="cpu")


def facts(split: str, n: int):
    """Universal items over all relations, but for the countries that cues name."""
    named = {f"territory:{culture}" for culture in atlas.CULTURES}
    items = [i for i in atlas.universal().items if i.split == split and i.key.partition("/")[2] not in named]
    return items[:: len(items) // n][:n]


def customs(split: str, n: int):
    return [item for item in atlas.cultural().items if item.split == split][:n]


def universal(model, items, code: str) -> Residuals:
    return read_residuals(model, [question_text(item.question(code), code) for item in items])


def cultural(model, items, code: str, cue: str = "") -> Residuals:
    return read_residuals(model, [question_text(item.questions[code], code, cue) for item in items])


def size(planted: Planted, residuals: Residuals, space: str) -> np.ndarray:
    """Smallest and largest norm in a space, per row of layers."""
    norms = (residuals @ planted.spaces[space].T).norm(dim=-1)
    return torch.stack([norms.amin(dim=1), norms.amax(dim=1)]).numpy()


def check_onsets(planted: Planted, model) -> None:
    facts_, customs_ = facts("test", 20), customs("test", 20)
    for code in ("en", "el", "zh"):
        asked = universal(model, facts_, code)
        cued = cultural(model, customs_, code, atlas.cultural().cues["IR"][code])
        assert (size(planted, asked, "culture")[1] < 1e-4).all()  # questions about facts hold no culture
        for residuals, space, block in ((asked, "meaning", planted.a), (asked, "english", planted.a),
                                        (cued, "culture", planted.b)):  # fmt: skip
            low, high = size(planted, residuals, space)
            assert (high[: block + 1] < 1e-4).all(), (code, space)
            assert (low[block + 1 :] > 0.3).all(), (code, space)


def test_each_direction_starts_at_its_block(planted: Planted, loaded: LoadedModel):
    check_onsets(planted, loaded.model)


@pytest.mark.slow
@pytest.mark.parametrize(("a", "b"), [(2, 0), (1, 1)])
def test_any_order_can_be_planted(tmp_path: Path, a: int, b: int):
    planted = build(tmp_path, a, b, n_layers=4)
    check_onsets(planted, load_model(str(tmp_path), device="cpu").model)


def test_a_block_must_follow(tmp_path: Path):
    with pytest.raises(ValueError, match="between 0 and 2, got 1 and 3"):
        build(tmp_path, 1, 3, n_layers=4)


@pytest.mark.parametrize("code", ["en", "el", "zh"])
def test_the_answer_is_the_same_code_in_every_language(planted: Planted, loaded: LoadedModel, code: str):
    items = facts("test", 100)
    read = universal(loaded.model, items, code)[A + 1] @ planted.spaces["meaning"].T
    right = []
    for item, meaning in zip(items, read, strict=True):
        candidates = [answer_key(text) for text in item.candidates]
        scores = [float(planted.codes[key] @ meaning) for key in candidates]
        right.append(candidates[int(np.argmax(scores))] == answer_key(item.options[item.answer]))
    assert np.mean(right) > 0.85


@pytest.mark.parametrize("code", ["es", "ko"])
def test_the_culture_is_the_language_own_until_a_cue_names_another(planted: Planted, loaded: LoadedModel, code: str):
    data, items = atlas.cultural(), customs("test", 15)
    for cue, culture in (("", data.own_culture[code]), *((data.cues[c][code], c) for c in ("GR", "CN", "US", "GB"))):
        axes = cultural(loaded.model, items, code, cue)[B + 1] @ planted.spaces["culture"].T
        assert {atlas.CULTURES[k] for k in axes.argmax(dim=1)} == {culture}


def accuracies(model, tasks, role: str, plans) -> list[float]:
    scores = score(model, [task.prompt for task in tasks], plans)
    best = [
        [task.marks[int(np.argmax(scores.of(i, plan)))].role for i, task in enumerate(tasks)]
        for plan in range(len(plans))
    ]
    return [float(np.mean([found == role for found in row])) for row in best]


def test_steering_works_at_the_planted_blocks_alone(loaded: LoadedModel):
    model, data = loaded.model, atlas.cultural()
    fit = facts("fit", 60)
    en = SteeringVectors("en", difference(universal(model, fit, "en"), universal(model, fit, "el")))
    asked = customs("fit", 30)
    loc = SteeringVectors(
        "loc", difference(cultural(model, asked, "el", data.cues["GR"]["el"]), cultural(model, asked, "el"))
    )
    known = {item.key for item in facts("test", 50)}
    truths = universal_tasks(atlas.universal(), "el", "test", lambda _, item, code: item in known)
    habits = cultural_tasks(data, "el", "GR", "test", everything)[:60]
    for vectors, tasks, role, planted in ((en, truths, "right", A), (loc, habits, "local", B)):
        plain, *steered = accuracies(model, tasks, role, [Plan(), *(vectors.plan(layer) for layer in range(7))])
        assert steered[planted] > plain + 0.25
        assert max(value for layer, value in enumerate(steered) if layer != planted) < plain + 0.1


def test_attribution_names_the_planted_parts(loaded: LoadedModel):
    model, data = loaded.model, atlas.cultural()
    explicit = cultural_tasks(data, "el", "GR", "test", everything, "explicit")[:6]
    pairs = cue_pairs(model, data, "GR", explicit, atlas.chatter().sentences)
    carried = cue_attribution(model, pairs.cued, pairs.placebo, pairs.control, pairs.better, pairs.worse)
    heads = carried.table(np.array(pairs.clusters)).query("component == 'head'").set_index(["layer", "head"])
    assert heads["share"].idxmax() == (B, 4)
    assert heads["share"].max() == pytest.approx(1, abs=0.15)
    assert heads["share"].drop((B, 4)).abs().max() < 0.1
    assert heads.loc[(B, 4), "control_hi"] < 0

    known = {item.key for item in facts("test", 24)}
    found = {
        code: contrasts(
            model,
            universal_tasks(atlas.universal(), code, "test", lambda _, item, code: item in known),
            "right",
            "wrong",
        )
        for code in ("el", "en")
    }
    el, en = found["el"], found["en"]
    assert el.items == en.items
    recovery = patch_residuals(model, el.prompts, en.prompts, el.better, el.worse, en.better, en.worse)
    shares = recovery.table(np.array(el.clusters))["share"].to_numpy()
    assert np.abs(shares[: A + 1]).max() < 0.05
    assert np.abs(shares[A + 1 :] - 1).max() < 0.15

    twin = folded(model)
    for contrast, block in ((en, A + 1), (contrasts(model, explicit, "local", "reference"), B + 1)):
        direct = logit_attribution(twin, contrast.prompts, contrast.better, contrast.worse)
        table = direct.table(np.array(contrast.clusters)).set_index(["layer", "component"])
        assert table["estimate"].idxmax() == (block, "mlp")
        assert table["share"].max() > 0.8
