"""Layer curves: what is drawn is what the table says, and what is absent is left out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation

from figures import PANELS, layers
from figures import _theme as theme

COLUMNS = [curve.column for panel in PANELS for curve in panel.curves]


def make_table(depth: int = 8) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frames = []
    for language in ("el", "macro"):
        values: dict[str, object] = {"layer": np.arange(depth), "language": language}
        for column in COLUMNS:
            curve = rng.uniform(0.1, 0.9, depth)
            values |= {column: curve, f"{column}_lo": curve - 0.05, f"{column}_hi": curve + 0.1}
            if column.startswith("probe"):
                values[f"{column}_control"] = rng.uniform(0.1, 0.2, depth)
        frames.append(pd.DataFrame(values))
    table = pd.concat(frames, ignore_index=True)
    table.loc[table["layer"] == depth - 1, [column for column in COLUMNS if column.startswith("d_")]] = np.nan
    return table.sample(frac=1, random_state=0)


def marks(figure: Figure) -> list[Annotation]:
    """The names of chosen layers."""
    return [each for each in figure.findobj(Annotation) if str(each.get_gid()).startswith("chosen-label")]


def line(figure: Figure, gid: str) -> Line2D:
    (found,) = figure.findobj(lambda each: each.get_gid() == gid)
    assert isinstance(found, Line2D)
    return found


@pytest.mark.parametrize("language", ["macro", "el"])
def test_curves_controls_and_bands_are_the_tables(language: str) -> None:
    table = make_table()
    rows = table[table["language"] == language].sort_values("layer")
    figure = layers(table, language=language)
    assert len(figure.axes) == 4
    for column in COLUMNS:
        drawn, known = line(figure, column), rows[rows[column].notna()]
        np.testing.assert_array_equal(drawn.get_xdata(), known["layer"])
        np.testing.assert_array_equal(drawn.get_ydata(), known[column])
        (band,) = figure.findobj(lambda each: each.get_gid() == f"{column}:band")  # noqa: B023
        assert isinstance(band, PolyCollection)
        corners = {tuple(corner) for path in band.get_paths() for corner in np.asarray(path.vertices).tolist()}
        assert set(zip(known["layer"], known[f"{column}_hi"], strict=True)) <= corners
        assert set(zip(known["layer"], known[f"{column}_lo"], strict=True)) <= corners
        if column.startswith("probe"):
            control = line(figure, f"{column}_control")
            np.testing.assert_array_equal(control.get_ydata(), rows[f"{column}_control"])
            assert control.is_dashed()


def test_panels_share_the_axis_and_tell_curves_apart_in_grey() -> None:
    figure = layers(make_table())
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    for axes, panel in zip(figure.axes, PANELS, strict=True):
        markers = [line(figure, curve.column).get_marker() for curve in panel.curves]
        assert len(set(markers)) == len(markers)
        zero = [each for each in axes.lines if str(each.get_gid()).endswith(":zero")]
        assert len(zero) == int(panel.zero)


@pytest.mark.parametrize(
    ("chosen", "names"), [({"en": 2, "loc": 4}, ["EN", "LOC"]), ({"en": 3, "loc": 3}, ["EN, LOC"]), ({}, [])]
)
def test_chosen_layers_are_marked_in_every_panel_and_named_once(chosen: dict[str, int], names: list[str]) -> None:
    figure = layers(make_table(), chosen=chosen)
    for i in range(len(figure.axes)):
        for name, layer in chosen.items():
            assert np.all(np.asarray(line(figure, f"panel{i}:chosen:{name}").get_xdata()) == layer)
    assert [each.get_text() for each in marks(figure)] == names
    letters = [e.get_text() for e in figure.findobj(Annotation) if str(e.get_gid()).startswith("letter:")]
    assert letters == list("abcd"[: len(figure.axes)])


def test_random_directions_are_shaded_behind_the_cosine() -> None:
    directions = pd.DataFrame(
        [
            {"layer": layer, "language": language, "cosine_null_lo": -0.2 - shift, "cosine_null_hi": 0.2 + shift}
            for layer in range(4)
            for language, shift in (("es", 0.0), ("el", 0.2))
        ]
    )
    for language, reach in (("macro", 0.3), ("el", 0.4)):
        figure = layers(make_table(4), directions=directions, language=language)
        (band,) = figure.findobj(lambda each: each.get_gid() == "cosine_null:band")
        assert np.asarray(band.get_paths()[0].vertices)[:, 1].max() == pytest.approx(reach)


def test_names_of_neighbouring_marks_do_not_overlap() -> None:
    figure = layers(make_table(40), chosen={"en": 20, "loc": 21})
    figure.draw_without_rendering()
    first, second = (each.get_window_extent() for each in marks(figure))
    assert not first.overlaps(second)


def test_absent_and_unmeasured_columns_are_skipped() -> None:
    table = make_table()[["layer", "language", "probe_culture", "cos_en_loc", "d_transfer_en"]].assign(
        d_transfer_loc=np.nan
    )
    figure = layers(table)
    assert [axes.get_ylabel() for axes in figure.axes] == [PANELS[0].label, PANELS[2].label, PANELS[3].label]
    drawn = {str(each.get_gid()) for each in figure.findobj(Line2D)}
    assert drawn & set(COLUMNS) == {"probe_culture", "cos_en_loc", "d_transfer_en"}
    assert not [each for each in figure.findobj(PolyCollection) if str(each.get_gid()).endswith("band")]


def test_legends_stay_inside_the_figure() -> None:
    figure = layers(make_table())
    figure.draw_without_rendering()
    for axes in figure.axes:
        legend = axes.get_legend()
        if legend is not None:
            box = legend.get_window_extent()
            assert figure.bbox.x0 <= box.x0
            assert box.x1 <= figure.bbox.x1
            assert box.y1 <= figure.bbox.y1


def test_same_bytes_when_drawn_again(tmp_path: Path) -> None:
    first = theme.save(layers(make_table(), chosen={"en": 1}), tmp_path / "first")
    again = theme.save(layers(make_table(), chosen={"en": 1}), tmp_path / "again")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]


def test_refusals_name_what_is_wrong() -> None:
    table = make_table()
    for missing in ("layer", "language"):
        with pytest.raises(ValueError, match=rf"lacks the columns \['{missing}'\]"):
            layers(table.drop(columns=missing))
    with pytest.raises(ValueError, match="no rows"):
        layers(table.iloc[:0])
    with pytest.raises(ValueError, match=r"no language 'xx'.*el"):
        layers(table, language="xx")
    with pytest.raises(ValueError, match="more than one row of language macro, layer 0"):
        layers(pd.concat([table, table]))
    with pytest.raises(ValueError, match="no measured metric column"):
        layers(table[["layer", "language"]])
    with pytest.raises(ValueError, match="chosen layer 99 of 'en'"):
        layers(table, chosen={"en": 99})


def test_an_effect_of_every_second_layer_is_one_line() -> None:
    table = make_table()
    effects = [column for column in COLUMNS if column.startswith("d_")]
    table.loc[table["layer"] % 2 == 1, effects] = np.nan
    drawn = line(layers(table), "d_transfer_en")
    assert np.asarray(drawn.get_xdata()).tolist() == [0, 2, 4, 6]
    assert np.isfinite(np.asarray(drawn.get_ydata())).all()
