"""What is said of trained models beside the base: by hand."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
import pytest

from interp.plane import Cells, Resampling
from interp.study.locate import Located, comparison_lines, onset_comparison, signal_table, trained_lines
from interp.study.score import contrast_table
from interp.study.score._report import criteria
from probes import Signal

CLUSTERS = np.array([f"c{i}" for i in range(12)])


def located(gain: float) -> Located:
    """A `culture` signal whose excess over its control is `gain` at the second of three layers, with a little noise."""
    values = np.tile(np.linspace(-0.01, 0.01, 12), (3, 1)) + 0.5
    values[1] += gain
    signal = Signal(values, CLUSTERS, np.full((3, 12), 0.5))
    parts: dict[str, Any] = {field.name: pd.DataFrame() for field in fields(Located)}
    onsets = pd.DataFrame({"language": ["macro"], "universal": [gain]})
    return Located(**parts | {"onsets": onsets, "separations": {}, "signals": {"macro": {"culture": [signal]}}})


def test_signals_are_compared_trained_minus_base_where_they_differ() -> None:
    table = signal_table(located(0.2), {"clo": located(0.5), "same": located(0.2)}, 400, 0)
    rows = table[table["model"] == "clo"].set_index("layer")
    assert list(rows.index) == [-1, 0, 1]
    np.testing.assert_allclose(rows["base"], [0, 0.2, 0], atol=1e-12)
    np.testing.assert_allclose(rows["trained"], [0, 0.5, 0], atol=1e-12)
    np.testing.assert_allclose(rows["difference"], [0, 0.3, 0], atol=1e-12)
    assert rows.loc[0, "difference_lo"] > 0
    assert (table.loc[table["model"] == "same", "difference"] == 0).all()
    [clo, same] = comparison_lines(table, ["clo", "same"])
    assert "culture +0.30" in clo
    assert "at layer 0 (differs at 1 of 3 layers)" in clo
    assert "differs at 0 of 3 layers" in same


def test_onsets_name_their_model() -> None:
    table = onset_comparison({"base": located(0.2), "clo": located(0.5)})
    assert table["model"].tolist() == ["base", "clo"]
    assert table["universal"].tolist() == [0.2, 0.5]


def cells() -> Cells:
    """Twelve items an axis: `clo` gets more universal ones right than base, and fewer cultural ones."""
    right = {"base": (6, 10), "clo": (11, 3), "clo+loc": (11, 12), "same": (6, 10)}
    rows = [
        {"method": m, "axis": axis, "language": "es", "item": f"{i}", "cluster": f"{i}", column: float(i < count)}
        for m, counts in right.items()
        for axis, column, count in zip(("universal", "cultural"), ("transfer", "localization"), counts, strict=True)
        for i in range(12)
    ]
    clusters = {axis: [f"{i}" for i in range(12)] for axis in ("universal", "cultural")}
    table = pd.DataFrame(rows)
    for metric in (
        "transfer_specific",
        "transfer_sensitive",
        "explicit_localization",
        "us_bias",
        "preference",
        "answer_language",
    ):
        table[metric] = np.nan
    return Cells(table.assign(transfer_all=np.nan), Resampling.over(clusters, 400, 0))


def test_what_trained_methods_do_is_told_with_its_sign_and_adjusted_p() -> None:
    table = contrast_table(cells(), ["clo", "same"], 0)
    row = table[(table["method"] == "clo+loc") & (table["against"] == "clo") & (table["language"] == "macro")].iloc[0]
    assert (row["metric"], row["estimate"], row["n_clusters"]) == ("localization", pytest.approx(9 / 12), 12)
    [clo, same] = trained_lines(table, ["clo", "same"])
    assert clo.startswith(
        "On average over the languages, clo does not clearly change transfer (+0.417 [+0.083, +0.750], Holm's p = 0.125)"
    )
    assert "and lowers localization (-0.583 [" in clo
    assert clo.endswith("Holm's p = 0.031).")
    assert same.startswith("On average over the languages, same does not clearly change transfer (+0.000 [")


def test_comparisons_of_trained_methods() -> None:
    found = criteria(["midalign", "midalign_keep"])
    assert ("localization", "midalign+loc", "midalign") in found
    assert ("localization", "midalign+loc", "midalign+wrong_culture") in found
    assert ("transfer", "midalign+surgical", "base") in found
    assert ("transfer", "surgical", "midalign") in found
    assert ("localization", "midalign_keep", "midalign") in found
    assert ("explicit_localization", "midalign_keep", "base") in found
    assert len(set(found)) == len(found)
    assert not any("+" in name for row in criteria([]) for name in row)
