"""What was erased: what is drawn is what the table says."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import figures
from figures import _theme as theme
from figures import erasure
from figures._erasure import COLUMNS, PANELS

QUANTITIES = [quantity for panel in PANELS for quantity in panel.quantities]


def make_table(methods: tuple[str, ...] = ("instruct", "midalign", "clo")) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for language in ("el", "macro"):
        for method in methods:
            row: dict[str, object] = {"method": method, "language": language, "probe_chance": 0.25}
            for quantity in QUANTITIES:
                value = 0.5 if quantity.column == "probe_base" else rng.uniform(0.0, 0.8)
                row |= {quantity.column: value, f"{quantity.column}_lo": value - 0.05}
                row[f"{quantity.column}_hi"] = value + 0.1
            rows.append(row)
    return pd.DataFrame(rows)


def line(figure: Figure, gid: str) -> Line2D:
    (found,) = figure.findobj(lambda each: each.get_gid() == gid)
    assert isinstance(found, Line2D)
    return found


def test_points_and_intervals_are_the_tables_macro_rows() -> None:
    table = make_table()
    drawn = erasure(table)
    heights = set()
    for row in table[table["language"] == "macro"].to_dict("records"):
        for quantity in QUANTITIES:
            column = quantity.column
            gid = f"{column}:{'base' if column == 'probe_base' else row['method']}"
            (x,), (y,) = line(drawn, f"{gid}:point").get_data()
            heights.add((column, y))
            assert x == row[column]
            assert list(line(drawn, f"{gid}:interval").get_xdata()) == [row[f"{column}_lo"], row[f"{column}_hi"]]
            assert list(line(drawn, f"{gid}:interval").get_ydata()) == [y, y]
            assert (line(drawn, f"{gid}:point").get_markerfacecolor() == "white") == quantity.control
    assert len(heights) == 3 * (len(QUANTITIES) - 1) + 1
    points = drawn.findobj(lambda each: str(each.get_gid()).endswith(":point"))
    assert len(points) == len(heights)
    assert list(line(drawn, "chance:0.25").get_xdata()) == [0.25, 0.25]


def test_rows_are_named_from_top_to_bottom_as_the_panels_say() -> None:
    drawn = erasure(make_table(("instruct",)))
    for axes, panel in zip(drawn.axes, PANELS, strict=True):
        assert [text.get_text() for text in axes.get_yticklabels()] == [each.label for each in panel.quantities]
        assert axes.yaxis_inverted()
        for height, quantity in enumerate(panel.quantities):
            method = "base" if quantity.of_base else "instruct"
            assert line(drawn, f"{quantity.column}:{method}:point").get_ydata() == [height]


@pytest.mark.parametrize("reach", [0.03, 0.084, 0.085, 0.086, 0.3])
def test_numbers_on_an_axis_do_not_overlap(reach: float) -> None:
    table = make_table()
    for quantity in PANELS[0].quantities:
        table[quantity.column] = 0.2 * reach
        table[f"{quantity.column}_lo"], table[f"{quantity.column}_hi"] = -0.68 * reach, reach
    drawn = erasure(table)
    with theme.style():  # as it is saved: how many ticks there are depends on their size
        drawn.draw_without_rendering()
        for axes in drawn.axes:
            low, high = axes.get_xlim()
            labels = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
            boxes = [label.get_window_extent() for place, label in labels if low <= place <= high]
            assert len(boxes) >= 2
            assert not any(first.overlaps(second) for first, second in pairwise(boxes))


def test_what_is_nan_is_not_drawn() -> None:
    table = make_table()
    table[["recoverable_wrong", "recoverable_wrong_lo", "recoverable_wrong_hi"]] = np.nan
    drawn = erasure(table)
    assert not drawn.findobj(lambda each: str(each.get_gid()).startswith("recoverable_wrong:"))
    assert drawn.findobj(lambda each: str(each.get_gid()).startswith("recoverable:"))


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(column: str) -> None:
    with pytest.raises(ValueError, match=f"lacks the columns \\['{column}'\\]"):
        erasure(make_table().drop(columns=column))


def test_a_table_that_cannot_be_drawn_is_refused() -> None:
    table = make_table()
    with pytest.raises(ValueError, match="no language 'macro' in the erasure table"):
        erasure(table[table["language"] == "el"])
    with pytest.raises(ValueError, match="more than one row of method clo"):
        erasure(pd.concat([table, table[table["method"] == "clo"]]))
    with pytest.raises(ValueError, match=r"no finite erasure of the methods \['clo'\]"):
        erasure(table.assign(erasure=table["erasure"].where(table["method"] != "clo")))


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        theme.save(figures.erasure(make_table()), tmp_path / name)
    for ending in ("pdf", "svg", "png"):
        one, two = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("one", "two"))
        assert one == two
