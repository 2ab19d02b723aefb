"""Headroom with known numbers: paired by item, shown or not, and the share of it that steering recovers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap

from figures import RunTables
from figures.report._page import report_html
from interp.plane import Cells, Resampling, macro_sentences, outcomes, verdict_table, with_neither
from interp.study.search import (
    base_cells,
    headroom_lines,
    headroom_notes,
    headroom_table,
    recovered_table,
    with_headroom,
)
from interp.study.search._headroom import METRICS, NO_BOUND, recovered
from probes._intervals import expanded_level
from tests.study.conftest import CountedRun

Hits = Sequence[float]
"""Of every item the share of the choice on the right option: 1, 0.5 (a tie) or 0; NaN: not asked."""


def scores(
    axis: str, language: str, hits: Hits, *, cue: str = "none", method: str = "base", else_us: bool = True
) -> pd.DataFrame:
    """Scores of items with four options; where the right one is not chosen it is the US's, or else another."""
    right = "right" if axis == "universal" else "local"
    roles = [right, "wrong" if axis == "universal" else "reference", "other", "other"]
    rows = []
    for item, hit in enumerate(hits):
        if np.isnan(hit):
            continue
        wrong = 1 if else_us else 2
        best = {1.0: (0,), 0.5: (0, wrong), 0.0: (wrong,)}[hit]
        rows += [
            {"method": method, "axis": axis, "cue": cue, "language": language, "item": f"{axis}{item}",
             "cluster": f"c{item}", "relation": "", "option": index, "role": role, "own": True, "languages": language,
             "text": f"{role}{index}", "logp": -1.0 if index in best else -5.0, "tokens": 1.0, "bytes": 1.0}
            for index, role in enumerate(roles)
        ]  # fmt: skip
    return pd.DataFrame(rows)


def resampling(n: int, draws: int = 400) -> Resampling:
    clusters = [f"c{item}" for item in range(n)]
    return Resampling.over({"universal": clusters, "cultural": clusters}, draws, 0)


def cells_of(
    english: Hits, universal: Mapping[str, Hits], implicit: Mapping[str, Hits], explicit: Mapping[str, Hits],
    steered: Mapping[str, Mapping[str, Hits]] | None = None, draws: int = 400,
) -> Cells:  # fmt: skip
    """Cells of base; `steered` has hits of the method `m` per axis and language."""
    parts = [scores("universal", code, hits) for code, hits in universal.items()]
    parts += [scores("cultural", code, hits) for code, hits in implicit.items()]
    parts += [scores("cultural", code, hits, cue="explicit") for code, hits in explicit.items()]
    parts += [
        scores(axis, code, hits, method="m")
        for axis, by_language in (steered or {}).items()
        for code, hits in by_language.items()
    ]
    return base_cells(pd.concat(parts), scores("universal", "en", english), "sum", resampling(len(english), draws))


NAN = float("nan")
ENGLISH = [1, 1, 1, 1, 1, 1, 0, 0]
SPANISH = [1, 1, 0, 0, 0, 0, 1, 0]
KOREAN = [1, 0, 0, 0, NAN, NAN, NAN, NAN]
"""Asked half of the questions, all of which English gets right."""


def two_languages() -> pd.DataFrame:
    cells = cells_of(
        ENGLISH,
        {"es": SPANISH, "ko": KOREAN},
        {"es": [1, 0, 0, 0, 0, 0, 0, 0], "ko": [1, 1, 0, 0, NAN, NAN, NAN, NAN]},
        {"es": [1, 1, 1, 1, 0, 0, NAN, NAN], "ko": [1, 1, 0, 0, 1, 1, NAN, NAN]},
    )
    return headroom_table(cells).set_index("language")


def test_every_column_has_its_known_value_and_pairs_are_of_the_same_items() -> None:
    table = two_languages()
    known = {
        "transfer_english": (6 / 8, 1.0), "transfer": (3 / 8, 1 / 4), "headroom_transfer": (3 / 8, 3 / 4),
        "localization": (1 / 8, 2 / 4), "explicit_localization": (4 / 6, 4 / 6),
        "headroom_localization": (3 / 6, 0.0),  # of the items with and without a cue: 4/6 - 1/6, and 2/4 - 2/4
        "us_bias": (7 / 8, 2 / 4), "neither": (0.0, 0.0), "chance_effective": (0.5, 0.5),
        "n_universal": (8, 4), "n_cultural": (6, 4),
    }  # fmt: skip
    for column, (es, ko) in known.items():
        assert table.loc["es", column] == pytest.approx(es), column
        assert table.loc["ko", column] == pytest.approx(ko), column
        mean = es + ko if column.startswith("n_") else (es + ko) / 2
        assert table.loc["macro", column] == pytest.approx(mean), column
    for column in METRICS:
        assert (table[f"{column}_lo"] <= table[column] + 1e-12).all()
        assert (table[column] <= table[f"{column}_hi"] + 1e-12).all()


def test_the_headroom_is_paired_so_that_one_that_no_item_changes_has_no_width() -> None:
    english, here = [1, 1, 0.5, 0.5, 1, 0.5], [0.5, 0.5, 0, 0, 0.5, 0]
    table = headroom_table(cells_of(english, {"es": here}, {"es": here}, {"es": english})).set_index("language")
    for axis in ("transfer", "localization"):
        row = table.loc["es", [f"headroom_{axis}", f"headroom_{axis}_lo", f"headroom_{axis}_hi"]]
        assert row.tolist() == pytest.approx([0.5, 0.5, 0.5])
        assert table.loc["es", f"{axis}_hi"] > table.loc["es", f"{axis}_lo"]


def test_intervals_are_those_of_the_items_own_differences() -> None:
    weights = resampling(8).weights[:, :8].astype(float)
    gaps = np.array(ENGLISH) - np.array(SPANISH)
    level = expanded_level(8)
    expected = np.quantile(weights @ gaps / weights.sum(axis=1), [(1 - level) / 2, (1 + level) / 2])
    row = two_languages().loc["es"]
    assert [row["headroom_transfer_lo"], row["headroom_transfer_hi"]] == pytest.approx(expected.tolist())


def test_options_that_are_neither_lower_the_effective_chance() -> None:
    table = pd.concat(
        [scores("universal", "es", [1, 0]), scores("cultural", "es", [1, 0], else_us=False),
         scores("cultural", "es", [1, 1], cue="explicit")]
    )  # fmt: skip
    cells = base_cells(table, scores("universal", "en", [1, 1]), "sum", resampling(2))
    row = headroom_table(cells).set_index("language").loc["es"]
    assert (row["us_bias"], row["neither"], row["chance_effective"]) == (0.0, 0.5, 0.25)


def test_only_base_rows_have_a_headroom_and_other_columns_stay() -> None:
    table = pd.concat([scores("universal", "es", [1, 0]), scores("universal", "es", [0, 1], method="m")])
    found = outcomes(table, "sum")
    more = with_headroom(found, scores("universal", "en", [1, 1]), "sum")
    assert more.loc[more["method"] == "base", "headroom_transfer"].tolist() == [0, 1]
    assert more.loc[more["method"] == "m", ["transfer_english", "headroom_transfer"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(more[found.columns], found)


def steered_cells() -> Cells:
    """Where English and the cue have more than base, the method has half of it, item by item."""
    full, none, half = [1, 1, 1, 0] * 5, [0, 1, 0, 0] * 5, [0.5, 1, 0.5, 0] * 5
    return cells_of(
        full, {"es": none}, {"es": none}, {"es": full},
        {"universal": {"es": half}, "cultural": {"es": half}},
    )  # fmt: skip


@pytest.mark.parametrize("metric", ["transfer", "localization"])
@pytest.mark.parametrize("language", ["es", "macro"])
def test_half_of_the_headroom_recovered_in_every_item_is_a_half_without_width(metric: str, language: str) -> None:
    share = recovered(steered_cells(), "m", language, metric)
    assert share is not None
    assert (share.estimate, share.lo, share.hi) == pytest.approx((0.5, 0.5, 0.5))


def test_macro_is_the_mean_gain_over_the_mean_headroom() -> None:
    full, none = [1.0] * 6, [0.0] * 6
    cells = cells_of(
        full, {"es": none, "ko": [1, 1, 1, 0, 0, 0]}, {"es": none, "ko": none}, {"es": full, "ko": full},
        {"universal": {"es": [0.5] * 6, "ko": full}, "cultural": {"es": none, "ko": full}},
    )  # fmt: skip
    share = recovered(cells, "m", "macro", "transfer")
    assert share is not None
    assert share.estimate == pytest.approx((0.5 + 0.5) / (1.0 + 0.5))  # not (0.5 + 1) / 2
    other = recovered(cells, "m", "macro", "localization")
    assert other is not None
    assert other.estimate == pytest.approx(0.5)


def random_cells(seed: int, shift: float, n: int = 60, draws: int = 4000) -> tuple[Cells, np.ndarray, np.ndarray]:
    """Cells of random hits, and the items' gains and headroom in transfer."""
    rng = np.random.default_rng(seed)
    english, here, steered = (
        (rng.random(n) < share).astype(float).tolist() for share in (0.4 + shift, 0.4, 0.4 + shift / 2)
    )
    cells = cells_of(
        english, {"es": here}, {"es": here}, {"es": english}, {"universal": {"es": steered}}, draws=draws
    )  # fmt: skip
    return cells, np.array(steered) - np.array(here), np.array(english) - np.array(here)


@pytest.mark.parametrize("seed", range(4))
def test_the_shares_interval_is_that_of_scipys_bootstrap(seed: int) -> None:
    cells, gains, gaps = random_cells(seed, 0.5)
    share = recovered(cells, "m", "es", "transfer")
    assert share is not None
    outside = bootstrap(
        (gains, gaps), lambda g, h, axis: g.mean(axis) / h.mean(axis), paired=True, method="percentile",
        n_resamples=4000, confidence_level=expanded_level(60), rng=np.random.default_rng(9), vectorized=True,
    ).confidence_interval  # fmt: skip
    assert share.estimate == pytest.approx(gains.mean() / gaps.mean())
    assert (share.lo, share.hi) == pytest.approx((outside.low, outside.high), abs=0.05)


def test_a_share_of_hardly_any_headroom_is_bounded_on_the_right_side_or_not_at_all() -> None:
    shown = []
    for seed in range(12):
        cells, _, _ = random_cells(seed, 0.2, draws=400)
        if share := recovered(cells, "m", "es", "transfer"):
            assert share.lo <= share.estimate <= share.hi  # infinite, but never missing
            shown.append(share.hi - share.lo)
    assert 2 < len(shown) < 12
    assert max(shown) > 2


def test_no_share_is_told_where_no_headroom_is_shown() -> None:
    same = [1, 0, 1, 0, 1, 0]
    cells = cells_of(same, {"es": same}, {"es": same}, {"es": [0] * 6}, {"universal": {"es": [1] * 6}})
    assert recovered(cells, "m", "es", "transfer") is None
    assert recovered(cells, "m", "es", "localization") is None
    table = recovered_table(cells, ["m"])
    assert table["recovered"].isna().all()
    assert table.loc[table["metric"] == "transfer", "gain"].tolist() == [0.5, 0.5]
    notes = headroom_notes(table)
    assert notes["m", "es", "transfer"] == (
        "No headroom is shown: when asked in English, the unsteered model gains +0.000 [+0.000, +0.000]."
    )
    assert notes["m", "es", "localization"].startswith(
        "No headroom is shown: when asked with the cue, the unsteered model gains -0.500 [-"
    )
    lines = headroom_lines(headroom_table(cells))
    assert lines[0].startswith("No headroom for transfer is shown: the unsteered model answers 0.500 [")
    assert lines[1].startswith("No headroom for localization is shown: the unsteered model answers 0.000 [")


def test_the_lines_say_the_numbers_the_languages_and_that_the_cue_is_no_bound() -> None:
    full, none, wide = [1.0] * 8, [0.0] * 8, [1, 0, 1, 0, 1, 0, 1, 0]
    cells = cells_of(
        full, {"es": none, "ko": full}, {"es": wide, "ko": wide}, {"es": full, "ko": full}
    )  # fmt: skip
    lines = headroom_lines(headroom_table(cells))
    assert lines[0] == (
        "Headroom for transfer: the unsteered model answers 1.000 [1.000, 1.000] of the facts right in English and "
        "0.500 [0.500, 0.500] in the other languages, a difference of +0.500 [+0.500, +0.500]. Headroom is "
        "shown in Spanish but not in Korean."
    )
    assert lines[1].startswith(
        "Headroom for localization: the unsteered model answers 1.000 [1.000, 1.000] of the cultural questions as the "
        "language's own culture would if a cue names the place, and 0.500 ["
    )
    assert "Headroom is shown in" not in lines[1]  # in both
    assert lines[1].endswith(NO_BOUND)
    assert lines[2].startswith("Without a cue, it answers as the US would in 0.500 [")
    assert lines[2].endswith("The effective chance level for localization is therefore 0.500 [0.500, 0.500].")


def test_verdicts_name_the_headroom_and_the_share_of_it() -> None:
    cells = steered_cells()
    notes = headroom_notes(recovered_table(cells, ["m"]))
    (low, high) = notes["m", "macro", "transfer"].split(", and steering recovers ")
    assert low.startswith("The headroom (what the unsteered model gains when asked in English) is +0.500 [")
    assert high == "0.500 [0.500, 0.500] of it."
    assert " when asked with the cue) is +0.500 [" in notes["m", "macro", "localization"]
    row = {
        "metric": "transfer", "method": "en", "against": "base", "language": "macro", "estimate": 0.25, "lo": 0.1,
        "hi": 0.4, "p": 0.01, "p_holm": np.nan,
    }  # fmt: skip
    named = {("en", language, metric): text for (_, language, metric), text in notes.items()}
    [sentence] = macro_sentences(verdict_table(pd.DataFrame([row]), None, named))
    assert sentence.endswith(notes["m", "macro", "transfer"])


def test_a_run_has_the_planes_numbers_and_the_report_begins_with_them(counted_run: CountedRun, tmp_path: Path) -> None:
    """From the run's own files of scores: transfer and localization are the plane's, English is consistency's."""
    base, english = (pd.read_parquet(counted_run.folder / "scores" / f"{name}.parquet") for name in ("base", "english"))
    clusters = {axis: sorted(base.loc[base["axis"] == axis, "cluster"].unique()) for axis in ("universal", "cultural")}
    draws = Resampling.over(clusters | {"sensitive": []}, 200, 0)
    table = headroom_table(base_cells(base[base["axis"] != "sensitive"], english, "bytes", draws))
    row = table.set_index("language").loc["el"]
    plane = pd.read_csv(counted_run.folder / "plane.csv").query("method == 'base' and language == 'el'").iloc[0]
    consistency = pd.read_csv(counted_run.folder / "consistency.csv").query("method == 'base' and language == 'el'")
    for name in ("transfer", "localization", "explicit_localization", "us_bias", "neither", "chance_effective"):
        assert row[name] == pytest.approx(plane[name], abs=1e-5), name
    assert row["transfer_english"] == pytest.approx(consistency["english"].iloc[0], abs=1e-5)
    assert row["headroom_transfer"] == pytest.approx(row["transfer_english"] - row["transfer"])
    assert (row["n_universal"], row["n_cultural"]) == (plane["n_universal"], plane["n_cultural"])

    folder = Path(shutil.copytree(counted_run.folder, tmp_path / "run"))
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in ("headroom", "recovered"):
        (folder / f"{name}.csv").unlink()
    without = report_html(RunTables.of(folder), manifest)
    assert 'id="headroom"' not in without
    table.to_csv(folder / "headroom.csv", index=False)
    methods = ["loc", "random"]
    shares = pd.DataFrame(
        [
            {"method": method, "language": "macro", "metric": metric, "recovered": share}
            | {f"{name}{end}": 0.25 for name in ("gain", "headroom") for end in ("", "_lo", "_hi")}
            | {"recovered_lo": share, "recovered_hi": share}
            for method in methods
            for metric, share in (("transfer", NAN), ("localization", 0.875))
        ]
    )
    shares.to_csv(folder / "recovered.csv", index=False)
    page = report_html(RunTables.of(folder), manifest | {"headroom": [*headroom_lines(table), "<b>no tag</b>"]})
    assert page.index('<section id="plane"') < page.index('<section id="headroom"')
    section = page[page.index('<section id="headroom"') : page.index('<section id="contrasts"')]
    assert "What there is to gain" in section
    assert f"a difference of {row['headroom_transfer']:+.3f}" in section
    assert "&lt;b&gt;no tag&lt;/b&gt;" in section
    assert '<th scope="row">LOC-steering</th><td>transfer</td>' in section
    assert "<td>no headroom shown</td>" in section
    assert '<td>0.875 <span class="interval">[0.875, 0.875]</span></td>' in section
    assert "random vector" not in section


def test_cells_of_a_whole_run_give_the_same_headroom_as_base_alone() -> None:
    base = pd.concat([scores("universal", "es", SPANISH), scores("cultural", "es", SPANISH)])
    base = pd.concat([base, scores("cultural", "es", ENGLISH, cue="explicit")])
    english = scores("universal", "en", ENGLISH)
    whole = pd.concat([outcomes(base, "sum"), outcomes(scores("universal", "es", KOREAN, method="m"), "sum")])
    cells = Cells(with_neither(with_headroom(whole, english, "sum")), resampling(8))
    pd.testing.assert_frame_equal(
        headroom_table(cells), headroom_table(base_cells(base, english, "sum", resampling(8)))
    )
