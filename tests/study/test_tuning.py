"""A small search, from residuals to its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from interp.study.searching import Items
from interp.study.tuning import TuneResult, a_priori_settings, run_tune
from interp.study.tuning_config import TuneConfig

from interp.errors import ConfigError
from interp.model.batching import one_batch
from interp.model.loading import LoadedModel
from interp.plane import outcomes
from interp.progress import Bars
from interp.rows import BASE, MACRO
from interp.steering.engine import score
from interp.steering.plans import Plan, steered
from interp.steering.saved import load_plans
from interp.steering.search import Setting, Side
from interp.study.evaluate import ScoreTables, score_tasks
from interp.study.fit import read_fit
from interp.study.fits import AsLong, Fitted, Lent, Noise, Pooled
from interp.study.gains import gain_table
from interp.study.locate import before_search
from interp.study.noise import KINDS, ShuffledRoles, run_noise
from interp.study.paired import Pairs
from interp.study.prepare import Study, prepare

SMALL = {"languages": ("el",), "limit": 60, "strengths": (1.0,), "bootstrap_draws": 200, "candidates": 16}


def quiet(step: str, amount: float = 1.0) -> None:
    pass


@dataclass(frozen=True)
class Tuned:
    config: TuneConfig
    result: TuneResult

    def table(self, name: str) -> pd.DataFrame:
        path = self.result.folder / name
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


@pytest.fixture(scope="module")
def tuned(organism: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    config = TuneConfig(out=str(tmp_path_factory.mktemp("tuned") / "el"), goal="pareto", **SMALL)
    return Tuned(config, run_tune(config, Bars(quiet=True), organism))


@pytest.fixture(scope="module")
def study(organism: LoadedModel) -> Study:
    return prepare(TuneConfig(**SMALL), organism)


@pytest.fixture(scope="module")
def fits(study: Study) -> Fitted:
    return Fitted(study, Pairs(study, read_fit(study)))


def test_every_candidate_is_told_with_its_round(tuned: Tuned) -> None:
    table = tuned.table("candidates.parquet")
    assert len(table) == tuned.result.candidates
    sizes = table.groupby("round").size()
    assert sizes[1] == 16
    assert set(sizes.index) == {1, 2, 3}
    assert table.groupby("round")["n_universal"].max().is_monotonic_increasing
    last = table[(table["round"] == 3) & table["kept"]]
    assert len(last) == 1
    assert last["rank"].iloc[0] == table[table["round"] == 3]["rank"].max()


def test_a_first_round_is_of_single_vectors_and_the_last_has_leaving_alone(tuned: Tuned) -> None:
    table = tuned.table("candidates.parquet")
    first, last = table[table["round"] == 1], table[table["round"] == 3]
    assert (first["en_layer"].isna() != first["loc_layer"].isna()).all()
    alone = last[last["en_layer"].isna() & last["loc_layer"].isna()]
    assert len(alone) == 1
    assert alone["d_transfer"].iloc[0] == 0 == alone["d_localization"].iloc[0]


def test_the_saved_plan_is_the_searched_one_and_the_reference_engine_agrees(tuned: Tuned, study: Study) -> None:
    saved = load_plans(tuned.result.folder)
    rows = tuned.table("outcomes.parquet")
    for method, name in (("surgical", "searched"), ("pooled", "one for all languages")):
        plan = saved.plan("el", method)
        for axis, metric, tasks in (
            ("universal", "transfer", study.universal_tasks("el", "test")),
            ("cultural", "localization", study.cultural_tasks("el", "test")),
        ):
            scores = score(study.loaded.model, [t.prompt for t in tasks], [plan], engine="reference")
            told = outcomes(ScoreTables(tasks, scores).table(0, BASE))[metric].to_numpy()
            own = rows[(rows["method"] == name) & (rows["axis"] == axis)][metric].to_numpy()
            assert np.array_equal(told, own), (method, metric)


def test_the_front_is_saved_under_the_goal_pareto(tuned: Tuned) -> None:
    saved = load_plans(tuned.result.folder)
    names = [name for name in saved.methods if name.startswith("front_")]
    assert len(names) >= 1
    gains = [saved.saved("el", name).notes["dev"] for name in names]
    transfer, localization = ([gain[f"d_{axis}"] for gain in gains] for axis in ("transfer", "localization"))
    assert transfer == sorted(transfer)
    assert localization == sorted(localization, reverse=True)


def test_the_tables_have_intervals_and_the_oracle_is_marked(tuned: Tuned) -> None:
    regret = tuned.table("regret.csv")
    assert set(regret["plan"]) == {"searched", "one for all languages", "oracle"}  # too few items to tell layers before
    assert (regret["regret"] >= -1e-12).all()
    assert (regret[regret["plan"] == "oracle"]["regret"] == 0).all()
    ablated = tuned.table("ablations.csv")
    assert {"EN alone", "layers swapped", "vectors from 10 items", "random vectors", "LOC of another culture"} <= set(
        ablated["ablation"]
    )
    for table in (regret, ablated):
        for metric in ("d_transfer", "d_localization"):
            assert (table[f"{metric}_lo"] <= table[metric] + 1e-12).all()
            assert (table[metric] <= table[f"{metric}_hi"] + 1e-12).all()
    macro = ablated[(ablated["language"] == MACRO) & (ablated["ablation"] != "searched")]
    assert macro["vs_transfer_p_holm"].between(0, 1).all()
    assert (macro["vs_transfer_p_holm"] >= macro["vs_transfer_p"]).all()


def test_layers_chosen_add_up(tuned: Tuned) -> None:
    shares = tuned.table("layers_chosen.csv").groupby(["language", "vector"])["share"].sum()
    assert np.allclose(shares, 1)


def test_the_manifest_tells_the_goal(tuned: Tuned) -> None:
    told = json.loads((tuned.result.folder / "manifest.json").read_text())
    assert told["goal"].startswith("Pareto front")
    assert told["config"]["candidates"] == 16


def test_gains_are_the_planes_outcomes(study: Study, fits: Fitted) -> None:
    plan = Side("mean", 3, 1.0).plan(fits.vectors(Setting(en=Side("mean", 3, 1.0)), "el")["en"])
    table = gain_table(Items(study, "test"), "el", {"en": plan}, quiet)
    tasks = [*study.universal_tasks("el", "test"), *study.cultural_tasks("el", "test")]
    scores = score_tasks(study, tasks, [Plan(), plan])
    oracle = outcomes(pd.concat([ScoreTables(tasks, scores).table(i, m) for i, m in enumerate((BASE, "en"))]))
    keys = ["method", "axis", "language", "item"]
    both = table.merge(oracle, on=keys, suffixes=("", "_oracle"), validate="one_to_one")
    assert len(both) == len(table) == len(oracle)
    for metric in ("transfer", "localization"):
        assert both[metric].equals(both[f"{metric}_oracle"])
        likely = table[f"p_{metric}"].dropna()
        assert likely.between(0, 1).all()
        assert len(likely) == table[metric].notna().sum()


def test_loc_under_en_is_read_from_the_steered_stream(study: Study, fits: Fitted) -> None:
    setting = Setting(Side("mean", 3, 1.0), Side("mean", 5, 1.0), sequential=True)
    found = fits.vectors(setting, "el")
    plan = setting.en.plan(found["en"])
    expected = []
    for cue in ("explicit", "none"):
        texts = [study.template.text(t) for t in study.cultural_texts("el", "fit", cue, study.culture("el"))]
        rows = []
        for text in texts:
            batch = one_batch(study.loaded.model, [text])
            with steered(study.loaded.model, plan, batch):
                _, cache = study.loaded.model.run_with_cache(batch.tokens)
            rows.append(
                torch.stack([cache[f"blocks.{layer}.hook_resid_post"][0, -1] for layer in range(study.n_layers)])
            )
        expected.append(torch.stack(rows).mean(dim=0))
    assert torch.allclose(found["loc"].vectors, expected[0] - expected[1], atol=1e-3)
    plain = fits.vectors(Setting(setting.en, setting.loc), "el")["loc"].vectors
    assert torch.equal(plain[:3], found["loc"].vectors[:3]) or torch.allclose(
        plain[:3], found["loc"].vectors[:3], atol=1e-4
    )
    assert not torch.allclose(plain[5], found["loc"].vectors[5], atol=1e-2)


def test_loc_made_orthogonal_has_no_part_along_en(fits: Fitted) -> None:
    side = Side("mean", 3, 1.0)
    found = fits.vectors(Setting(side, side, orthogonal=True), "el")
    overlap = (found["en"].vectors * found["loc"].vectors).sum(dim=-1)
    assert (overlap.abs() < 1e-3 * found["en"].vectors.norm(dim=-1) * found["loc"].vectors.norm(dim=-1)).all()


def test_the_outcome_filter_keeps_items_that_the_cue_decides(study: Study, fits: Fitted) -> None:
    kept = fits.pairs._informative("el")
    local = {}
    for cue in ("explicit", "none"):
        tasks = study.cultural_tasks("el", "fit", cue)
        table = outcomes(ScoreTables(tasks, score_tasks(study, tasks, [Plan()])).table(0, BASE))
        metric = "localization" if cue == "none" else "explicit_localization"
        local[cue] = {row["item"] for row in table.to_dict("records") if row[metric] == 1}
    keys = [item.key for _, item in study.cultural_items("el", "fit")]
    wanted = np.array([key in local["explicit"] and key not in local["none"] for key in keys])
    assert np.array_equal(kept, wanted if wanted.sum() >= 8 else np.ones(len(keys), dtype=bool))


def test_what_stands_in_for_the_vectors(study: Study, fits: Fitted) -> None:
    setting = Setting(Side("mean", 3, 1.0), Side("mean", 5, 1.0))
    real = fits.vectors(setting, "el")
    noise = Noise(study, fits.pairs.fit, fits, 0).vectors(setting, "el")
    swapped = AsLong(Fitted(study, Pairs(study, fits.pairs.fit, swapped=1)), fits).vectors(setting, "el")
    for vector in ("en", "loc"):
        for other in (noise[vector], swapped[vector]):
            assert torch.allclose(other.vectors.norm(dim=-1), real[vector].vectors.norm(dim=-1), rtol=1e-4)
            assert not torch.allclose(other.vectors, real[vector].vectors, atol=1e-3)
    lent = Lent(fits, fits, {"el": "el"}).vectors(setting, "el")
    assert all(torch.equal(lent[vector].vectors, real[vector].vectors) for vector in ("en", "loc"))
    pooled = Pooled(fits, ("el",)).vectors(setting, "el")
    assert torch.equal(pooled["en"].vectors, real["en"].vectors)


def test_fewer_items_are_some_of_more(study: Study, fits: Fitted) -> None:
    few, more = (Pairs(study, fits.pairs.fit, items=n).en("el")[0] for n in (4, 10))
    assert few.shape[1] == 4
    assert more.shape[1] == 10
    assert all(any(torch.equal(few[:, i], more[:, j]) for j in range(10)) for i in range(4))


def test_shuffled_roles_give_the_same_option_in_every_language_and_chance_at_base(organism: LoadedModel) -> None:
    study = prepare(TuneConfig(languages=("el", "ko"), seed=3), organism)
    items = ShuffledRoles(study, "test")
    right = {
        code: {t.prompt.item: [m.index for m in t.marks if m.role == "right"] for t in items.tasks("universal", code)}
        for code in ("el", "ko")
    }
    shared = right["el"].keys() & right["ko"].keys()
    assert len(shared) > 50
    assert all(len(right["el"][key]) == 1 for key in shared)
    assert all(right["el"][key] == right["ko"][key] for key in shared)
    share = np.mean([right["el"][key] == [0] for key in right["el"]])
    assert 0.15 < share < 0.35
    other = ShuffledRoles(prepare(TuneConfig(languages=("el", "ko"), seed=4), organism), "test")
    assert [m.role for t in other.tasks("universal", "el") for m in t.marks] != [
        m.role for t in items.tasks("universal", "el") for m in t.marks
    ]


@pytest.mark.slow
def test_layers_before_a_search_are_told_from_dev(organism: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    study = prepare(TuneConfig(languages=("el",)), organism)
    asked: list[str] = []
    for name in ("universal_residuals", "cultural_residuals"):
        real = getattr(Study, name)

        def noted(self, language, split, *more, real=real, **settings):
            asked.append(split)
            return real(self, language, split, *more, **settings)

        monkeypatch.setattr(Study, name, noted)
    found = before_search(study, read_fit(study), quiet)
    assert set(asked) == {"fit", "dev"}
    assert set(found) == {"el", MACRO}
    assert 0 <= found["el"].layer_en < study.n_layers - 1
    settings = a_priori_settings(study, found)["el"]
    assert settings.en == Side("mean", found["el"].layer_en, 1.0)


@pytest.mark.slow
def test_searches_over_noise_are_counted(organism: LoadedModel, tmp_path: Path) -> None:
    config = TuneConfig(out=str(tmp_path / "noise"), noise=2, **SMALL)
    found = run_noise(config, Bars(quiet=True), organism)
    macro = found.table[found.table["language"] == MACRO]
    assert list(macro["random"]) == [*KINDS, *KINDS]
    assert list(macro["seed"]) == [0, 0, 1, 1]
    assert (macro["d_transfer_lo"] <= macro["d_transfer"]).all()
    assert "of 2 searches" in found.lines[0]
    assert (found.folder / "figures" / "noise.png").is_file()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(tuned: Tuned, organism: LoadedModel, tmp_path: Path) -> None:
    config = TuneConfig(out=str(tmp_path / "again"), goal="pareto", **SMALL)
    again = run_tune(config, Bars(quiet=True), organism).folder
    for name in ("plan.json", "regret.csv", "ablations.csv", "layers_chosen.csv", "candidates.parquet"):
        assert (again / name).read_bytes() == (tuned.result.folder / name).read_bytes(), name


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"goal": "both"}, "goal 'both' is unknown"),
        ({"fitters": ("mean", "svd")}, "fitters 'mean,svd' are not allowed"),
        ({"windows": (2,)}, "odd numbers of layers"),
        ({"candidates": 3}, "candidates 3 is not allowed"),
        ({"vectors": ("mean=file",)}, "vectors 'mean=file' is not allowed"),
        ({"max_erasure": 3.0}, "max_erasure 3.0 is not allowed"),
    ],
)
def test_odd_settings_are_refused(settings: dict, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        TuneConfig(**settings)
