"""Effects under other normalisations: known answers, and the run's own scores counted another way."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from interp.plane import Resampling
from interp.study.score import NOT_SCORED
from interp.study.score._robustness import UNDER, ZERO, outcomes_under, robustness_lines, robustness_table, signs
from probes import Interval
from tests.study.conftest import CountedRun


def item(method: str, number: int, right: tuple[float, float, float], wrong: tuple[float, float, float]) -> list[dict]:
    """A universal item with two options of (logp, tokens, bytes)."""
    return [
        {
            "method": method, "axis": "universal", "cue": "none", "language": "es", "item": f"i{number}",
            "cluster": f"c{number}", "relation": "r", "option": index, "role": role, "own": True, "languages": "es", "text": role,
            "logp": logp, "tokens": tokens, "bytes": size,
        }
        for index, (role, (logp, tokens, size)) in enumerate((("right", right), ("wrong", wrong)))
    ]  # fmt: skip


def scores(base: list[tuple], en: list[tuple]) -> dict[str, pd.DataFrame]:
    rows = [row for method, items in (("base", base), ("en", en)) for i, one in enumerate(items) for row in item(method, i, *one)]  # fmt: skip
    return outcomes_under(pd.DataFrame(rows))


def table_of(tables: dict[str, pd.DataFrame], n: int) -> pd.DataFrame:
    clusters = Resampling.over({"universal": [f"c{i}" for i in range(n)], "cultural": ["t"]}, 300, 0)
    return robustness_table(tables, clusters, {}, {}, [])


WINS_BY_SUM = ((-4.0, 1.0, 2.0), (-5.0, 5.0, 10.0))  # right: -4 > -5; per byte -2 < -.5; per token -4 < -1
WINS_BY_LENGTH = ((-5.0, 5.0, 10.0), (-4.0, 1.0, 2.0))  # the other way round
WINS_BY_BYTES = ((-6.0, 2.0, 12.0), (-4.0, 2.0, 4.0))  # sum and per token -4 wins; per byte -.5 > -1


def test_an_effect_that_is_one_way_by_sum_and_the_other_by_length_is_marked() -> None:
    tables = scores([WINS_BY_LENGTH] * 12, [WINS_BY_SUM] * 12)
    row = table_of(tables, 12).set_index("language").loc["es"]
    assert (row["sum"], row["bytes"], row["mean"]) == (1.0, -1.0, -1.0)
    assert row["sign"] == "reverses"
    assert row["excludes_0"] == "sum bytes mean"


def test_each_normalisation_goes_by_its_own_length() -> None:
    tables = scores([WINS_BY_SUM] * 4, [WINS_BY_BYTES] * 4)
    row = table_of(tables, 4).set_index("language").loc["macro"]
    assert (row["sum"], row["bytes"], row["mean"]) == (-1.0, 1.0, 0.0)


def test_an_effect_whose_sign_stays_is_not_marked_and_none_is_shown_for_what_is_not_measured() -> None:
    table = table_of(scores([WINS_BY_BYTES, WINS_BY_SUM], [WINS_BY_BYTES, WINS_BY_BYTES]), 2)
    assert set(table["metric"]) == {"transfer"}
    assert table["sign"].tolist() == ["changes", "changes"]  # sum -1/2, bytes +1/2, mean 0
    assert table["excludes_0"].tolist() == ["", ""]


@pytest.mark.parametrize(
    ("effects", "sign"),
    [
        ([(0.1, 0.05, 0.2), (0.2, 0.1, 0.3), (0.0, -0.1, 0.1)], "same"),
        ([(0.0, 0.0, 0.0)] * 3, "same"),
        ([(0.1, 0.05, 0.2), (-0.01, -0.1, 0.1), (0.2, 0.1, 0.3)], "changes"),
        ([(0.1, 0.05, 0.2), (-0.1, -0.2, -0.05), (0.0, -0.1, 0.1)], "reverses"),
        ([(1e-17, -0.1, 0.1), (-1e-17, -0.1, 0.1)], "same"),  # rounding has no sign
        ([(0.1, np.nan, np.nan), (-0.1, np.nan, np.nan)], "changes"),
    ],
)
def test_signs(effects: list[tuple[float, float, float]], sign: str) -> None:
    assert signs([Interval(*effect) for effect in effects]) == sign


def test_a_run_by_pmi_keeps_log_likelihoods_that_can_be_normalised_otherwise() -> None:
    rows = [*item("base", 0, *WINS_BY_LENGTH), *item("en", 0, *WINS_BY_SUM)]
    plain, by_pmi = (pd.DataFrame(rows).assign(neutral=neutral) for neutral in (np.nan, -3.0))
    for name, table in outcomes_under(by_pmi).items():
        pd.testing.assert_frame_equal(table, outcomes_under(plain)[name])
    assert set(NOT_SCORED) == {"letter"}


def test_what_can_not_be_normalised_otherwise_is_said() -> None:
    for normalisation, why in NOT_SCORED.items():
        (line,) = robustness_lines(None, normalisation)
        assert why in line
    table = table_of(scores([WINS_BY_LENGTH] * 12, [WINS_BY_SUM] * 12), 12)
    lines = robustness_lines(table, "sentence")
    assert lines[0].startswith(
        "Of 2 effects (macro and per language) 2 change sign between sum, bytes and mean of the "
    )
    assert lines[1] == (
        "The effect of en on transfer against base changes sign: sum +1.000 [+1.000, +1.000], "
        "bytes -1.000 [-1.000, -1.000], mean -1.000 [-1.000, -1.000]."
    )


def test_under_its_own_normalisation_a_run_has_the_planes_and_the_contrasts_numbers(counted_run: CountedRun) -> None:
    table = pd.read_csv(counted_run.folder / "robustness.csv")
    plane = pd.read_csv(counted_run.folder / "plane.csv").set_index(["method", "language"])
    against_base = table[table["against"] == "base"]
    assert set(plane.index.get_level_values("method")) == {"base", *against_base["method"]}
    for row in against_base[against_base["metric"].isin(["transfer", "localization"])].to_dict("records"):
        for end in ("", "_lo", "_hi"):
            want = plane.loc[(row["method"], row["language"]), f"d_{row['metric']}{end}"]
            assert row[f"bytes{end}"] == pytest.approx(want, abs=1e-6), row
    keys = ["metric", "method", "against", "language"]
    contrasts = pd.read_csv(counted_run.folder / "contrasts.csv").set_index(keys)
    others = table[table["against"] != "base"].set_index(keys)
    # en and loc against two each, loc_language against one, surgical against two, surgical_language against four
    assert len(others) == 2 * 11
    assert others["bytes"].to_numpy() == pytest.approx(contrasts.loc[others.index, "estimate"].to_numpy(), abs=1e-6)


def test_every_normalisation_counts_the_runs_own_scores(counted_run: CountedRun) -> None:
    """Counted item by item from the files of scores, the medians of the controls too."""
    table = pd.read_csv(counted_run.folder / "robustness.csv").query("language == 'el' and against == 'base'")
    assert set(table["metric"]) == {"transfer", "localization", "explicit_localization", "us_bias"}
    for normalisation, length in (("sum", None), ("bytes", "bytes"), ("mean", "tokens")):
        for metric, axis, cue, role in (
            ("transfer", "universal", "none", "right"),
            ("localization", "cultural", "none", "local"),
            ("explicit_localization", "cultural", "explicit", "local"),
            ("us_bias", "cultural", "none", "reference"),
        ):
            shares = {}
            for method in ("base", *table["method"].unique()):
                rows = pd.read_parquet(counted_run.folder / "scores" / f"{method}.parquet")
                rows = rows[(rows["axis"] == axis) & (rows["cue"] == cue) & rows["own"] & (rows["option"] >= 0)]
                if rows.empty:
                    continue
                found = []
                for _, one in rows.groupby("method"):
                    right = []
                    for _, options in one.groupby("item"):
                        values = options["logp"] / (options[length] if length else 1.0)
                        best = options.loc[values == values.max(), "role"]
                        right.append((best == role).mean())
                    found.append(np.mean(right))
                shares[method] = found
            for row in table[table["metric"] == metric].to_dict("records"):
                want = np.median(shares[row["method"]]) - shares["base"][0]
                assert row[normalisation] == pytest.approx(want, abs=1e-5), (metric, row["method"], normalisation)


def test_marks_follow_from_the_columns(counted_run: CountedRun) -> None:
    for row in pd.read_csv(counted_run.folder / "robustness.csv", keep_default_na=False).to_dict("records"):
        estimates = sorted(row[name] for name in UNDER)
        assert (row["sign"] == "same") == (not estimates[0] < -ZERO < ZERO < estimates[-1])
        clear = [name for name in UNDER if float(row[f"{name}_lo"]) > 0 or float(row[f"{name}_hi"]) < 0]
        assert row["excludes_0"].split() == clear


def test_the_run_and_its_report_say_it(counted_run: CountedRun) -> None:
    told = json.loads((counted_run.folder / "manifest.json").read_text())["checks"]["robustness"]
    table = pd.read_csv(counted_run.folder / "robustness.csv")
    changing = table[table["sign"] != "same"]
    assert f"Of {len(table)} effects (macro and per language) {len(changing)} change sign" in told[0]
    real = changing[(changing["language"] == "macro") & changing["method"].isin(["en", "loc", "loc_contrast", "loc_language", "surgical"])]  # fmt: skip
    assert len(told) == 1 + len(real)
    page = (counted_run.folder / "report.html").read_text(encoding="utf-8")
    assert told[0] in page
    section = page.partition('<section id="robustness"')[2].partition("</section>")[0]
    for row in table[(table["language"] == "macro") & (table["method"] == "loc")].to_dict("records"):
        assert all(f'{row[name]:+.3f} <span class="interval">[' in section for name in UNDER)
    places = [
        page.index(f'<section id="{name}"') for name in ("plane", "robustness", "consistency", "damage", "repeat")
    ]
    assert all(a < b for a, b in pairwise(places))
