"""What chance is for localization in effect: 0.5 where only two options compete, 1 / n where all do."""

from __future__ import annotations

import pandas as pd
import pytest

from figures.report import _words as words
from interp.plane import Cells, Resampling, chance_table, outcomes, with_neither
from tests.study.conftest import CountedRun


def scores(chosen: list[str | tuple[str, ...]], n_options: int = 4, language: str = "es") -> pd.DataFrame:
    """Cultural items whose best options have the role, or the tied roles, of `chosen`."""
    roles = ["local", "reference", *[f"other{i}" for i in range(n_options - 2)]]
    rows = []
    for number, best in enumerate(chosen):
        for index, name in enumerate(roles):
            top = name in ((best,) if isinstance(best, str) else best)
            rows.append(
                {"method": "base", "axis": "cultural", "cue": "none", "language": language, "item": f"i{number}",
                 "cluster": f"t{number}", "relation": "", "option": index, "role": name.rstrip("0123456789"), "own": True,
                 "languages": language, "text": name, "logp": -1.0 if top else -5.0, "tokens": 1.0, "bytes": 1.0}
            )  # fmt: skip
    return pd.DataFrame(rows)


def chance_of(table: pd.DataFrame) -> pd.DataFrame:
    found = outcomes(table, "sum")
    clusters = sorted(found["cluster"].unique())
    cells = Cells(with_neither(found), Resampling.over({"universal": [], "cultural": clusters}, 300, 0))
    return chance_table(cells).set_index("language")


def test_chance_is_a_half_where_neither_is_never_chosen() -> None:
    row = chance_of(scores(["local", "reference", "reference", "local", "reference"])).loc["es"]
    assert row["neither"] == 0
    assert (row["chance_effective"], row["chance_effective_lo"], row["chance_effective_hi"]) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("n", [3, 4, 5, 8])
def test_chance_is_one_in_n_where_every_option_is_chosen_alike(n: int) -> None:
    every = ["local", "reference", *[f"other{i}" for i in range(n - 2)]]
    row = chance_of(scores(every * 3, n)).loc["macro"]
    assert row["neither"] == pytest.approx((n - 2) / n)
    assert row["chance_effective"] == pytest.approx(1 / n)
    assert row["chance_effective_lo"] < 1 / n < row["chance_effective_hi"]
    assert row["chance_effective_lo"] == pytest.approx((1 - row["neither_hi"]) / 2)


def test_localization_is_above_it_exactly_where_local_beats_us() -> None:
    for chosen in (["local", "local", "reference", "other0"], ["local", "reference", "reference", "other1"]):
        share = chosen.count("local") / 4
        assert (share > chance_of(scores(chosen)).loc["es", "chance_effective"]) == (
            chosen.count("local") > chosen.count("reference")
        )


def test_items_without_a_us_option_say_nothing_of_it() -> None:
    table = scores(["local", "reference", "other0", "other0"])
    without = table[~((table["item"].isin(["i2", "i3"])) & (table["role"] == "reference"))]
    assert chance_of(without).loc["es", "neither"] == 0
    assert chance_of(table).loc["es", "neither"] == 0.5
    alone = table[table["role"] != "reference"]
    assert chance_of(alone)["chance_effective"].isna().all()


def test_macro_is_the_mean_of_the_languages() -> None:
    table = pd.concat([scores(["local", "other0"]), scores(["local", "local"], language="ko")])
    found = chance_of(table)
    assert found.loc["macro", "neither"] == pytest.approx((0.5 + 0) / 2)
    assert found.loc["macro", "chance_effective"] == pytest.approx((0.25 + 0.5) / 2)


def test_a_runs_plane_has_it_of_its_own_scores(counted_run: CountedRun) -> None:
    plane = pd.read_csv(counted_run.folder / "plane.csv")
    rows = pd.read_parquet(counted_run.folder / "scores" / "base.parquet")
    rows = rows.query("axis == 'cultural' and cue == 'none' and own")
    best = rows.assign(value=rows["logp"] / rows["bytes"]).sort_values("value").groupby("item").tail(1)
    neither = (best["role"] == "other").mean()
    assert plane["neither"].to_numpy() == pytest.approx(neither, abs=1e-5)
    assert plane["chance_effective"].to_numpy() == pytest.approx((1 - neither) / 2, abs=1e-5)
    assert (plane["chance"] == 0.25).all()
    page = (counted_run.folder / "report.html").read_text(encoding="utf-8")
    assert f"Chance is 0.25; for localization it is effectively {(1 - neither) / 2:.3f} [" in page


def test_the_report_says_what_chance_is_only_where_it_was_measured() -> None:
    row = {
        "method": "base", "language": "macro", "transfer": 0.4, "transfer_lo": 0.3, "transfer_hi": 0.5,
        "localization": 0.4, "localization_lo": 0.3, "localization_hi": 0.5, "n_universal": 9, "n_cultural": 9,
        "chance": 0.25, "d_transfer": 0.0, "d_localization": 0.0, "chance_effective": 0.5, "chance_effective_lo": 0.5,
        "chance_effective_hi": 0.5, "neither": 0.0, "neither_lo": 0.0, "neither_hi": 0.0,
    }  # fmt: skip
    told = words.sentences(pd.DataFrame([row]), None, None)[0]
    assert (
        "Chance is 0.25; for localization it is effectively 0.500 [0.500, 0.500], because the model chooses an option"
        " that is neither local nor" in told
    )
    without = {key: value for key, value in row.items() if not key.startswith(("chance_", "neither"))}
    assert "Chance is 0.25." in words.sentences(pd.DataFrame([without]), None, None)[0]


def test_the_console_says_it(capsys: pytest.CaptureFixture[str], counted_run: CountedRun) -> None:
    from interp.cli.planes import show_plane

    plane = pd.read_csv(counted_run.folder / "plane.csv")
    show_plane(plane, "test", {})
    said = " ".join(capsys.readouterr().out.split())
    assert f"the effective chance level for localization is {plane['chance_effective'].iloc[0]:.2f}." in said
    show_plane(plane.drop(columns=["neither", "chance_effective"]), "test", {})
    assert "effective" not in capsys.readouterr().out
