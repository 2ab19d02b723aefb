"""T|en and RankC: computed by hand, by a direct loop, and from a run's own files."""

from __future__ import annotations

import json
from itertools import pairwise, permutations

import numpy as np
import pandas as pd
import pytest

from interp.plane import Cells, Resampling
from interp.steering.engine import score
from interp.study.ask import prepare
from interp.study.score._robustness import beside_english, consistency_table, given_english, rank_consistency
from tests.study.conftest import CountedRun


def direct(here: list[int], there: list[int]) -> float:
    """RankC of two orders, best first, as Qi et al. (2023) write it."""
    n = len(here)
    weights = [np.exp(n - j) for j in range(1, n + 1)]
    total = 0.0
    for j in range(1, n + 1):
        shared = len(set(here[:j]) & set(there[:j]))
        total += weights[j - 1] / sum(weights) * shared / j
    return float(total)


def orders(scores: np.ndarray) -> list[list[int]]:
    """Every order, best first, that the scores allow."""
    options = range(len(scores))
    return [list(p) for p in permutations(options) if all(scores[a] >= scores[b] for a, b in pairwise(p))]


def test_rankc_by_hand() -> None:
    # x ranks a b c, English b a c: P@1 = 0, P@2 = 1, P@3 = 1; weights e^2, e^1, e^0 over their sum
    e = np.e
    found = rank_consistency(np.array([[-1.0, -2.0, -3.0]]), np.array([[-2.0, -1.0, -3.0]]))
    assert found == pytest.approx([(e + 1) / (e**2 + e + 1)])
    assert (e + 1) / (e**2 + e + 1) == pytest.approx(0.334759, abs=1e-6)
    # the reverse of four: P@1 = P@2 = 0, P@3 = 2/3, P@4 = 1
    found = rank_consistency(np.array([[4.0, 3.0, 2.0, 1.0]]), np.array([[1.0, 2.0, 3.0, 4.0]]))
    assert found == pytest.approx([(e * 2 / 3 + 1) / (e**3 + e**2 + e + 1)])


def test_rankc_of_equal_rankings_is_one_and_the_scale_of_scores_does_not_matter() -> None:
    scores = np.random.default_rng(0).normal(size=(20, 5))
    assert rank_consistency(scores, 7 * scores - 100) == pytest.approx(np.ones(20))


@pytest.mark.parametrize("n", [2, 3, 4, 5, 9])
def test_rankc_is_the_direct_loops(n: int) -> None:
    rng = np.random.default_rng(n)
    here, there = rng.normal(size=(2, 30, n))
    want = [direct(np.argsort(-a).tolist(), np.argsort(-b).tolist()) for a, b in zip(here, there, strict=True)]
    assert rank_consistency(here, there) == pytest.approx(want)
    assert rank_consistency(there, here) == pytest.approx(want)


def test_options_that_tie_are_taken_in_every_order() -> None:
    rng = np.random.default_rng(1)
    here, there = rng.integers(0, 3, size=(2, 40, 4)).astype(float)
    want = [np.mean([direct(a, b) for a in orders(x) for b in orders(y)]) for x, y in zip(here, there, strict=True)]
    assert rank_consistency(here, there) == pytest.approx(want)


def rows(method: str, language: str, items: dict[str, list[float]]) -> pd.DataFrame:
    """Universal items of three options, of which the first is right, with their log-likelihoods."""
    return pd.DataFrame(
        [
            {
                "method": method, "axis": "universal", "cue": "none", "language": language, "item": name,
                "cluster": f"c{name}", "relation": "r", "option": index, "role": "wrong" if index else "right", "own": True,
                "languages": language, "text": f"{index}", "logp": value, "tokens": 1.0, "bytes": 1.0,
            }
            for name, values in items.items()
            for index, value in enumerate(values)
        ]
    )  # fmt: skip


A, B, C = [3.0, 2.0, 1.0], [2.0, 3.0, 1.0], [1.0, 3.0, 2.0]  # A right; B and C wrong, both prefer the second


def cells_of(table: pd.DataFrame) -> Cells:
    return Cells(table, Resampling.over({"universal": sorted(table["cluster"].unique())}, 300, 0))


def test_transfer_among_the_items_known_in_english_by_hand() -> None:
    english = rows("base", "en", {"1": A, "2": A, "3": B, "4": A, "5": C})  # knows 1, 2, 4
    base = rows("base", "es", {"1": A, "2": C, "3": A, "4": C})  # of 1, 2, 4 one
    steered = rows("en", "es", {"1": A, "2": A, "3": B, "4": C})  # two
    table = beside_english(pd.concat([base, steered]), english, english, "sum")
    found = consistency_table(cells_of(table), {"base": ["base"], "en": ["en"]}).set_index(["method", "language"])
    assert found.loc[("base", "es"), "transfer_given_en"] == pytest.approx(1 / 3)
    assert found.loc[("en", "es"), "transfer_given_en"] == pytest.approx(2 / 3)
    assert found.loc[("en", "es"), "d_transfer_given_en"] == pytest.approx(1 / 3)
    assert found.loc[("en", "macro"), "d_transfer_given_en"] == pytest.approx(1 / 3)
    assert (found["n_known"] == 3).all()
    assert (found["n"] == 4).all()
    assert found["english"].to_numpy() == pytest.approx(3 / 4)  # of the items that are asked in es
    same, swapped = 1.0, direct([0, 1, 2], [1, 2, 0])
    assert found.loc[("base", "es"), "rankc"] == pytest.approx(
        np.mean([same, swapped, direct([0, 1, 2], [1, 0, 2]), swapped])
    )
    assert found.loc[("en", "es"), "rankc"] == pytest.approx(np.mean([same, same, same, swapped]))


def test_known_is_the_base_models_and_rankings_are_compared_with_the_models_own_english() -> None:
    english = rows("base", "en", {"1": A, "2": B})
    own = rows("base", "en", {"1": C, "2": C})
    table = beside_english(rows("mine", "es", {"1": C, "2": C}), english, own, "sum")
    assert table["known"].tolist() == [1.0, 0.0]
    assert table["rankc"].tolist() == pytest.approx([1.0, 1.0])


def test_macro_is_the_mean_of_the_languages_and_nothing_known_is_nan() -> None:
    english = rows("base", "en", {"1": A, "2": A, "3": B})
    es, ko = rows("base", "es", {"1": A, "2": C, "3": C}), rows("base", "ko", {"1": A, "3": A})
    cells = cells_of(beside_english(pd.concat([es, ko]), english, english, "sum"))
    assert given_english(cells, ["base"], "macro").estimate == pytest.approx((1 / 2 + 1) / 2)
    lost = rows("base", "ko", {"3": A})
    cells = cells_of(beside_english(lost, english, english, "sum"))
    assert np.isnan(given_english(cells, ["base"], "ko").estimate)


def test_bounds_are_those_of_draws_made_by_hand() -> None:
    rng = np.random.default_rng(2)
    names = [str(i) for i in range(30)]
    english = rows("base", "en", {name: [A, B][rng.integers(2)] for name in names})
    here = rows("base", "es", {name: [A, B][rng.integers(2)] for name in names})
    table = beside_english(here, english, english, "sum")
    resampling = Resampling.over({"universal": sorted(table["cluster"])}, 300, 0)
    found = given_english(Cells(table, resampling), ["base"], "es")
    place = {cluster: i for i, (_, cluster) in enumerate(resampling.clusters)}
    order = [place[cluster] for cluster in table["cluster"]]
    weights = resampling.weights[:, order]
    draws = (weights @ table["known_right"].to_numpy()) / (weights @ table["known"].to_numpy())
    assert found.estimate == pytest.approx(table["known_right"].sum() / table["known"].sum())
    assert found.lo < np.quantile(draws, 0.025) + 1e-9
    assert np.quantile(draws, 0.001) <= found.lo
    assert np.quantile(draws, 0.975) - 1e-9 < found.hi <= np.quantile(draws, 0.999)


def test_a_run_scores_english_and_its_table_follows_from_the_files(counted_run: CountedRun) -> None:
    folder = counted_run.folder
    english = pd.read_parquet(folder / "scores" / "english.parquet")
    assert set(english["method"]) == {"base"}
    assert set(english["language"]) == {"en"}
    table = pd.read_csv(folder / "consistency.csv").set_index(["method", "language"])
    ranked = {item: _options(options) for item, options in english.groupby("item")}
    for method in ("base", "en", "loc", "surgical"):
        scores = pd.read_parquet(folder / "scores" / f"{method}.parquet")
        asked = scores.query("axis == 'universal' and own and option >= 0")
        right, rankings, known = [], [], []
        for item, options in asked.groupby("item"):
            here, there = _options(options), ranked[item]
            known.append(there[1])
            if there[1]:
                right.append(here[1])
            rankings.append(direct(here[0], there[0]))
        assert table.loc[(method, "el"), "transfer_given_en"] == pytest.approx(np.mean(right), abs=1e-5)
        assert table.loc[(method, "el"), "rankc"] == pytest.approx(np.mean(rankings), abs=1e-5)
        assert table.loc[(method, "el"), "english"] == pytest.approx(np.mean(known), abs=1e-5)
    plane = pd.read_csv(folder / "plane.csv")
    assert list(table.index.get_level_values("method").unique()) == list(plane["method"].unique())
    for name in ("transfer_given_en", "rankc", "d_rankc"):
        assert (table[f"{name}_lo"] <= table[name] + 1e-9).all()
        assert (table[name] <= table[f"{name}_hi"] + 1e-9).all()
    told = json.loads((folder / "manifest.json").read_text())["checks"]["consistency"][0]
    assert f"{table.loc[('base', 'macro'), 'transfer_given_en']:.3f} [" in told


def _options(options: pd.DataFrame) -> tuple[list[int], bool]:
    """Options, best first, and whether the best is right."""
    best = options.assign(value=options["logp"] / options["bytes"]).sort_values("value", ascending=False)
    return best["option"].tolist(), best["role"].iloc[0] == "right"


def test_english_is_every_test_item_scored_as_the_slow_path_scores_it(counted_run: CountedRun) -> None:
    study = prepare(counted_run.config)
    english = pd.read_parquet(counted_run.folder / "scores" / "english.parquet")
    items = {item.key: item for item in study.universal_items("test")}
    assert set(english["item"]) == set(items)
    tasks = study.universal_tasks("en", "test", everywhere=True)[:5]
    found = score(study.loaded.model, [task.prompt for task in tasks], engine="reference")
    for number, task in enumerate(tasks):
        kept = english[english["item"] == task.prompt.item].sort_values("option")
        assert kept["logp"].to_numpy() == pytest.approx(found.of(number), abs=1e-4)
        assert kept["text"].tolist() == [option["en"] for option in items[task.prompt.item].options]
