"""The plane, on score tables whose answers are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from interp.names import MACRO
from interp.plane import Cells, Resampling, contrast, estimate, localization_chance, outcomes, pareto, points
from interp.plane._fronts import hypervolume


def option(method, axis, cue, language, item, cluster, index, role, written, text, logp):
    return {
        "method": method, "axis": axis, "cue": cue, "language": language, "item": item, "cluster": cluster, "relation": "r", "option": index,
        "role": role, "own": language == written, "languages": written, "text": text, "logp": logp, "tokens": 1.0, "bytes": float(len(text.encode())),
    }  # fmt: skip


def universal_rows(method: str, item: str, logps: dict[str, float], language: str = "ko", cluster: str = "c"):
    """Options a (right), b, c in the language, with English twins and one further candidate."""
    rows = []
    for index, name in enumerate("abc"):
        role = "right" if name == "a" else "wrong"
        rows.append(
            option(method, "universal", "none", language, item, cluster, index, role, language, f"{name}x", logps[name])
        )
        rows.append(
            option(
                method, "universal", "none", language, item, cluster, index, role, "en", f"{name}e", logps[name + "e"]
            )
        )
    rows.append(
        option(method, "universal", "none", language, item, cluster, -1, "candidate", language, "zx", logps["z"])
    )
    return rows


def found(table: pd.DataFrame, method: str, metric: str) -> float:
    return float(table[table["method"] == method][metric].mean())


BASE = {"a": -1, "b": -2, "c": -3, "ae": -5, "be": -4, "ce": -6, "z": -9}


def test_transfer_found_and_language() -> None:
    table = outcomes(pd.DataFrame(universal_rows("base", "i", BASE)), "sum")
    assert found(table, "base", "transfer") == 1
    assert found(table, "base", "transfer_found") == 0
    assert found(table, "base", "transfer_all") == 1
    assert found(table, "base", "answer_language") == 1


def test_an_english_answer_is_not_in_the_asked_language() -> None:
    table = outcomes(pd.DataFrame(universal_rows("base", "i", BASE | {"be": 0.0})), "sum")
    assert found(table, "base", "answer_language") == 0
    assert found(table, "base", "transfer") == 1


def test_another_answer_of_the_relation_counts_in_transfer_all_alone() -> None:
    table = outcomes(pd.DataFrame(universal_rows("base", "i", BASE | {"z": 0.0})), "sum")
    assert found(table, "base", "transfer") == 1
    assert found(table, "base", "transfer_all") == 0
    assert found(table, "base", "answer_language") == 1


def cultural_rows(
    method: str, item: str, logps: dict[str, float], cue: str = "none", language: str = "ko", cluster: str = "t"
):
    roles = {"l": "local", "u": "reference", "o": "other"}
    return [
        option(method, "cultural", cue, language, item, cluster, i, roles[k], language, f"{k}x", logps[k])
        for i, k in enumerate("luo")
    ]


def test_localization_bias_and_preference() -> None:
    rows = universal_rows("base", "u", BASE)
    rows += cultural_rows("base", "a", {"l": -1, "u": -3, "o": -5}) + cultural_rows(
        "base", "b", {"l": -4, "u": -3, "o": -5}
    )
    rows += cultural_rows("base", "b", {"l": -1, "u": -3, "o": -5}, cue="explicit")
    table = outcomes(pd.DataFrame(rows), "sum")
    assert found(table, "base", "localization") == 0.5
    assert found(table, "base", "us_bias") == 0.5
    assert found(table, "base", "preference") == pytest.approx((2 - 1) / 2)
    assert found(table, "base", "explicit_localization") == 1


def test_normalisation_by_bytes_changes_the_choice() -> None:
    rows = universal_rows("base", "u", BASE)
    rows[0]["logp"], rows[0]["bytes"] = -8.0, 8.0
    rows[2]["logp"], rows[2]["bytes"] = -4.0, 2.0
    assert found(outcomes(pd.DataFrame(rows), "sum"), "base", "transfer") == 0
    assert found(outcomes(pd.DataFrame(rows), "bytes"), "base", "transfer") == 1


def random_table(
    effect: float, seed: int, languages=("ko", "es"), n_clusters: int = 40, per_cluster: int = 3
) -> pd.DataFrame:
    """Paired outcomes with item effects that the languages share."""
    rng = np.random.default_rng(seed)
    rows = []
    for c in range(n_clusters):
        shared = rng.normal()
        for i in range(per_cluster):
            for language in languages:
                ease = shared + rng.normal()
                for method, gain in (("base", 0.0), ("en", effect)):
                    rows.append({"method": method, "axis": "universal", "cue": "none", "language": language,
                                 "item": f"{c}-{i}", "cluster": f"c{c}", "transfer": float(ease + gain + 0.3 * rng.normal() > 0)})  # fmt: skip
    return pd.DataFrame(rows)


def cells(table: pd.DataFrame, seed: int = 0, n_draws: int = 400) -> Cells:
    return Cells(table, Resampling.over({"universal": table["cluster"].unique(), "cultural": ["t"]}, n_draws, seed))


def test_macro_is_the_mean_of_the_languages() -> None:
    table = random_table(0.5, 0)
    made = cells(table)
    expected = table[table["method"] == "en"].groupby("language")["transfer"].mean().mean()
    assert estimate(made, ["en"], MACRO, "transfer").estimate == pytest.approx(expected)


def test_a_language_alone_gets_the_same_row_as_with_others() -> None:
    table = random_table(0.5, 1)
    clusters = table["cluster"].unique()
    both = Cells(table, Resampling.over({"universal": clusters, "cultural": ["t"]}, 400, 0))
    alone = Cells(table[table["language"] == "es"], Resampling.over({"universal": clusters, "cultural": ["t"]}, 400, 0))
    for minus in (None, "base"):
        assert estimate(both, ["en"], "es", "transfer", minus) == estimate(alone, ["en"], "es", "transfer", minus)


def test_contrast_finds_an_effect_and_its_absence() -> None:
    assert contrast(cells(random_table(1.0, 2)), "transfer", "en", "base")["p"] < 0.01
    p = [contrast(cells(random_table(0.0, seed), n_draws=50), "transfer", "en", "base")["p"] for seed in range(40)]
    assert np.mean(np.array(p) < 0.05) <= 0.15


def test_points_have_the_promised_columns() -> None:
    table = random_table(0.5, 3)
    for metric in (
        "transfer_specific",
        "transfer_sensitive",
        "transfer_found",
        "localization",
        "explicit_localization",
        "us_bias",
        "preference",
        "answer_language",
    ):
        table[metric] = np.nan
    row = points(cells(table), {"base": ["base"], "en": ["en"]}, {"ko": "KR", "es": "ES"}, 0.25)
    assert row["language"].tolist() == ["ko", "es", "macro"] * 2
    assert row["culture"].tolist() == ["KR", "ES", ""] * 2
    assert row["n_universal"].tolist() == [120, 120, 240] * 2
    base = row[row["method"] == "base"]
    assert (base["d_transfer"] == 0).all()


def test_a_controls_row_is_the_median_of_its_draws() -> None:
    parts = [random_table(0.0, 5)[lambda t: t["method"] == "base"]]
    for name, effect in (("r0", 0.0), ("r1", 0.4), ("r2", 3.0)):
        made = random_table(effect, 5)
        parts.append(made[made["method"] == "en"].assign(method=name))
    made = cells(pd.concat(parts))
    single = [estimate(made, [m], MACRO, "transfer").estimate for m in ("r0", "r1", "r2")]
    assert estimate(made, ["r0", "r1", "r2"], MACRO, "transfer").estimate == pytest.approx(sorted(single)[1])


def test_pareto_and_hypervolume() -> None:
    table = np.array([[0.5, 0.5], [0.6, 0.4], [0.4, 0.4], [0.3, 0.9]])
    assert pareto(table).tolist() == [True, True, False, True]
    assert hypervolume(table, (0.0, 0.0)) == pytest.approx(0.6 * 0.4 + 0.5 * 0.1 + 0.3 * 0.4)
    assert hypervolume(np.array([[0.5, 0.5]]), (0.6, 0.0)) == 0


def test_chance_of_localization_is_that_of_the_options_asked() -> None:
    rows = [
        {"own": own, "option": k, "cue": cue, "axis": axis, "language": language, "item": item}
        for axis, cue, language, item, n, own in (
            ("cultural", "none", "es", "a", 2, True), ("cultural", "none", "es", "b", 4, True),
            ("cultural", "none", "ko", "a", 2, True), ("cultural", "explicit", "es", "a", 5, True),
            ("universal", "none", "es", "c", 3, True), ("cultural", "none", "ko", "a", 7, False),
        )
        for k in range(n)
    ]  # fmt: skip
    rows.append(rows[0] | {"option": -1})
    assert localization_chance(pd.DataFrame(rows)) == pytest.approx((1 / 2 + 1 / 4 + 1 / 2) / 3)
