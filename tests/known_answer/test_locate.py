"""`interp locate` and the causal sweep on the model whose weights were written by hand: both name a and b."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from interp.names import BASE
from interp.plane import Cells, estimate, outcomes
from interp.study.ask import Study, prepare
from interp.study.config import RunConfig
from interp.study.fit import FitResiduals, read_fit, study_vectors
from interp.study.locate import Located, findings, locate
from interp.study.score import Prompts, layer_cells, score_base_in, score_layers_in
from tests.known_answer.planted_llama import build

A, B = 2, 5
SETTINGS = {"languages": ("el",), "bootstrap_draws": 200, "attribution_items": 12}


def quiet(step: str, amount: float = 1.0) -> None:
    """Progress that nobody looks at."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("planted")
    build(folder, A, B)
    return prepare(RunConfig(model=str(folder), **SETTINGS))


@pytest.fixture(scope="module")
def fit(study: Study) -> FitResiduals:
    return read_fit(study)


@pytest.fixture(scope="module")
def located(study: Study, fit: FitResiduals) -> Located:
    return locate(study, fit, quiet)


def test_onsets_are_the_planted_blocks(located: Located) -> None:
    for language in ("el", "macro"):
        found = located.separations[language]
        assert (found.universal.layer, found.cultural.layer) == (A, B)
        assert (found.cultural.lo, found.cultural.hi) == (B, B)
        assert found.universal.lo == A
        # 56 answers: block b, where names of countries bring a culture along, helps the answer probe once more.
        assert found.difference.estimate == found.difference.hi == B - A


def test_the_words_say_so(located: Located) -> None:
    told = "\n".join(findings(located))
    assert f"Universal onset: layer {A} [" in told
    assert f"Cultural onset: layer {B} [" in told
    assert f"the cultural onset minus the universal onset is {B - A} [" in told
    assert "on universal questions 0." in told


def test_attribution_names_the_head_of_the_cue_and_the_blocks_that_answer(located: Located) -> None:
    table = located.attribution
    heads = (
        table[(table["kind"] == "cue") & (table["component"] == "head")].groupby(["layer", "head"])["estimate"].mean()
    )
    assert heads.idxmax() == (B, 4)
    direct = table[(table["kind"] == "direct") & (table["component"] == "mlp")]
    for contrast, layer in (("right - wrong", A + 1), ("local - reference", B + 1)):
        rows = direct[direct["contrast"] == contrast].groupby("layer")[["estimate", "lo", "control"]].mean()
        assert rows["estimate"].idxmax() == layer
        assert rows.loc[layer, "lo"] > abs(rows.loc[layer, "control"])  # the control is of one draw of partners
    residual = table[table["kind"] == "residual"].groupby("layer")["estimate"].mean()
    assert residual[residual.index < A].abs().max() < 0.2 * residual[A]


@pytest.mark.slow
def test_the_causal_sweep_names_them_too(study: Study, fit: FitResiduals) -> None:
    vectors, prompts = study_vectors(study, fit), Prompts.of(study)
    cells = layer_cells(study.design, ("en", "loc"))
    parts = [
        part
        for code in study.languages
        for part in (
            score_base_in(prompts, code, quiet),
            score_layers_in(prompts, vectors, cells, code, quiet),
        )
    ]
    table = outcomes(pd.concat(parts, ignore_index=True))
    means = Cells(table, study.resampling)
    for method, metric, planted in (("en", "transfer", A), ("loc", "localization", B)):
        gains = [estimate(means, [f"{method}@{layer}"], "macro", metric, minus=BASE).estimate for layer in range(7)]
        assert gains.index(max(gains)) == planted
        assert sorted(gains)[-2] < 0.5 * max(gains)


def test_every_number_has_an_interval_and_a_control(located: Located, tmp_path: Path) -> None:
    located.write(tmp_path)
    for name, numbers in {
        "probes": ("accuracy", "balanced_accuracy", "brier", "selectivity", "gain", "bits", "compression", "shuffled"),
        "alignment": ("cosine_margin", "retrieval", "retrieval_back", "cka"),
        "attribution": ("estimate", "control", "share"),
    }.items():
        table = pd.read_csv(tmp_path / f"{name}.csv")
        for number in numbers:
            ends = ("lo", "hi") if number == "estimate" else (f"{number}_lo", f"{number}_hi")
            assert {number, *ends} <= set(table.columns)
            assert table[list(ends)].notna().mean().min() > 0.5, (name, number)
    directions = pd.read_csv(tmp_path / "directions.csv").query("language != 'macro'")
    for column in ("cosine", "cosine_lo", "cosine_null_lo", "en_norm", "en_norm_null", "loc_norm", "en_stability"):
        assert directions[column].notna().all(), column
    assert {"universal_lo", "cultural_hi", "separation_lo", "layer_en", "dfki_layer"} <= set(
        pd.read_csv(tmp_path / "onsets.csv").columns
    )
