"""Shifts from arrays with known answers; the table of the organism against a model of its own with noise."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from interp.model.load import load_model, organism_folder
from interp.model.read import Tokens, read_residuals
from interp.steering.engine import Patch, score_patched
from interp.study.ask import Study, prepare
from interp.study.config import RunConfig
from interp.study.fit import FitResiduals, Vectors, read_fit, study_vectors
from interp.study.trained._mechanism import mechanism_steps as steps
from interp.study.trained._mechanism import mechanism_table
from probes import Frame, cluster_weights, columns, mean, mean_interval, measure
from probes._shifts import STATISTICS

N, WIDTH, SCALE = 40, 16, 5.0
CLUSTERS = np.repeat(np.arange(10), 4)
WEIGHTS = cluster_weights(10, 500, 0)


def drawn(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A shift, EN, LOC and random directions."""
    rng = np.random.default_rng(seed)
    en, loc = rng.standard_normal((2, WIDTH))
    return rng.standard_normal((N, WIDTH)), en, loc, rng.standard_normal((20, WIDTH))


def found(shift: np.ndarray, frame: Frame) -> dict[str, float]:
    return columns(measure(shift, frame, SCALE, CLUSTERS, WEIGHTS))


def test_a_shift_along_loc_is_all_loc() -> None:
    _, en, loc, random = drawn()
    loc = loc - (loc @ en) / (en @ en) * en
    row = found(np.tile(1.5 * loc / np.linalg.norm(loc), (N, 1)), Frame.of(3 * en, 7 * loc, random))
    for name, value in {
        "share_loc": 1,
        "share_en": 0,
        "share_rest": 0,
        "on_en": 0,
        "on_loc": 0.3,
        "shift": 0.3,
    }.items():
        assert [row[name], row[f"{name}_lo"], row[f"{name}_hi"]] == pytest.approx([value] * 3, abs=1e-9)
    assert row["common"] == pytest.approx(1)
    assert (row["loc_above_random"], row["en_above_random"]) == (1, 0)
    cosines = random @ loc / np.linalg.norm(random, axis=1) / np.linalg.norm(loc)
    assert row["share_random"] == pytest.approx(np.median(cosines**2))


def test_en_comes_first_where_the_vectors_overlap() -> None:
    """Along LOC backwards: EN takes its cosine's square, LOC's own part the rest."""
    _, en, loc, random = drawn()
    cosine = en @ loc / np.linalg.norm(en) / np.linalg.norm(loc)
    row = found(np.tile(-2 * loc / np.linalg.norm(loc), (N, 1)), Frame.of(en, loc, random))
    assert row["share_en"] == pytest.approx(cosine**2)
    assert row["share_loc"] == pytest.approx(1 - cosine**2)
    assert row["on_loc"] == pytest.approx(-0.4)
    assert row["on_en"] == pytest.approx(-0.4 * cosine)


def test_against_plain_loops() -> None:
    shift, en, loc, random = drawn(1)
    row = found(shift, Frame.of(en, loc, random))
    e = en / np.linalg.norm(en)
    o = loc - (loc @ e) * e
    total = sum(s @ s for s in shift)
    assert row["share_en"] == pytest.approx(sum((s @ e) ** 2 for s in shift) / total)
    assert row["share_loc"] == pytest.approx(sum((s @ o) ** 2 / (o @ o) for s in shift) / total)
    assert row["share_en"] + row["share_loc"] + row["share_rest"] == pytest.approx(1)
    assert row["common"] == pytest.approx(N * (shift.mean(0) @ shift.mean(0)) / total)
    shares = [sum((s @ r) ** 2 for s in shift) / (r @ r) / total for r in random]
    assert row["share_random"] == pytest.approx(np.median(shares))
    assert row["en_above_random"] == np.mean([share < row["share_en"] for share in shares])
    expected = mean_interval(np.linalg.norm(shift, axis=1) / SCALE, CLUSTERS, 500, 0)
    assert (row["shift"], row["shift_lo"], row["shift_hi"]) == pytest.approx(
        (expected.estimate, expected.lo, expected.hi)
    )
    for name in STATISTICS:
        assert row[f"{name}_lo"] < row[name] < row[f"{name}_hi"]


def test_macro_is_the_mean_of_the_languages() -> None:
    parts = []
    for seed in (1, 2):
        shift, en, loc, random = drawn(seed)
        parts.append(measure(shift, Frame.of(en, loc, random), SCALE, CLUSTERS, WEIGHTS))
    each, both = [columns(part) for part in parts], columns(mean(parts))
    for name in (*STATISTICS, "common"):
        assert both[name] == pytest.approx((each[0][name] + each[1][name]) / 2)
    assert both["share_random"] == pytest.approx(np.median((parts[0].random + parts[1].random) / 2))
    assert both["shift_hi"] - both["shift_lo"] < max(row["shift_hi"] - row["shift_lo"] for row in each)


def test_nothing_shifted_and_vectors_that_are_one() -> None:
    shift, en, _, random = drawn()
    still = found(np.zeros_like(shift), Frame.of(en, en, random))
    assert still["shift"] == 0
    assert np.isnan([still[name] for name in ("share_en", "share_rest", "common", "en_above_random")]).all()
    assert found(shift, Frame.of(en, -2 * en, random))["share_loc"] == 0


@pytest.fixture(scope="module")
def base() -> Study:
    config = RunConfig(languages=("es", "el"), limit=240, bootstrap_draws=200, device="cpu")
    return prepare(config)


@pytest.fixture(scope="module")
def fit(base: Study) -> FitResiduals:
    return read_fit(base)


@pytest.fixture(scope="module")
def vectors(base: Study, fit: FitResiduals) -> Vectors:
    return study_vectors(base, fit)


@pytest.fixture(scope="module")
def trained(base: Study, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The organism with noise on its blocks' matrices."""
    from transformers import AutoModelForCausalLM

    out = tmp_path_factory.mktemp("trained")
    model = AutoModelForCausalLM.from_pretrained(organism_folder(), dtype=torch.float32)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in model.model.layers.parameters():
            weight += 0.4 * weight.std() * torch.randn(weight.shape, generator=generator) if weight.ndim > 1 else 0
    model.save_pretrained(out)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(Path(organism_folder()) / name, out / name)
    loaded = replace(load_model(str(out), device="cpu"), exposure=base.loaded.exposure)
    return replace(base, loaded=loaded, tokens=Tokens(loaded.model))


@pytest.fixture(scope="module")
def table(base: Study, trained: Study, vectors: Vectors, fit: FitResiduals) -> pd.DataFrame:
    done: Counter[str] = Counter()

    def advance(step: str, amount: float = 1.0) -> None:
        done["all"] += amount  # type: ignore[assignment]

    found = mechanism_table(base, trained, vectors, "noise", fit, advance)
    assert done["all"] == pytest.approx(steps(base))
    return found


def test_undone_after_the_last_block_the_trained_model_is_the_base(table: pd.DataFrame) -> None:
    last = table[table["layer"] == table["layer"].max()]
    assert len(last) == 3
    assert last.loc[last["language"] != "macro", "erasure"].abs().min() > 0.02, "models that agree prove nothing"
    for bound in ("", "_lo", "_hi"):
        assert np.allclose(last[f"restored{bound}"], last[f"erasure{bound}"])
    assert np.allclose(table["erasure"], table["localization_base"] - table["localization_trained"])


def test_rows_bounds_and_macro(table: pd.DataFrame, base: Study) -> None:
    assert Counter(table["language"]) == dict.fromkeys(("es", "el", "macro"), base.n_layers)
    assert set(table["method"]) == {"noise"}
    assert not table.isna().any().any()
    for name in (*STATISTICS, "share_random", "erasure", "restored", "restored_rest", "restored_random"):
        assert (table[f"{name}_lo"] <= table[name] + 1e-9).all()
        assert (table[name] <= table[f"{name}_hi"] + 1e-9).all()
    wide = table.set_index(["layer", "language"])
    for name in (*STATISTICS, "erasure", "restored", "restored_en"):
        by = wide[name].unstack()
        assert np.allclose(by["macro"], (by["es"] + by["el"]) / 2)
    assert table["restored_rest"].sub(table["restored_en"]).abs().max() > 0.02, "the parts are told apart"


def test_restored_is_counted_by_hand(table: pd.DataFrame, base: Study, trained: Study, vectors: Vectors) -> None:
    """Every part at every layer, from patches made by hand and a loop over the tasks."""
    gains = []
    for code in base.languages:
        tasks = base.cultural_tasks(code, "test")
        patches: list[Patch | None] = [None]
        for layer in range(base.n_layers):
            both = torch.stack([vectors[name][code].vectors[layer] for name in ("en", "loc")])
            span = torch.linalg.qr(both.T).Q.T  # EN first, then what of LOC is orthogonal to it
            patches += [Patch(layer), Patch(layer, span[:1]), Patch(layer, span[1:]), Patch(layer, span, outside=True)]
        scores = score_patched(base.loaded.model, trained.loaded.model, [task.prompt for task in tasks], patches)
        right = np.zeros((len(patches), len(tasks)))
        for patch in range(len(patches)):
            for number, task in enumerate(tasks):
                own = slice(scores.starts[number], scores.starts[number + 1])
                best = int(np.argmax(scores.logp[patch, own] / scores.bytes[own]))
                right[patch, number] = task.marks[best].role == "local"
        gains.append((right[1:].mean(axis=1) - right[0].mean()).reshape(base.n_layers, 4))
    expected = np.concatenate(gains)
    names = ["restored", "restored_en", "restored_loc", "restored_rest"]
    found = pd.concat([table[table["language"] == code].sort_values("layer") for code in base.languages])[names]
    assert len({tuple(column) for column in expected.T}) == 4, "the parts are told apart"
    assert np.allclose(found, expected)


def test_shift_is_that_of_the_scored_prompts(
    table: pd.DataFrame, base: Study, trained: Study, vectors: Vectors, fit: FitResiduals
) -> None:
    texts = [task.prompt.text for task in base.cultural_tasks("el", "test")]
    before, after = (read_residuals(study.loaded.model, texts, batch_size=1)[4] for study in (base, trained))
    norms = torch.cat([fit.universal["el"][4], fit.implicit["el"][4]]).norm(dim=1)
    row = table[(table["language"] == "el") & (table["layer"] == 3)].iloc[0]
    shift, loc = after - before, vectors["loc"]["el"].vectors[3]
    scale = float(np.median(norms.numpy()))
    assert row["shift"] == pytest.approx(float(shift.norm(dim=1).mean()) / scale, rel=1e-4)
    assert row["on_loc"] == pytest.approx(float((shift @ loc / loc.norm()).mean()) / scale, rel=1e-3, abs=1e-6)


def test_other_prompts_than_the_tasks_own_are_not_patched(
    base: Study, trained: Study, vectors: Vectors, fit: FitResiduals
) -> None:
    one, two = (
        replace(study, config=replace(study.config, normalisation="pmi"), languages=("es",))
        for study in (base, trained)
    )
    done: list[float] = []
    found = mechanism_table(one, two, vectors, "noise", fit, lambda step, amount=1.0: done.append(amount))
    assert sum(done) == pytest.approx(steps(one)) == 3
    restored = [name for name in found.columns if name.startswith("restored")]
    assert len(restored) == 15
    assert found[restored].isna().all().all()
    assert found.drop(columns=restored).notna().all().all()


def test_a_small_design_patches_its_own_layers_and_the_last(
    base: Study, trained: Study, vectors: Vectors, fit: FitResiduals, table: pd.DataFrame
) -> None:
    one, two = (
        replace(study, config=replace(study.config, layers="2,5"), languages=("es",)) for study in (base, trained)
    )
    done: list[float] = []
    found = mechanism_table(one, two, vectors, "noise", fit, lambda step, amount=1.0: done.append(amount))
    assert sum(done) == pytest.approx(steps(one))
    found = found[found["language"] == "es"].set_index("layer")
    whole = table[table["language"] == "es"].set_index("layer")
    restored = [name for name in found.columns if name.startswith("restored")]
    assert list(found.index[found["restored"].notna()]) == [2, 5, base.n_layers - 1]
    assert found.loc[[0, 1, 3, 4], restored].isna().all().all()
    plain = [name for name in restored if not name.endswith(("_lo", "_hi"))]  # intervals are over other clusters here
    pd.testing.assert_frame_equal(found.loc[[2, 5], plain], whole.loc[[2, 5], plain], atol=1e-6)
    assert found.drop(columns=restored).notna().all().all()


def test_models_that_differ_are_refused(base: Study, vectors: Vectors, fit: FitResiduals, tmp_path: Path) -> None:
    from tests.conftest import write_tiny

    loaded = load_model(str(write_tiny("llama", tmp_path)), device="cpu")
    other = replace(base, loaded=loaded, tokens=Tokens(loaded.model))
    with pytest.raises(ValueError, match="differ in blocks"):
        mechanism_table(base, other, vectors, "other", fit, lambda step, amount=1.0: None)
