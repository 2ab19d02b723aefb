"""What a trained model lost and gets back, on outcomes whose answers are counted by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from interp.names import MACRO
from interp.plane import Cells, Resampling, erasure_table
from probes import expanded_level, holm
from probes._student import student_deviate

KO = {
    "base": "1110", "loc": "1111", "wrong_culture": "1100", "m": "0010", "m+loc": "1011", "m+wrong_culture": "0110",
}  # fmt: skip
ES = {
    "base": "1100", "loc": "1100", "wrong_culture": "1100", "m": "0100", "m+loc": "0110", "m+wrong_culture": "0100",
}  # fmt: skip
CUED = {"ko": {"base": "1111", "m": "1011"}, "es": {"base": "1110", "m": "1100"}}
PREFERENCE = {"base": 2.0, "m": 0.5}


def rows_of(implicit: dict[str, dict[str, str]]) -> pd.DataFrame:
    """Outcomes of items a, b, c, d, each a cluster, from strings of right (1) and wrong (0)."""
    rows: list[dict[str, Any]] = []
    for language, methods in implicit.items():
        for method, answers in methods.items():
            for item, right in zip("abcd", answers, strict=True):
                row = {"method": method, "axis": "cultural", "language": language, "item": item, "cluster": item}
                rows.append(
                    row | {"cue": "none", "localization": float(right), "preference": PREFERENCE.get(method, 0.0)}
                )
        for method, answers in CUED[language].items():
            for item, right in zip("abcd", answers, strict=True):
                row = {"method": method, "axis": "cultural", "language": language, "item": item, "cluster": item}
                rows.append(row | {"cue": "explicit", "explicit_localization": float(right)})
    return pd.DataFrame(rows)


def cells_of(table: pd.DataFrame, n_draws: int = 300) -> Cells:
    return Cells(table, Resampling.over({"cultural": table["cluster"].tolist()}, n_draws, 0))


def row_of(table: pd.DataFrame, language: str, method: str = "trained") -> dict[str, Any]:
    (row,) = table[(table["language"] == language) & (table["method"] == method)].to_dict("records")
    return row


@pytest.fixture(scope="module")
def by_hand() -> pd.DataFrame:
    return erasure_table(cells_of(rows_of({"ko": KO, "es": ES})), {"trained": ["m"]}, seed=0)


EXPECTED = {
    "localization_base": (0.75, 0.5, 0.625),
    "localization_trained": (0.25, 0.25, 0.25),
    "erasure": (0.5, 0.25, 0.375),
    "knowledge_lost": (0.25, 0.25, 0.25),
    "preference_lost": (1.5, 1.5, 1.5),
    "recovered": (0.5, 0.25, 0.375),
    "recovered_base": (0.25, 0.0, 0.125),
    "recoverable": (0.25, 0.25, 0.25),
    "recovered_wrong": (0.25, 0.0, 0.125),
    "recovered_base_wrong": (-0.25, 0.0, -0.125),
    "recoverable_wrong": (0.5, 0.0, 0.25),
    "recoverable_over_wrong": (-0.25, 0.25, 0.0),
    "n_lost": (2, 1, 3),
    "n_never": (1, 2, 3),
    "returned": (0.5, 0.0, 1 / 3),
    "returned_wrong": (0.5, 0.0, 1 / 3),
    "returned_over_wrong": (0.0, 0.0, 0.0),
    "returned_cue": (0.5, 1.0, 2 / 3),
    "gained": (1.0, 0.5, 2 / 3),
}
"""In ko, in es, and macro: the mean of the two, but over all pairs in what goes pair by pair."""


@pytest.mark.parametrize("column", EXPECTED)
def test_every_quantity_is_what_is_counted_by_hand(by_hand: pd.DataFrame, column: str) -> None:
    found = [row_of(by_hand, language)[column] for language in ("ko", "es", MACRO)]
    assert found == pytest.approx(list(EXPECTED[column]), abs=1e-12)


def test_bounds_hold_their_estimates_and_p_is_one_of_sixteen_signs(by_hand: pd.DataFrame) -> None:
    for column in EXPECTED:
        if f"{column}_lo" in by_hand:
            known = by_hand[by_hand[f"{column}_lo"].notna()]
            assert (known[f"{column}_lo"] <= known[column] + 1e-12).all()
            assert (known[column] <= known[f"{column}_hi"] + 1e-12).all()
    # ko: two of four clusters differ, both the same way: half of all sign flips reach as far on either side.
    assert row_of(by_hand, "ko")["erasure_p"] == pytest.approx(0.5)
    assert row_of(by_hand, "es")["erasure_p"] == pytest.approx(1.0)


def test_bounds_are_nan_where_all_lost_pairs_lie_in_one_cluster(by_hand: pd.DataFrame) -> None:
    assert np.isnan([row_of(by_hand, "es")[f"returned_{end}"] for end in ("lo", "hi")]).all()
    assert not np.isnan([row_of(by_hand, "ko")[f"returned_{end}"] for end in ("lo", "hi")]).any()


def test_no_pair_lost_gives_no_share() -> None:
    same = {name: answers if "+" in name else KO["base"] for name, answers in KO.items()}
    row = row_of(erasure_table(cells_of(rows_of({"ko": same})), {"trained": ["m"]}, seed=0), "ko")
    assert row["n_lost"] == 0
    assert row["erasure"] == row["erasure_lo"] == row["erasure_hi"] == 0
    assert all(np.isnan(row[f"returned{end}"]) for end in ("", "_lo", "_hi", "_wrong", "_cue"))
    assert row["gained"] == 1.0


def tied(shares: dict[str, dict[str, list[float]]]) -> pd.DataFrame:
    """Outcomes of items whose options tie: method -> each item's share, implicit; all are right behind the cue."""
    rows: list[dict[str, Any]] = []
    for method, values in shares["ko"].items():
        for item, share in zip("abcd", values, strict=True):
            row = {"method": method, "axis": "cultural", "language": "ko", "item": item, "cluster": item}
            rows.append(row | {"cue": "none", "localization": share, "preference": 0.0})
            if method in ("base", "m"):
                rows.append(row | {"cue": "explicit", "explicit_localization": 1.0})
    return pd.DataFrame(rows)


def test_pairs_whose_options_tie_count_by_shares() -> None:
    """a: half lost, nothing back; b: half lost, half of that back; c: all lost, all back; d: never there, a third won."""
    shares = {
        "base": [1.0, 1.0, 1.0, 0.0], "m": [0.5, 0.5, 0.0, 0.0], "m+loc": [0.5, 0.75, 1.0, 1 / 3],
        "loc": [1.0, 1.0, 1.0, 0.0], "wrong_culture": [1.0, 1.0, 1.0, 0.0], "m+wrong_culture": [0.25, 0.5, 0.0, 0.0],
    }  # fmt: skip
    row = row_of(erasure_table(cells_of(tied({"ko": shares})), {"trained": ["m"]}, seed=0), "ko")
    assert row["erasure"] == pytest.approx(2.0 / 4)
    assert (row["n_lost"], row["n_never"]) == (2.0, 1.0)
    assert row["returned"] == pytest.approx(1.25 / 2)
    assert row["returned_wrong"] == 0
    assert row["returned_cue"] == 1
    assert row["gained"] == pytest.approx(1 / 3)


def test_models_with_the_same_ties_lose_nothing() -> None:
    half = [0.5, 0.25, 1.0, 0.0]
    names = ("base", "m", "m+loc", "loc", "wrong_culture", "m+wrong_culture")
    row = row_of(erasure_table(cells_of(tied({"ko": dict.fromkeys(names, half)})), {"trained": ["m"]}, seed=0), "ko")
    assert (row["erasure"], row["n_lost"], row["n_never"]) == (0.0, 0.0, 2.25)
    assert np.isnan(row["returned"])
    assert row["gained"] == 0


@pytest.mark.parametrize("plan", ["loc", "wrong_culture"])
def test_a_plan_that_is_lacking_leaves_its_columns_nan_and_the_others_as_they_were(
    by_hand: pd.DataFrame, plan: str
) -> None:
    table = rows_of({"ko": KO, "es": ES})
    without = erasure_table(cells_of(table[~table["method"].str.endswith(plan)]), {"trained": ["m"]}, seed=0)
    own = {
        "loc": ("recovered", "recovered_base", "recoverable", "recoverable_over_wrong", "recoverable_p", "returned",
                "returned_over_wrong", "gained"),
        "wrong_culture": ("recovered_wrong", "recovered_base_wrong", "recoverable_wrong", "recoverable_over_wrong",
                          "returned_wrong", "returned_over_wrong"),
    }[plan]  # fmt: skip
    gone = {f"{name}{end}" for name in own for end in ("", "_lo", "_hi")} & set(without)
    if plan == "loc":
        gone |= {name for name in without if "joint" in name}
    assert without[sorted(gone)].isna().all(axis=None)
    kept = [name for name in by_hand if name not in gone]
    pd.testing.assert_frame_equal(without[kept], by_hand[kept])


def test_a_plan_that_one_language_lacks_is_nan_there_and_in_macro() -> None:
    some = {name: answers for name, answers in ES.items() if "wrong" not in name}
    table = erasure_table(cells_of(rows_of({"ko": KO, "es": some})), {"trained": ["m"]}, seed=0)
    found = [row_of(table, language)["recoverable_wrong"] for language in ("ko", "es", MACRO)]
    assert found[0] == 0.5
    assert np.isnan(found[1:]).all()


def test_models_that_are_lacking_or_scored_on_other_items_are_refused() -> None:
    table = rows_of({"ko": KO, "es": ES})
    with pytest.raises(ValueError, match="lack the methods \\['n'\\]"):
        erasure_table(cells_of(table), {"trained": ["m", "n"]}, seed=0)
    with pytest.raises(ValueError, match="one or more members"):
        erasure_table(cells_of(table), {"trained": []}, seed=0)
    for method in ("m", "m+loc"):
        fewer = table[~((table["method"] == method) & (table["language"] == "es") & (table["item"] == "a"))]
        with pytest.raises(ValueError, match="other cultural items"):
            erasure_table(cells_of(fewer), {"trained": ["m"]}, seed=0)


def random_outcomes(seed: int = 0) -> pd.DataFrame:
    """Two trained methods, one of two seeds, with plans, in two languages; items of a cluster resemble each other."""
    rng = np.random.default_rng(seed)
    ease = {"base": 0.6, "loc": 1.0, "wrong_culture": 0.5}
    for member, own in (("a-0", -0.4), ("a-1", -0.2), ("b", 0.2)):
        ease |= {member: own, f"{member}+loc": own + 0.9, f"{member}+wrong_culture": own + 0.1}
    rows: list[dict[str, Any]] = []
    for cluster in range(12):
        shared = rng.normal()
        for item in range(int(rng.integers(1, 5))):
            for language in ("ko", "es"):
                hard = shared + rng.normal()
                for method, gain in ease.items():
                    key = {"method": method, "axis": "cultural", "language": language, "item": f"{cluster}-{item}", "cluster": f"c{cluster}"}  # fmt: skip
                    right = float(gain + hard + 0.5 * rng.normal() > 0)
                    rows.append(key | {"cue": "none", "localization": right, "preference": gain + rng.normal()})
                    if "+" not in method:
                        cued = float(gain + hard + 0.8 > 0)
                        rows.append(key | {"cue": "explicit", "explicit_localization": cued})
    return pd.DataFrame(rows)


TRAINED = {"a": ["a-0", "a-1"], "b": ["b"]}


def test_members_are_averaged_and_holm_counts_the_methods_of_a_language() -> None:
    cells = cells_of(random_outcomes())
    table = erasure_table(cells, TRAINED, seed=0)
    alone = erasure_table(cells, {name: [name] for name in ("a-0", "a-1")}, seed=0)
    for language in ("ko", "es", MACRO):
        seeds = [row_of(alone, language, name) for name in ("a-0", "a-1")]
        row = row_of(table, language, "a")
        for column in ("erasure", "knowledge_lost", "recoverable", "recoverable_over_wrong", "returned", "gained"):
            assert row[column] == pytest.approx(np.mean([one[column] for one in seeds])), column
        assert row["n_lost"] == sum(one["n_lost"] for one in seeds)
        rows = table[table["language"] == language]
        np.testing.assert_allclose(rows["erasure_p_holm"], holm(rows["erasure_p"].to_numpy()))
        for column in ("erasure", "preference_lost", "recovered", "recoverable", "recoverable_wrong"):
            macro = np.mean([row_of(table, code, "a")[column] for code in ("ko", "es")])
            assert row_of(table, MACRO, "a")[column] == pytest.approx(macro), column


def test_rows_in_another_order_change_nothing() -> None:
    outcomes = random_outcomes()
    first = erasure_table(cells_of(outcomes), TRAINED, seed=0)
    second = erasure_table(cells_of(outcomes.sample(frac=1, random_state=1)), TRAINED, seed=0)
    keys = ["method", "language"]
    pd.testing.assert_frame_equal(
        first.sort_values(keys, ignore_index=True), second.sort_values(keys, ignore_index=True), rtol=1e-12
    )


def slow(outcomes: pd.DataFrame, members: list[str], language: str) -> dict[str, float]:
    """The quantities of one method and language by means over rows."""
    codes = ["ko", "es"] if language == MACRO else [language]

    def mean(method: str, metric: str = "localization") -> float:
        asked = outcomes[outcomes["method"] == method]
        return float(np.mean([asked[asked["language"] == code][metric].mean() for code in codes]))

    def over_members(plan: str) -> float:
        return float(np.mean([mean(member + plan) for member in members]))

    returned = []
    for member in members:
        implicit = outcomes[(outcomes["cue"] == "none") & outcomes["language"].isin(codes)]
        wide = implicit.pivot_table(
            index=["copy", "language", "item"], columns="method", values="localization", observed=True
        )
        lost = wide[(wide["base"] == 1) & (wide[member] == 0)]
        if len(lost):
            returned.append(lost[f"{member}+loc"].mean())
    recoverable = over_members("+loc") - over_members("") - mean("loc") + mean("base")
    return {
        "erasure": mean("base") - over_members(""),
        "recoverable": recoverable,
        "knowledge_lost": mean("base", "explicit_localization")
        - float(np.mean([mean(member, "explicit_localization") for member in members])),
        "recoverable_over_wrong": recoverable
        - (over_members("+wrong_culture") - over_members("") - mean("wrong_culture") + mean("base")),
        "returned": float(np.mean(returned)) if returned else np.nan,
    }


def measured(outcomes: pd.DataFrame, metric: str, language: str) -> int:
    """Clusters in which every method has a value of the metric."""
    rows = outcomes[
        outcomes[metric].notna() & outcomes["language"].isin(["ko", "es"] if language == MACRO else [language])
    ]
    methods = rows.groupby("cluster")["method"].nunique()
    return int((methods == rows["method"].nunique()).sum())


def with_lost(outcomes: pd.DataFrame, language: str) -> int:
    """Clusters in which a member of the method gets wrong what base gets right."""
    codes = ["ko", "es"] if language == MACRO else [language]
    asked = outcomes[(outcomes["cue"] == "none") & outcomes["language"].isin(codes)]
    wide = asked.pivot_table(index=["cluster", "language", "item"], columns="method", values="localization")
    lost = (wide[TRAINED["a"]] == 0).any(axis=1) & (wide["base"] == 1)
    return int(lost[lost].index.get_level_values("cluster").nunique())


@pytest.mark.parametrize("language", ["es", MACRO])
def test_bounds_are_those_of_a_slow_bootstrap_that_repeats_rows(language: str) -> None:
    outcomes = random_outcomes(3)
    cells = cells_of(outcomes, n_draws=40)
    row = row_of(erasure_table(cells, TRAINED, seed=0), language, "a")
    clusters = [cluster for _, cluster in cells.resampling.clusters]
    draws = []
    for weights in cells.resampling.weights:
        parts = [
            outcomes[outcomes["cluster"] == cluster].assign(copy=copy)
            for cluster, times in zip(clusters, weights, strict=True)
            for copy in range(times)
        ]
        draws.append(slow(pd.concat(parts), TRAINED["a"], language))
    estimates, table = slow(outcomes.assign(copy=0), TRAINED["a"], language), pd.DataFrame(draws)
    for column, estimate in estimates.items():
        assert row[column] == pytest.approx(estimate), column
        metric = "explicit_localization" if column == "knowledge_lost" else "localization"
        number = with_lost(outcomes, language) if column == "returned" else measured(outcomes, metric, language)
        level = expanded_level(number)
        bounds = np.nanquantile(table[column], [(1 - level) / 2, (1 + level) / 2])
        assert [row[f"{column}_lo"], row[f"{column}_hi"]] == pytest.approx(bounds.tolist()), column
    both = ["erasure", "recoverable"]
    far = [max(abs(d[c] - estimates[c]) / table[c].std(ddof=0) for c in both) for d in draws]
    for column in both:
        number = measured(outcomes, "localization", language)
        reach = student_deviate(np.quantile(far, 0.95), number) * table[column].std(ddof=0)
        found = [row[f"{column}_joint_lo"], row[f"{column}_joint_hi"]]
        assert found == pytest.approx([estimates[column] - reach, estimates[column] + reach])
