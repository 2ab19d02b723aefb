"""What each method computes on a micro-batch, against the same computed step by step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from interp.alignment import TrainingData, settings_for
from interp.alignment._draws import Draws
from interp.alignment._objectives import CLO, Instruct, Kept, MidAlign, middle_layer, objective_for
from interp.alignment._pairs import Unit
from interp.errors import DataError, ModelError

pytest.importorskip("peft")


def a_unit(key: str, english: str, spanish: str, kind: Any = "question") -> Unit:
    prompts = {"en": (f"{key}?",), "es": (f"¿{key}?",)}
    return Unit(key, kind, prompts, prompts, {"en": english, "es": spanish})


@pytest.fixture
def data() -> TrainingData:
    names = [("capital", "Athens", "Atenas"), ("river", "Nile", "Nilo"), ("metal", "iron", "hierro")]
    return TrainingData({}, ("es",), tuple(a_unit(*row) for row in names))


@pytest.mark.parametrize(("layers", "middle"), [(32, 15), (8, 3), (3, 0), (2, 0), (26, 12), (48, 23)])
def test_middle_layer(layers: int, middle: int) -> None:
    assert middle_layer(layers) == middle


def test_one_block_has_no_middle() -> None:
    with pytest.raises(ModelError, match="one block has no middle"):
        middle_layer(1)


def test_instruct_is_the_answers_cross_entropy(adapted_of: Callable[..., Any], data: TrainingData) -> None:
    adapted, encoder = adapted_of("llama")
    settings = settings_for("instruct", batch=3, accumulation=1)
    adapted.model.eval()
    seen = set()
    for step in range(8):
        found = Instruct(settings, data, encoder)(adapted, step, 0)
        assert set(found.keys) == {"capital", "river", "metal"}
        able = []
        for codes in np.ndindex(2, 2, 2):
            by_key = dict(zip(("capital", "river", "metal"), (("en", "es")[c] for c in codes), strict=True))
            units = {unit.key: unit for unit in data.units}
            pairs = [(units[k].prompts[by_key[k]][0], units[k].answered(by_key[k])) for k in found.keys]
            able.append((-adapted.answers(encoder.answered(pairs)).logp.mean().item(), tuple(by_key.values())))
        gap, languages = min((abs(value - found.total.item()), languages) for value, languages in able)
        assert gap < 1e-6
        seen.update(languages)
    assert seen == {"en", "es"}


def test_midalign_takes_turns_and_aligns_the_middle(adapted_of: Callable[..., Any], data: TrainingData) -> None:
    adapted, encoder = adapted_of("llama", "midalign")
    adapted.model.eval()
    settings = settings_for("midalign", batch=3, accumulation=1, layer=1)
    objective = MidAlign(settings, data, encoder)
    even, odd = objective(adapted, 2, 0), objective(adapted, 3, 0)
    assert (set(even.parts), set(odd.parts)) == ({"info_nce"}, {"cross_entropy"})
    assert odd.total.item() == Instruct(settings, data, encoder)(adapted, 3, 0).total.item()
    units = [next(unit for unit in data.units if unit.key == key) for key in even.keys]
    means = {}
    for code in ("es", "en"):
        rows = []
        for unit in units:
            batch = encoder.texts([unit.texts[code][0]])
            hidden = adapted.model(input_ids=batch.tokens, output_hidden_states=True).hidden_states[2]
            rows.append(hidden[0].mean(dim=0).detach().numpy())
        means[code] = np.stack(rows)
    unit_length = {code: rows / np.linalg.norm(rows, axis=1, keepdims=True) for code, rows in means.items()}
    similarity = unit_length["es"] @ unit_length["en"].T / 0.1
    expected = np.mean(np.log(np.exp(similarity).sum(axis=1)) - np.diag(similarity))
    assert even.total.item() == pytest.approx(expected, abs=1e-5)


def test_clo_prefers_the_language_asked(adapted_of: Callable[..., Any], data: TrainingData) -> None:
    adapted, encoder = adapted_of("llama", "clo")
    torch.manual_seed(2)
    with torch.no_grad():
        for weight in adapted.trainable().values():
            weight.add_(0.2 * torch.randn_like(weight))
    adapted.model.eval()
    settings = settings_for("clo", batch=3, accumulation=1, mix=0.3, beta=0.7)
    found = CLO(settings, data, encoder)(adapted, 0, 0)
    margins, sft = [], []
    for unit in data.units:
        english, own = unit.prompts["en"][0], unit.prompts["es"][0]
        for prompt, better, worse in (
            (english, unit.answered("en"), unit.answered("en", "es")),
            (own, unit.answered("es"), unit.answered("es", "en")),
        ):
            now = adapted.answers(encoder.answered([(prompt, better), (prompt, worse)]))
            with adapted.as_base():
                base = adapted.answers(encoder.answered([(prompt, better), (prompt, worse)]))
            (a, b), (c, d) = now.per_row().tolist(), base.per_row().tolist()
            margins.append((a - c) - (b - d))
            if prompt == own:
                sft += now.logp[now.rows == 0].tolist()
    preference = np.mean([math.log(1 + math.exp(-0.7 * margin)) for margin in margins])
    assert found.parts["dpo"] == pytest.approx(preference, abs=1e-5)
    assert found.parts["sft"] == pytest.approx(-np.mean(sft), abs=1e-5)
    assert found.total.item() == pytest.approx(0.3 * -np.mean(sft) + 0.7 * preference, abs=1e-5)


def test_clo_refuses_translations_and_equal_answers(data: TrainingData) -> None:
    same = a_unit("number", "7", "7")
    sentence = a_unit("sentence", "It rains.", "Llueve.", kind="sentence")
    for units in ((same,), (sentence,)):
        with pytest.raises(DataError, match="clo needs instructions whose responses differ"):
            objective_for(settings_for("clo"), replace(data, units=units), None)  # type: ignore[arg-type]
    mixed = CLO(settings_for("clo", batch=5), replace(data, units=(*data.units, same)), None)  # type: ignore[arg-type]
    assert len(mixed._draws.units) == 3


def test_midalign_needs_two_pairs(data: TrainingData) -> None:
    with pytest.raises(DataError, match="midalign needs two texts"):
        objective_for(settings_for("midalign", layer=0), replace(data, units=data.units[:1]), None)  # type: ignore[arg-type]


def test_the_penalty_measures_the_shift(adapted_of: Callable[..., Any], data: TrainingData) -> None:
    adapted, encoder = adapted_of("llama")
    adapted.model.eval()
    settings = settings_for("instruct", batch=3, accumulation=1, keep_weight=2.0)
    inner = Instruct(settings, data, encoder)
    vectors = {1: torch.randn(2, 32, generator=torch.Generator().manual_seed(0))}
    kept = Kept(inner, settings, data, encoder, vectors)
    assert kept(adapted, 0, 0).parts["shift"] == 0.0  # LoRA starts at nothing
    with torch.no_grad():
        for weight in adapted.trainable().values():
            weight.add_(0.1 * torch.randn_like(weight, generator=None))
    found = kept(adapted, 0, 0)
    texts = [unit.prompts["es"][0] for unit in data.units]
    total, count = 0.0, 0
    for text in texts:
        batch = encoder.texts([text])
        now = adapted.residuals(batch, [1])[1][0]
        with adapted.as_base():
            base = adapted.residuals(batch, [1])[1][0]
        for vector in vectors[1]:
            total += (((now - base) @ vector / vector.pow(2).sum()) ** 2).sum().item()
            count += len(now)
    assert found.parts["shift"] == pytest.approx(total / count, rel=1e-4)
    assert found.total.item() == pytest.approx(inner(adapted, 0, 0).total.item() + 2 * total / count, rel=1e-5)


def test_draws_are_epochs_without_repeats(data: TrainingData) -> None:
    units = [replace(data.units[0], key=str(number)) for number in range(10)]
    draws = Draws(units, 3, seed=5)
    epochs = [[unit.key for part in range(3) for unit in draws(3 * epoch + part)[0]] for epoch in range(40)]
    assert all(len(set(epoch)) == 9 for epoch in epochs)
    assert {key for epoch in epochs for key in epoch} == {str(number) for number in range(10)}
    assert epochs[0] != epochs[1]
    again, (units_of, rng) = Draws(units, 3, seed=5), draws(17)
    assert [unit.key for unit in again(17)[0]] == [unit.key for unit in units_of]
    assert again(17)[1].random() == rng.random()
    assert [unit.key for unit in Draws(units, 3, seed=6)(17)[0]] != [unit.key for unit in units_of]
    assert len(Draws(units[:2], 3, seed=5)(4)[0]) == 2
