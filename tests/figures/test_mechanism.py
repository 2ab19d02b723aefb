"""The mechanism figure: what is drawn is the macro rows of the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import _theme as theme
from figures import mechanism
from figures._mechanism import COLUMNS, RANDOM_RESTORED, RANDOM_SHARE, RESTORED, SHARES

DRAWN = [curve.column for curve in (*SHARES, RANDOM_SHARE, *RESTORED, RANDOM_RESTORED)] + ["erasure"]


def make_table(depth: int = 8) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frames = []
    for method in ("midalign", "clo"):
        for language in ("el", "macro"):
            values: dict[str, object] = {"method": method, "layer": np.arange(depth), "language": language}
            for column in DRAWN:
                curve = np.full(depth, rng.uniform()) if column == "erasure" else rng.uniform(0.1, 0.9, depth)
                values |= {column: curve, f"{column}_lo": curve - 0.05, f"{column}_hi": curve + 0.1}
            frames.append(pd.DataFrame(values))
    return pd.concat(frames, ignore_index=True)


def found(figure: Figure, gid: str) -> Line2D | PolyCollection:
    (one,) = figure.findobj(lambda each: each.get_gid() == gid)
    assert isinstance(one, (Line2D, PolyCollection))
    return one


def test_lines_and_bands_are_the_macro_rows() -> None:
    table = make_table()
    figure = mechanism(table.sample(frac=1, random_state=0))
    assert len(figure.axes) == 4
    for method in ("midalign", "clo"):
        rows = table[(table["method"] == method) & (table["language"] == "macro")]
        for column in DRAWN:
            line, band = found(figure, f"{method}:{column}"), found(figure, f"{method}:{column}:band")
            assert isinstance(line, Line2D)
            assert isinstance(band, PolyCollection)
            np.testing.assert_array_equal(line.get_xdata(), rows["layer"])
            np.testing.assert_array_equal(line.get_ydata(), rows[column])
            corners = {tuple(corner) for path in band.get_paths() for corner in np.asarray(path.vertices).tolist()}
            for bound in ("lo", "hi"):
                assert set(zip(rows["layer"], rows[f"{column}_{bound}"], strict=True)) <= corners


def test_each_method_has_a_row_with_its_own_label() -> None:
    labels = [axes.get_ylabel() for axes in mechanism(make_table()).axes]
    assert labels == [
        "MidAlign\nshare of the shift", "localization\nrestored", "CLO\nshare of the shift", "localization\nrestored",
    ]  # fmt: skip


def test_what_is_nowhere_measured_is_not_drawn() -> None:
    names = [name for name in COLUMNS if name.startswith("restored")]
    figure = mechanism(make_table().assign(**dict.fromkeys(names, np.nan)))
    drawn = {str(each.get_gid()) for each in figure.findobj(Line2D)}
    assert "clo:share_en" in drawn
    assert not any("restored" in gid for gid in drawn)


def test_legends_stay_inside_the_figure_and_apart() -> None:
    figure = mechanism(make_table())
    figure.draw_without_rendering()
    boxes = [legend.get_window_extent() for axes in figure.axes if (legend := axes.get_legend()) is not None]
    assert len(boxes) == 2
    assert not boxes[0].overlaps(boxes[1])
    for box in boxes:
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1


def test_same_bytes_when_drawn_again(tmp_path: Path) -> None:
    first, again = (theme.save(mechanism(make_table()), tmp_path / name) for name in ("first", "again"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]


def test_refusals_name_what_is_wrong() -> None:
    table = make_table()
    for missing in COLUMNS:
        with pytest.raises(ValueError, match=rf"lacks the columns \['{missing}'\]"):
            mechanism(table.drop(columns=missing))
    with pytest.raises(ValueError, match="no rows"):
        mechanism(table.iloc[:0])
    with pytest.raises(ValueError, match="no language 'macro' in the mechanism table"):
        mechanism(table[table["language"] == "el"])
    with pytest.raises(ValueError, match="more than one row of method midalign, layer 0"):
        mechanism(pd.concat([table, table]))
