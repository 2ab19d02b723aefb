"""Local answers read by a probe: planted ones are found at their layer, absent ones are not, and pairs are paired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from interp.data import SPLITS, question_text
from interp.errors import DataError
from interp.model import LoadedModel
from interp.names import MACRO
from interp.plane import Resampling
from interp.study.ask import Study, prepare
from interp.study.config import RunConfig
from interp.study.trained import _local_answers as local_answers
from interp.study.trained._local_answers import SHUFFLES, LocalAnswers, read_local_answers, with_probe
from interp.study.trained._local_answers import local_answer_steps as steps
from tests.conftest import write_tiny

LANGUAGES = ("es", "el")


@pytest.fixture(scope="module")
def study(organism: LoadedModel) -> Study:
    return prepare(RunConfig(languages=LANGUAGES, bootstrap_draws=200), organism)


def texts_of(study: Study) -> dict[str, bool]:
    """Every prompt with an option -> whether the option is the local one."""
    tasks = [task for split in SPLITS for code in study.languages for task in study.cultural_tasks(code, split)]
    return {
        task.prompt.text + ending: mark.role == "local"
        for task in tasks
        for ending, mark in zip(task.prompt.continuations, task.marks, strict=True)
    }


def plant(monkeypatch: pytest.MonkeyPatch, study: Study, rows: Sequence[int]) -> None:
    """Residuals of noise, with a direction in the local option in these rows of the stack."""
    local = texts_of(study)
    places = {text: place for place, text in enumerate(local)}
    unasked = np.random.default_rng(1)
    noise = np.random.default_rng(0).standard_normal((study.n_layers + 1, len(local), 16))
    for row in rows:
        noise[row, list(local.values()), 0] += 30.0

    def fake(model: Any, texts: Sequence[str], **more: Any) -> torch.Tensor:
        if set(texts) <= set(places):
            return torch.tensor(noise[:, [places[text] for text in texts]], dtype=torch.float32)
        return torch.tensor(unasked.standard_normal((len(noise), len(texts), 16)), dtype=torch.float32)

    monkeypatch.setattr(local_answers, "read_residuals", fake)


def read(study: Study) -> LocalAnswers:
    told: list[str] = []
    found = read_local_answers(study, told.append)
    assert len(told) == steps(study)
    return found


def test_planted_answers_are_all_read_and_their_block_is_chosen(monkeypatch: pytest.MonkeyPatch, study: Study) -> None:
    plant(monkeypatch, study, [4])
    found = read(study)
    assert found.layer == 3
    assert (found.items["probe"] == 1).all()
    curve = found.layers[found.layers["language"] == MACRO].set_index("layer")
    assert curve["test"].idxmax() == 3
    assert (curve["test"].drop(3) < 0.45).all()
    assert (curve["test_unasked"] < 0.45).all()  # planted behind the question only
    asked = {code: study.cultural_tasks(code, "test") for code in LANGUAGES}
    assert found.items["language"].tolist() == [code for code in LANGUAGES for _ in asked[code]]
    assert found.items["item"].tolist() == [task.prompt.item for code in LANGUAGES for task in asked[code]]
    chances = [1 / len(task.marks) for code in LANGUAGES for task in asked[code]]
    assert found.items["probe_chance"].tolist() == chances


def test_nothing_planted_is_read_at_chance_and_shuffled_labels_too(
    monkeypatch: pytest.MonkeyPatch, study: Study
) -> None:
    plant(monkeypatch, study, [])
    found = read(study)
    chance = found.items["probe_chance"].mean()
    error = np.sqrt(chance * (1 - chance) / len(found.items))
    assert abs(found.items["probe"].mean() - chance) < 4 * error
    assert abs(found.items["probe_control"].mean() - chance) < 4 * error
    assert len(found.control_layers) == SHUFFLES >= 5
    assert len(set(found.control_layers)) > 1  # each refit chooses for itself


def test_neither_the_embedding_output_nor_the_last_block_is_chosen(
    monkeypatch: pytest.MonkeyPatch, study: Study
) -> None:
    plant(monkeypatch, study, [0, study.n_layers])
    found = read(study)
    assert 0 <= found.layer < study.n_layers - 1
    assert set(found.control_layers) <= set(range(study.n_layers - 1))
    assert (found.items["probe_embedding"] == 1).all()
    assert found.items["probe"].mean() < 0.45


@pytest.mark.slow
def test_the_organisms_reading_depends_on_no_batch_size(study: Study) -> None:
    small = replace(study, config=replace(study.config, batch_size=7))
    first, second = read(study), read(small)
    assert first.layer == second.layer
    assert (first.items["probe"] != second.items["probe"]).mean() < 0.01  # float32 near a tie
    again = read(study)
    pd.testing.assert_frame_equal(first.items, again.items)
    pd.testing.assert_frame_equal(first.layers, again.layers)


def test_texts_are_what_scoring_reads_and_the_same_options_without_the_question(
    monkeypatch: pytest.MonkeyPatch, study: Study
) -> None:
    told: list[str] = []

    def spied(model: Any, texts: Sequence[str], **more: Any) -> torch.Tensor:
        told.extend(texts)
        return torch.randn(study.n_layers + 1, len(texts), 16, generator=torch.Generator().manual_seed(len(told)))

    monkeypatch.setattr(local_answers, "read_residuals", spied)
    read(study)
    expected = []
    for split in SPLITS:
        for code in study.languages:
            tasks = study.cultural_tasks(code, split)
            for before in ([task.prompt.text for task in tasks], [question_text("", code)] * len(tasks)):
                for text, task in zip(before, tasks, strict=True):
                    context, endings = study.tokens.split(text, task.prompt.continuations)
                    expected += [context + ending for ending in endings]
    assert [study.tokens(text) for text in told] == expected


def test_options_are_read_without_the_question_at_a_layer_of_their_own(
    monkeypatch: pytest.MonkeyPatch, study: Study
) -> None:
    local, calls = texts_of(study), list[list[bool]]()

    def fake(model: Any, texts: Sequence[str], **more: Any) -> torch.Tensor:
        stack = torch.randn(study.n_layers + 1, len(texts), 16, generator=torch.Generator().manual_seed(len(calls)))
        if set(texts) <= set(local):
            calls.append([local[text] for text in texts])
        else:  # the same options, read after those behind their question
            stack[6, calls[-1], 0] += 30.0
        return stack

    monkeypatch.setattr(local_answers, "read_residuals", fake)
    found = read(study)
    assert (found.items["probe_unasked"] == 1).all()
    assert found.items["probe"].mean() < 0.45


def test_of_a_random_model_nothing_is_read(tmp_path: Path) -> None:
    folder = write_tiny("llama", tmp_path)
    tiny = prepare(RunConfig(model=str(folder), languages=LANGUAGES, bootstrap_draws=400))
    random = read(tiny)
    rows = pd.DataFrame({"method": ["m"], "language": [MACRO]})
    row = with_probe(rows, random, {"m": random}, tiny.resampling, {"m": ["m"]}).iloc[0]
    assert row["probe_base_lo"] <= 0.25 <= row["probe_base_hi"]
    for name in ("probe_selectivity", "probe_gain", "probe_question_gain"):
        assert row[f"{name}_lo"] <= 0 <= row[f"{name}_hi"], name


def test_no_fit_items_are_an_error_that_tells_a_remedy(study: Study) -> None:
    held_out = tuple(item for item in study.cultural.items if item.split != "fit")
    empty = replace(study, cultural=replace(study.cultural, items=held_out))
    with pytest.raises(DataError, match="no items of the fit split"):
        read_local_answers(empty, lambda label: None)


def answers(ko: str, es: str, layer: int, control: float = 0.25) -> LocalAnswers:
    """Two clusters of two items in each language, right (1) or not."""
    items = pd.DataFrame(
        {
            "language": ["ko"] * 4 + ["es"] * 4,
            "item": list("abcd") * 2,
            "cluster": list("uuvv") * 2,
            "probe": [float(one) for one in ko + es],
            "probe_control": control,
            "probe_embedding": 0.5,
            "probe_unasked": 1.0,
            "probe_chance": [0.25] * 4 + [0.5] * 4,
        }
    )
    return LocalAnswers(items, pd.DataFrame(), layer, ())


def test_probe_columns_are_counted_by_hand_and_members_averaged() -> None:
    base = answers("1111", "1110", 2)
    trained = {"m-0": answers("1110", "0110", 3, 0.3), "m-1": answers("1010", "1110", 6, 0.1)}
    rows = pd.DataFrame({"method": "m", "language": ["es", "ko", MACRO], "erasure": [0.1, 0.2, 0.3]}, index=[5, 6, 7])
    resampling = Resampling.over({"cultural": ["u", "v"], "universal": ["w"]}, 200, 0)
    table = with_probe(rows, base, trained, resampling, {"m": ["m-0", "m-1"]})
    assert table["erasure"].tolist() == [0.1, 0.2, 0.3]
    expected = {
        "probe_base": [0.75, 1.0, 0.875],
        "probe_trained": [0.625, 0.625, 0.625],
        "probe_lost": [0.125, 0.375, 0.25],
        "probe_control": [0.2, 0.2, 0.2],
        "probe_selectivity": [0.425, 0.425, 0.425],
        "probe_control_base": [0.25, 0.25, 0.25],
        "probe_embedding": [0.5, 0.5, 0.5],
        "probe_gain": [0.125, 0.125, 0.125],
        "probe_unasked": [1.0, 1.0, 1.0],
        "probe_question_gain": [-0.375, -0.375, -0.375],
        "probe_chance": [0.5, 0.25, 0.375],
        "probe_layer_base": [2, 2, 2],
        "probe_layer_trained": [4.5, 4.5, 4.5],
    }
    for column, values in expected.items():
        assert table[column].tolist() == pytest.approx(values), column
    # ko: cluster u loses (0 + 1) / 2 of 2 items, v (1 + 1) / 2: a draw of u, v or both gives 0.25, 0.5 or 0.375.
    assert table.loc[6, ["probe_lost_lo", "probe_lost_hi"]].tolist() == pytest.approx([0.25, 0.5])
    # Paired: where base and trained are the same, no draw tells them apart, though both vary.
    same = with_probe(rows, base, {"m": base}, resampling, {"m": ["m"]})
    assert (same[["probe_lost", "probe_lost_lo", "probe_lost_hi"]] == 0).all(axis=None)
    assert same.loc[5, "probe_base_lo"] < same.loc[5, "probe_base_hi"]


def test_models_probed_on_other_items_are_refused() -> None:
    base = answers("1111", "1110", 2)
    fewer = replace(base, items=base.items.iloc[1:])
    rows = pd.DataFrame({"method": ["m"], "language": ["ko"]})
    resampling = Resampling.over({"cultural": ["u", "v"]}, 20, 0)
    with pytest.raises(ValueError, match="'m' was probed on other items than 'base'"):
        with_probe(rows, base, {"m": fewer}, resampling, {"m": ["m"]})
