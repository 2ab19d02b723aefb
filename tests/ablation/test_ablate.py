"""A small run, and what is added to it: ablations, regret, searches over noise; and the vectors that ablations fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from interp.ablation import _ablate as ablating
from interp.ablation import ablate, add_noise
from interp.ablation._ablate import Ablated, a_priori_settings, setting_of
from interp.ablation._ablations import ablations
from interp.ablation._noise import KINDS, ShuffledRoles
from interp.errors import ConfigError, OutputError
from interp.model import LoadedModel
from interp.model.read import one_batch
from interp.names import BASE, MACRO
from interp.plane import outcomes
from interp.progress import Bars
from interp.steering import Plan, Setting, Side, load_plans, steered
from interp.steering.engine import score
from interp.studies import finished_folder
from interp.study.ask import ScoreTables, Study, prepare, score_tasks
from interp.study.config import RunConfig
from interp.study.fit import AsLong, Fitted, Lent, Noise, Pairs, Pooled, plan_of, read_fit
from interp.study.folder import _finished as reopening
from interp.study.folder import read_manifest, verify
from interp.study.locate import before_search
from interp.study.run import run
from interp.study.search import SplitTasks, gain_table, searched

SMALL = {
    "languages": ("el", "ko"), "limit": 200, "design": "small", "strengths": ("0.3r",), "draws": 2,
    "bootstrap_draws": 200, "attribution_items": 0, "damage_sentences": 0,
}  # fmt: skip
ADDED = {"ablations.csv", "regret.csv", "figures/ablations.pdf", "figures/ablations.png", "figures/ablations.svg"}


def quiet(step: str, amount: float = 1.0) -> None:
    pass


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@dataclass(frozen=True)
class Added:
    """A run's files before, and what was added to it."""

    before: dict[str, bytes]
    result: Ablated

    @property
    def folder(self) -> Path:
        return self.result.folder

    def table(self, name: str) -> pd.DataFrame:
        path = self.folder / name
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


@pytest.fixture(scope="module")
def finished(organism: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = RunConfig(out=str(tmp_path_factory.mktemp("finished") / "el"), **SMALL)
    return run(config, Bars(quiet=True), organism).folder


@pytest.fixture(scope="module")
def added(finished: Path, organism: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Added:
    folder = Path(shutil.copytree(finished, tmp_path_factory.mktemp("ablated") / "el"))
    return Added(files_of(folder), ablate(folder, Bars(quiet=True), organism))


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "el"))


@pytest.fixture(scope="module")
def study(organism: LoadedModel) -> Study:
    return prepare(RunConfig(**SMALL), organism)


@pytest.fixture(scope="module")
def fits(study: Study) -> Fitted:
    return Fitted(study, Pairs(study, read_fit(study)))


def test_the_searched_row_is_the_runs_own_surgical_plan(added: Added) -> None:
    columns = [f"d_{metric}{end}" for metric in ("transfer", "localization") for end in ("", "_lo", "_hi")]
    plane = added.table("plane.csv")
    own = plane[plane["method"] == "surgical"].set_index("language")[columns]
    ablated = added.table("ablations.csv")
    again = ablated[ablated["ablation"] == "searched"].set_index("language")[columns]
    pd.testing.assert_frame_equal(again.loc[own.index], own, check_names=False, rtol=1e-5)


def test_the_refitted_plan_is_the_saved_one_and_the_reference_engine_agrees(
    added: Added, study: Study, fits: Fitted
) -> None:
    saved = load_plans(added.folder)
    plan, again = saved.plan("el"), plan_of(fits, setting_of(saved.saved("el")), "el")
    for one, other in zip(plan.steers, again.steers, strict=True):
        assert (one.layer, one.operator, one.positions) == (other.layer, other.operator, other.positions)
        assert torch.allclose(one.strength * one.vector, other.strength * other.vector, atol=1e-5)
    table = gain_table(SplitTasks(study, "test"), "el", {"searched": again}, quiet)
    for axis, metric in (("universal", "transfer"), ("cultural", "localization")):
        tasks = SplitTasks(study, "test").tasks(axis, "el")
        scores = score(study.loaded.model, [t.prompt for t in tasks], [plan], engine="reference")
        slow = outcomes(ScoreTables(tasks, scores).table(0, BASE))[metric].to_numpy()
        fast = table[(table["method"] == "searched") & (table["axis"] == axis)][metric].to_numpy()
        assert np.array_equal(slow, fast)


def test_the_tables_have_intervals_and_the_oracle_is_marked(added: Added) -> None:
    regret, ablated = added.table("regret.csv"), added.table("ablations.csv")
    rules = {"EN shallow, LOC deep", "one layer for both"}
    assert {"searched", "oracle"} | rules <= set(regret["plan"]) <= {"searched", "a priori", "oracle"} | rules
    assert (regret["regret"] >= -1e-12).all()
    assert (regret[regret["plan"] == "oracle"]["regret"] == 0).all()
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


def test_no_ablation_is_the_chosen_plan_itself(added: Added, study: Study, fits: Fitted) -> None:
    chosen = {code: setting_of(load_plans(added.folder).saved(code)) for code in study.languages}
    rows = ablations(study, fits.pairs.fit, fits, chosen)
    assert not {"fitter: mean", "operator: add", "positions: last", "window: 1", "without outcome filter"} & {
        row.name for row in rows
    }
    assert not [row.name for row in rows if row.fits is fits and row.settings == chosen]
    assert {row.name for row in rows} == set(added.result.ablations["ablation"]) - {"searched"}


def test_the_oracle_chooses_among_the_pairs_that_the_search_tried(added: Added, organism: LoadedModel) -> None:
    opened = reopening.reopen(added.folder, organism)
    tried = added.table("candidates.parquet")
    tried = tried[(tried["method"] == "surgical") & (tried["language"] == "el")]
    pairs = ablating.finalists(opened)["el"]
    assert len(pairs) == len(tried) - 1
    own = setting_of(opened.plans.saved("el"))
    assert own not in pairs.values()
    layers = {(setting.en.layer, setting.loc.layer) for setting in (*pairs.values(), own)}
    assert layers == set(zip(tried["en_layer"], tried["loc_layer"], strict=True))


def test_optimism_is_told_of_the_dev_prompts_that_the_search_saw(added: Added, study: Study) -> None:
    """The chosen pair's gain on dev, as plan.json has it, minus the gain on test in probability."""
    plan = load_plans(added.folder)
    regret = added.table("regret.csv").set_index(["plan", "language"])
    for axis, metric in (("universal", "transfer"), ("cultural", "localization")):
        items = SplitTasks(study, "test")
        table = gain_table(items, "el", {"own": plan.plan("el")}, quiet)
        means = table[table["axis"] == axis].groupby("method")[f"p_{metric}"].mean()
        noted = plan.saved("el", "surgical").notes["dev_gain"][axis]
        expected = noted - (means["own"] - means[BASE])
        assert regret.loc[("searched", "el"), f"optimism_{metric}"] == pytest.approx(expected, abs=2e-4)
    assert searched(study) == 36


def test_a_run_gains_files_and_keeps_its_own(added: Added) -> None:
    after = files_of(added.folder)
    assert set(after) - set(added.before) == ADDED
    assert {name for name in added.before if after[name] != added.before[name]} == {"manifest.json", "report.html"}
    manifest = read_manifest(added.folder)
    assert verify(added.folder, manifest) == []
    assert set(manifest["files"]) == set(after) - {"manifest.json"}
    assert manifest["ablations"]["found"] == added.result.lines
    assert manifest["ablations"]["goal"] == "harmonic mean of both gains"
    assert "better than the searched plan on both axes" in (added.folder / "report.html").read_text()
    assert [path.name for path in added.folder.parent.iterdir()] == [added.folder.name]


@pytest.mark.slow
def test_added_again_the_tables_have_the_same_bytes(added: Added, organism: LoadedModel, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(added.folder, tmp_path / "el"))
    ablate(folder, Bars(quiet=True), organism)
    one, two = files_of(added.folder), files_of(folder)
    assert {name for name in one if one[name] != two[name]} == {"manifest.json"}  # seconds


def test_stopped_it_leaves_the_run_as_it_was(
    copied: Path, organism: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*given: object) -> None:
        raise KeyboardInterrupt

    def never(*given: object) -> None:
        raise AssertionError("what was scored is kept")

    before = files_of(copied)
    monkeypatch.setattr(ablating, "ablations", lambda *given: ablations(*given)[:2])
    for place, stage in ((ablating, "ablation_table"), (reopening, "draw_report")):
        with monkeypatch.context() as stopping, pytest.raises(KeyboardInterrupt):
            stopping.setattr(place, stage, stop)
            ablate(copied, Bars(quiet=True), organism)
        assert files_of(copied) == before
        assert {path.name for path in copied.parent.iterdir()} == {copied.name, f".{copied.name}.partial"}
        monkeypatch.setattr(ablating, "gain_table", never)
    ablate(copied, Bars(quiet=True), organism)
    assert [path.name for path in copied.parent.iterdir()] == [copied.name]


def change_manifest(folder: Path, change: Callable[[dict], None]) -> None:
    manifest = read_manifest(folder)
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda m: m["versions"].update(translocal="0.0.1"), "was made in another way: translocal: '0.0.1' there"),
        (lambda m: m["data"]["universal"].update(fingerprint="other"), "universal.fingerprint: 'other' there"),
        (lambda m: m["model"].update(fingerprint="other"), "model.fingerprint: 'other' there"),
        (lambda m: m["versions"].update(torch="1.0"), "versions.torch: '1.0' there"),
        (lambda m: m.pop("files"), "has no checksums"),
    ],
)
def test_a_run_made_otherwise_is_refused(change: Callable, problem: str, copied: Path, organism: LoadedModel) -> None:
    change_manifest(copied, change)
    with pytest.raises(OutputError, match=problem):
        ablate(copied, Bars(quiet=True), organism)


def test_a_changed_or_unfinished_run_is_refused(copied: Path, organism: LoadedModel, tmp_path: Path) -> None:
    with (copied / "candidates.parquet").open("ab") as file:
        file.write(b"more")
    with pytest.raises(OutputError, match=r"was changed: candidates\.parquet: changed since it was written"):
        ablate(copied, Bars(quiet=True), organism)
    (copied / "plan.json").unlink()
    with pytest.raises(OutputError, match="has no surgical plan"):
        ablate(copied, Bars(quiet=True), organism)
    (tmp_path / ".begun.partial").mkdir()
    with pytest.raises(OutputError, match="is not finished"):
        finished_folder(tmp_path, str(tmp_path / "begun"))
    with pytest.raises(ConfigError, match="there is no run 'none'"):
        finished_folder(tmp_path, "none")


def test_gains_are_the_planes_outcomes(study: Study, fits: Fitted) -> None:
    plan = Side("mean", 3, 1.0).plan(fits.vectors(Setting(en=Side("mean", 3, 1.0)), "el")["en"])
    table = gain_table(SplitTasks(study, "test"), "el", {"en": plan}, quiet)
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
    study = prepare(RunConfig(languages=("el", "ko"), design="large"), organism)
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
    other = ShuffledRoles(study, "test", number=1)
    assert [m.role for t in other.tasks("universal", "el") for m in t.marks] != [
        m.role for t in items.tasks("universal", "el") for m in t.marks
    ]


@pytest.mark.slow
def test_layers_before_a_search_are_told_from_dev(organism: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    study = prepare(RunConfig(languages=("el",), design="large"), organism)
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
def test_searches_over_noise_are_counted(copied: Path, organism: LoadedModel) -> None:
    result = add_noise(copied, 2, Bars(quiet=True), organism)
    macro = result.table[result.table["language"] == MACRO]
    assert list(macro["random"]) == [*KINDS, *KINDS]
    assert list(macro["seed"]) == [0, 0, 1, 1]
    assert (macro["d_transfer_lo"] <= macro["d_transfer"]).all()
    assert len(set(macro["dev_d_transfer"])) == 4  # fresh vectors and fresh roles
    assert "of 2 searches" in result.lines[0]
    assert (copied / "figures" / "noise.png").is_file()
    assert verify(copied, read_manifest(copied)) == []


def test_no_search_over_noise_is_refused(copied: Path) -> None:
    with pytest.raises(ConfigError, match="noise 0 is not allowed"):
        add_noise(copied, 0)
