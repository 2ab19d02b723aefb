"""The geometry of EN and LOC: what is drawn is the table, and the mean is that of the languages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import geometry
from figures._geometry import COLUMNS, VECTORS

DEPTH = 6


def make_table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {"layer": layer, "language": code} | {name: rng.uniform(0.1, 1) for name in COLUMNS[2:]}
        for code in ("el", "ko")
        for layer in range(DEPTH)
    ]
    angles = ("angle_1", "angle_1_lo", "angle_1_hi", "angle_1_null_lo", "angle_1_null_hi")
    macro = [
        {"layer": layer, "language": "macro"} | {name: rng.uniform(20, 90) for name in angles} for layer in range(DEPTH)
    ]
    return pd.DataFrame([*macro, *rows]).sample(frac=1, random_state=1)


def line(figure: Figure, gid: str) -> Line2D:
    (found,) = (one for one in figure.findobj(Line2D) if one.get_gid() == gid)
    return found


def test_lines_are_the_tables_and_their_mean() -> None:
    table = make_table()
    figure = geometry(table)
    own = table[table["language"] != "macro"]
    for column in ("cosine", *(f"{name}_{what}" for name in VECTORS for what in ("norm", "stability"))):
        np.testing.assert_allclose(line(figure, column).get_ydata(), own.groupby("layer")[column].mean())
        for code in ("el", "ko"):
            rows = own[own["language"] == code].sort_values("layer")
            np.testing.assert_array_equal(line(figure, f"{column}:{code}").get_ydata(), rows[column])
    for name in VECTORS:
        null = f"{name}_norm_null"
        np.testing.assert_allclose(line(figure, null).get_ydata(), own.groupby("layer")[null].mean())
    macro = table[table["language"] == "macro"].sort_values("layer")
    np.testing.assert_array_equal(line(figure, "angle_1").get_ydata(), macro["angle_1"])


def test_without_angles_there_is_no_such_panel() -> None:
    own = make_table().query("language != 'macro'")
    assert [axes.get_visible() for axes in geometry(own).axes] == [True, False, True, True]


def test_what_is_refused() -> None:
    table = make_table()
    with pytest.raises(ValueError, match="no row of a language"):
        geometry(table[table["language"] == "macro"])
    with pytest.raises(ValueError, match="lacks the columns"):
        geometry(table.drop(columns=["cosine"]))
