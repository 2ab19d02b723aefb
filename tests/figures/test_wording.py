"""How numbers are written: one p everywhere, and means that name the languages against them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from figures import TABLES, listed, named_p, number, other_way, p_equals, p_value, shown_p
from figures import _alt as alt
from figures.report import _tables as tables
from figures.report import _words as words

LANGUAGES = [
    {"language": "macro", "d": 0.115, "d_lo": 0.064, "d_hi": 0.166},
    {"language": "zh", "d": -0.269, "d_lo": -0.35, "d_hi": -0.19},
    {"language": "es", "d": 0.3, "d_lo": 0.2, "d_hi": 0.4},
    {"language": "ko", "d": -0.01, "d_lo": np.nan, "d_hi": np.nan},
    {"language": "el", "d": -0.0004, "d_lo": -0.1, "d_hi": 0.1},
    {"language": "fa", "d": np.nan, "d_lo": np.nan, "d_hi": np.nan},
]


def test_p_is_never_written_as_zero() -> None:
    assert [p_value(p) for p in (0.0, 0.0004, 0.00099, 0.001, 0.0564, 1.0, np.nan)] == [
        "< 0.001", "< 0.001", "< 0.001", "0.001", "0.056", "1.000", "",
    ]  # fmt: skip
    assert [p_equals(p) for p in (0.0002, 0.012, np.nan)] == ["p < 0.001", "p = 0.012", "p not measured"]


def test_holms_p_is_shown_where_there_is_one() -> None:
    assert shown_p({"p": 0.028, "p_holm": 0.056}) == 0.056
    assert shown_p({"p": 0.028, "p_holm": np.nan}) == shown_p({"p": 0.028}) == 0.028
    assert named_p({"p": 0.028, "p_holm": 0.056}) == "Holm's p = 0.056"
    assert named_p({"p": 0.0002, "p_holm": np.nan}) == "p < 0.001"


def test_a_mean_names_the_languages_that_go_the_other_way() -> None:
    assert other_way(0.115, LANGUAGES, "d") == "; the other way in Chinese -0.269 [-0.350, -0.190] and Korean -0.010"
    assert other_way(-0.2, LANGUAGES, "d") == "; the other way in Spanish +0.300 [+0.200, +0.400]"
    assert other_way(0.0001, LANGUAGES, "d") == other_way(float("nan"), LANGUAGES, "d") == ""
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert number({"estimate": 0.1, "lo": 0.0, "hi": 0.2}, "estimate", signed=True) == "+0.100 [+0.000, +0.200]"


@pytest.fixture
def contrasts() -> pd.DataFrame:
    row = {"language": "macro", "metric": "transfer", "method": "en", "estimate": 0.02, "lo": 0.003, "hi": 0.037}
    return pd.DataFrame(
        [
            row | {"against": "base", "p": 0.028, "p_holm": 0.056},
            row | {"against": "third_language", "p": 0.0002, "p_holm": np.nan},
        ]
    )


def test_report_and_latex_show_holms_p_and_no_zero(contrasts: pd.DataFrame) -> None:
    table = tables.contrast_table(contrasts)
    assert TABLES["contrasts"].rows(contrasts)["p"].tolist() == ["0.056", "< 0.001"]
    assert table.header == ["metric", "method", "against", "difference", "p"]
    assert [row[-1] for row in table.rows] == ["0.056", "< 0.001"]


@pytest.fixture
def plane() -> pd.DataFrame:
    rows = []
    for method, sign in (("base", 0.0), ("surgical", 1.0)):
        for language in LANGUAGES[:3]:
            row = {"method": method, "language": language["language"], "transfer": 0.5, "localization": 0.7}
            row |= {"n_universal": 10, "n_cultural": 10, "chance": 0.25}
            row |= {"d_transfer": 0.0, "d_transfer_lo": -0.1, "d_transfer_hi": 0.1}
            row |= {f"d_localization{end}": sign * float(str(language[f"d{end}"])) for end in ("", "_lo", "_hi")}
            rows.append(row)
    return pd.DataFrame(rows)


def test_the_report_gives_the_smallest_effects_that_the_design_finds() -> None:
    manifest = {"design": {"name": "small"}, "smallest_effects": {"transfer": 0.1234, "localization": 0.2}}
    assert (
        "this run's design (small) detects changes of at least 0.123 in transfer and 0.200 in localization"
        in words.smallest_seen(manifest)
    )
    assert words.smallest_seen({"smallest_effects": {}}) == ""


def test_the_reports_sentences_name_them_and_show_holms_p(plane: pd.DataFrame) -> None:
    row = {"language": "macro", "method": "surgical", "against": "base", "estimate": 0.115, "lo": 0.064, "hi": 0.166}
    contrasts = pd.DataFrame([row | {"metric": "localization", "p": 0.0001, "p_holm": 0.0003}])
    verdicts = pd.DataFrame(
        {"language": ["macro", "zh"], "sentence": ["EN-steering raises accuracy.", "In Chinese, it does not."]}
    )
    told = words.sentences(plane, contrasts, verdicts)
    assert told[1] == (
        "Surgical steering changes transfer by +0.000 [-0.100, +0.100] and localization by +0.115 [+0.064, +0.166] "
        "(Holm's p < 0.001; the other way in Chinese -0.269 [-0.350, -0.190])."
    )
    assert told[2:] == ["EN-steering raises accuracy."]
    assert "(the other way in Chinese" in words.sentences(plane, None, None)[1]


def test_texts_for_figures_name_them_too() -> None:
    named = {"": "d", "_lo": "d_lo", "_hi": "d_hi"}
    sweep = pd.DataFrame(
        [
            {"method": "loc", "layer": 3, "strength": 1.0, "language": row["language"], "chosen": 0}
            | {f"d_{axis}{end}": row[name] for axis in ("transfer", "localization") for end, name in named.items()}
            for row in LANGUAGES[:3]
        ]
    )
    assert alt.sweep(sweep, "macro").count("the other way in Chinese -0.269") == 2
    assert "the other way" not in alt.sweep(sweep, "zh")
    lost = pd.DataFrame(
        [
            {"method": "clo", "language": row["language"]}
            | {f"{name}{end}": row[column] for name in ("erasure", "recoverable") for end, column in named.items()}
            for row in LANGUAGES[:3]
        ]
    )
    assert alt.erasure(lost).count("the other way in Chinese -0.269") == 2
    layers = sweep.rename(columns={"d_localization": "d_localization_loc"})
    assert "the other way in Chinese -0.269" in alt.layers(layers, "macro")
    moved = lost.assign(layer=2, restored=lost["erasure"], method="clo")
    assert "the other way in Chinese -0.269" in alt.mechanism(moved)
    assert alt.mechanism(moved).startswith("Undoing the shift")
    ablated = sweep.assign(ablation="searched", group="searched")
    assert alt.ablations(ablated).count("the other way in Chinese -0.269") == 2
