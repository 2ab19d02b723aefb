"""The matrix: vectors against those of a run, means against ones counted by hand, and the command from end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from interp.data import atlas
from interp.errors import DataError
from interp.matrix import Cultures, run_matrix
from interp.matrix._cells import (
    AGAINST_CUE,
    CONDITIONS,
    STEERED,
    answers,
    choose_cells,
    matrix_table,
    scored_cells,
    summary_table,
)
from interp.matrix._matrix import MatrixResult
from interp.matrix._vectors import CultureVectors, fit_culture_vectors
from interp.model import LoadedModel
from interp.plane import Resampling
from interp.steering import Candidate, SteeringVectors
from interp.study.ask import Study, prepare
from interp.study.config import RunConfig
from interp.study.fit import read_fit, study_vectors
from probes import holm
from probes._intervals import expanded_level

SMALL: dict[str, Any] = {"languages": ("el",), "limit": 60, "strengths": (1.0,), "bootstrap_draws": 200}

RIGHT = {
    ("el", "GR"): {"base": "1110", "own": "1111", "universal": "1110", "left_out": "1100", "other": "1000", "cue": "1111",
        "cue_own": "1111"},
    ("el", "KR"): {"base": "0000", "own": "1100", "universal": "1000", "left_out": "1000", "other": "0000", "cue": "1110",
        "cue_own": "1111", "cue_home": "0110"},
    ("ko", "GR"): {"base": "0010", "own": "0110", "universal": "0010", "left_out": "0010", "other": "0010", "cue": "1111",
        "cue_own": "0111", "cue_home": "1011"},
    ("ko", "KR"): {"base": "1100", "own": "1111", "universal": "1110", "left_out": "1010", "other": "0000", "cue": "1110",
        "cue_own": "1110"},
}  # fmt: skip
OWN = {"el": "GR", "ko": "KR"}


def share(text: str) -> float:
    return text.count("1") / len(text)


@pytest.fixture(scope="module")
def right() -> pd.DataFrame:
    """Items a, b, c, d, each a cluster, from strings of right (1) and wrong (0)."""
    rows = [
        {"language": x, "culture": k, "own_culture": OWN[x] == k, "condition": condition, "item": item, "cluster": item,
         "localization": float(one)}
        for (x, k), conditions in RIGHT.items()
        for condition, text in conditions.items()
        for item, one in zip("abcd", text, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows)


TAILS = [(1 - expanded_level(4)) / 2, (1 + expanded_level(4)) / 2]
"""Quantiles of a 95% interval over four clusters."""


@pytest.fixture(scope="module")
def resampling() -> Resampling:
    return Resampling.over({"cultural": list("abcd")}, 400, 0)


def test_cells_are_those_counted_by_hand(right: pd.DataFrame, resampling: Resampling) -> None:
    chosen = {cell: dict.fromkeys(STEERED, Candidate(3, 0.5, 0.9)) for cell in RIGHT}
    table = matrix_table(right, chosen, resampling, 0)
    assert len(table) == sum(map(len, RIGHT.values()))
    for row in table.to_dict("records"):
        texts = RIGHT[row["language"], row["culture"]]
        own, base = texts[row["condition"]], texts["cue" if row["condition"] in AGAINST_CUE else "base"]
        assert row["localization"] == pytest.approx(share(own))
        assert row["own_culture"] == (OWN[row["language"]] == row["culture"])
        assert row["n"] == 4
        # the interval is that of the shares of resampled items
        values = np.array([float(one) for one in own])
        draws = resampling.weights @ values / 4
        assert [row["localization_lo"], row["localization_hi"]] == pytest.approx(np.quantile(draws, TAILS))
        assert pd.isna(row["layer"]) == (row["condition"] in ("base", "cue", *AGAINST_CUE))
        if row["condition"] == "base":
            assert np.isnan([row["d_localization"], row["p"], row["p_holm"]]).all()
        else:
            assert row["d_localization"] == pytest.approx(share(own) - share(base))
    cell = table[(table["language"] == "el") & (table["culture"] == "KR")].set_index("condition")
    # two of four items gained: of 16 sign flips, those that leave both with one sign are as far, 8 of 16
    assert cell.loc["own", "p"] == pytest.approx(0.5)
    assert cell.loc["cue", "p"] == pytest.approx(0.25)
    for changed in (cell.drop(index=["base", *AGAINST_CUE]), cell.loc[sorted(AGAINST_CUE)]):
        np.testing.assert_allclose(changed["p_holm"], holm(changed["p"].to_numpy(float)))


@pytest.mark.parametrize(
    ("over", "members"),
    [("all", list(RIGHT)), ("diagonal", list(OWN.items())), ("off_diagonal", [("el", "KR"), ("ko", "GR")])],
)
def test_means_over_cells(
    over: str, members: list[tuple[str, str]], right: pd.DataFrame, resampling: Resampling
) -> None:
    table = summary_table(right, resampling, 0)
    found = table[table["over"] == over].set_index(["condition", "against"])
    assert (found["n_cells"] == len(members)).all()
    there = [c for c in CONDITIONS if over == "off_diagonal" or c != "cue_home"]
    mean = {c: float(np.mean([share(RIGHT[cell][c]) for cell in members])) for c in there}
    by_item = {c: np.mean([[float(x) for x in RIGHT[cell][c]] for cell in members], axis=0) for c in there}
    pairs = [(c, "cue" if c in AGAINST_CUE else "base") for c in there[1:]]
    pairs += [("own", c) for c in ("universal", "left_out", "other")]
    for c in there:
        assert found.loc[(c, ""), "estimate"] == pytest.approx(mean[c])
    for one, other in pairs:
        assert found.loc[(one, other), "estimate"] == pytest.approx(mean[one] - mean[other])
        # an item carries all its languages and cultures when it is drawn
        draws = resampling.weights @ (by_item[one] - by_item[other]) / 4
        bounds = [found.loc[(one, other), end] for end in ("lo", "hi")]
        assert bounds == pytest.approx(np.quantile(draws, TAILS))
    assert len(found) == len(there) + len(pairs)


def test_own_against_the_others_cell_by_cell(right: pd.DataFrame, resampling: Resampling) -> None:
    table = summary_table(right, resampling, 0)
    cells = table[table["over"] == "cell"]
    assert len(cells) == 3 * len(RIGHT)
    for row in cells.to_dict("records"):
        texts = RIGHT[row["language"], row["culture"]]
        assert row["estimate"] == pytest.approx(share(texts["own"]) - share(texts[row["against"]]))


def test_cultures_are_those_with_a_cue() -> None:
    dataset = atlas.cultural()
    cultures = Cultures.of(dataset, ("el", "ko"))
    assert dataset.reference not in cultures.every
    assert set(cultures.every) == set(dataset.cultures) - {dataset.reference}
    assert cultures.steered == cultures.every
    assert [cultures.other(one) for one in cultures.every] == [*cultures.every[1:], cultures.every[0]]
    assert Cultures.of(dataset, ("el",), ("KR", "GR")) == Cultures(
        cultures.every, tuple(one for one in cultures.every if one in ("KR", "GR"))
    )
    with pytest.raises(DataError, match="culture 'US' can't be steered to"):
        Cultures.of(dataset, ("el",), ("US",))
    with pytest.raises(DataError, match="lists a culture twice"):
        Cultures.of(dataset, ("el",), ("GR", "GR"))


@pytest.fixture(scope="module")
def study(organism: LoadedModel) -> Study:
    return prepare(RunConfig(**SMALL, attribution_items=0), organism)


@pytest.fixture(scope="module")
def vectors(study: Study) -> CultureVectors:
    return fit_culture_vectors(study, Cultures.of(study.cultural, study.languages), lambda *step: None)["el"]


def test_vectors_of_the_own_culture_are_those_of_a_run(study: Study, vectors: CultureVectors) -> None:
    fitted = study_vectors(study, read_fit(study))["loc"]["el"]
    own = vectors.own["GR"]
    torch.testing.assert_close(own.vectors, fitted.vectors)
    assert own.provenance == fitted.provenance
    assert vectors.of("GR")["own"] is own
    plans = [one.plan(3, 0.5) for one in (own, fitted)]
    for one, other in zip(plans[0].steers, plans[1].steers, strict=True):
        torch.testing.assert_close(one.vector, other.vector)


def test_means_over_cultures(vectors: CultureVectors) -> None:
    own = {k: one.vectors for k, one in vectors.own.items()}
    torch.testing.assert_close(vectors.universal.vectors, sum(own.values()) / len(own))
    for k, left_out in vectors.left_out.items():
        torch.testing.assert_close(
            left_out.vectors, (sum(own.values()) - own[k]) / (len(own) - 1), rtol=1e-4, atol=1e-5
        )
    assert vectors.of("IR")["other"] is vectors.own["GB"]


def test_choices_are_those_of_a_search_of_one_vector(study: Study, vectors: CultureVectors) -> None:
    """All cells of a language are scored in one call; each choice is that of its own vectors on its own prompts."""
    from interp.steering import layer_grid
    from interp.study.ask import confidence, score_tasks

    cells = [
        cell
        for cell in scored_cells(study.cultural, study.languages, study.counts, vectors.cultures)
        if cell[1] in ("GR", "KR")
    ]
    chosen = choose_cells(study, {"el": vectors}, cells, lambda *step: None)
    assert list(chosen) == cells
    for code, culture in cells:
        tasks = study.cultural_tasks(code, "dev", culture=culture)
        for condition, one in vectors.of(culture).items():
            plans = [one.plan(layer, 1.0, positions=study.config.positions) for layer in layer_grid(study.n_layers)]
            values = confidence(tasks, score_tasks(study, tasks, plans), "local", "bytes").mean(axis=1)
            best = chosen[code, culture][condition]
            assert best.layer == int(values.argmax())
            assert best.value == pytest.approx(values.max(), abs=1e-5)


class Silent:
    """Progress that nobody sees; it counts the steps of each stage."""

    def __init__(self) -> None:
        self.steps: dict[str, tuple[int, float]] = {}

    def stage(self, name: str, total: int) -> Any:
        from contextlib import contextmanager

        @contextmanager
        def counted() -> Any:
            done = [0.0]

            def advance(step: str, amount: float = 1.0) -> None:
                done[0] += amount

            yield advance
            self.steps[name] = (total, done[0])

        return counted()


@pytest.fixture(scope="module")
def done(organism: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[MatrixResult, Silent]:
    out = str(tmp_path_factory.mktemp("matrix") / "el")
    progress = Silent()
    return run_matrix(RunConfig(**SMALL, out=out), progress, ("GR", "KR"), model=organism), progress


def test_a_run_writes_what_it_promises(done: tuple[MatrixResult, Silent]) -> None:
    result, progress = done
    written = {str(path.relative_to(result.folder)) for path in result.folder.rglob("*") if path.is_file()}
    every = json.loads((result.folder / "manifest.json").read_text())["cultures"]
    assert written >= {
        "matrix.csv", "matrix_summary.csv", "manifest.json", "scores/matrix.parquet",
        *(f"figures/matrix.{kind}" for kind in ("pdf", "svg", "png")),
        *(f"vectors/loc.el.{culture}.safetensors" for culture in every),
    }  # fmt: skip
    vectors = SteeringVectors.load(result.folder / "vectors" / "loc.el.KR.safetensors")
    assert (vectors.provenance["language"], vectors.provenance["culture"]) == ("el", "KR")
    for total, steps in progress.steps.values():
        assert steps == pytest.approx(total)


def test_the_table_is_the_scores(done: tuple[MatrixResult, Silent]) -> None:
    folder: Path = done[0].folder
    table, scores = pd.read_csv(folder / "matrix.csv"), pd.read_parquet(folder / "scores" / "matrix.parquet")
    assert list(dict.fromkeys(table["culture"])) == ["KR", "GR"]
    best = scores.assign(value=scores["logp"] / scores["bytes"])
    best = best.loc[best.groupby(["culture", "method", "item"])["value"].idxmax()]
    shares = best["role"].eq("local").groupby([best["culture"], best["method"]]).mean()
    for row in table.to_dict("records"):
        assert row["localization"] == pytest.approx(shares[row["culture"], row["condition"]], abs=1e-5)
    assert (scores["cue"].eq("explicit") == scores["method"].isin(["cue", *AGAINST_CUE])).all()


def test_answers_of_the_cue_come_from_cued_prompts(done: tuple[MatrixResult, Silent]) -> None:
    scores = pd.read_parquet(done[0].folder / "scores" / "matrix.parquet")
    right = answers(scores, {"el": "GR"}, "bytes")
    assert right["localization"].isin([0.0, 1.0]).all()
    assert right.groupby(["culture", "condition"])["item"].nunique().groupby("culture").nunique().eq(1).all()
