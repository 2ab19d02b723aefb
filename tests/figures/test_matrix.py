"""The matrix figure: what is drawn is the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from figures import _theme as theme
from figures import matrix
from figures._matrix import COLUMNS, TITLES

LANGUAGES, CULTURES = ("el", "ko", "es"), ("GB", "ES", "KR", "GR")
OWN = {"el": "GR", "ko": "KR", "es": "ES"}


def make_table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {"language": x, "culture": k, "own_culture": OWN[x] == k, "condition": c, "localization": rng.uniform()}
        for x in LANGUAGES
        for k in CULTURES
        for c in TITLES
    ]
    return pd.DataFrame(rows)


def meshes(figure: Figure) -> dict[str, QuadMesh]:
    found = [mesh for mesh in figure.findobj(QuadMesh) if mesh.get_gid()]
    return {str(mesh.get_gid()).removesuffix(":cells"): mesh for mesh in found}


def texts(figure: Figure) -> dict[str, Text]:
    return {str(text.get_gid()): text for text in figure.findobj(Text) if text.get_gid()}


def luminance(colour: object) -> float:
    channels = np.array(to_rgb(colour))  # type: ignore[arg-type]
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_colours_numbers_and_frames_are_the_table() -> None:
    table = make_table()
    figure = matrix(table)
    drawn, written = meshes(figure), texts(figure)
    assert list(drawn) == list(TITLES)
    for condition, mesh in drawn.items():
        rows = table[table["condition"] == condition].set_index(["language", "culture"])["localization"]
        wanted = np.array([[rows[x, k] for k in CULTURES] for x in LANGUAGES])
        shown = mesh.get_array()
        assert shown is not None
        np.testing.assert_array_equal(np.asarray(shown).reshape(wanted.shape), wanted)
        assert mesh.get_clim() == (0, 1)
        for (y, x), value in np.ndenumerate(wanted):
            assert float(written[f"{condition}:{y}:{x}"].get_text()) == pytest.approx(value, abs=0.005)
        frames = {
            str(each.get_gid()): each for each in figure.findobj(Rectangle) if f"{condition}:own" in str(each.get_gid())
        }
        places = {(LANGUAGES[int(f.get_y())], CULTURES[int(f.get_x())]) for f in frames.values()}
        assert places == set(OWN.items())


def test_labels_are_the_languages_and_cultures() -> None:
    figure = matrix(make_table())
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in panels] == list(TITLES.values())
    assert [label.get_text() for label in panels[0].get_yticklabels()] == list(LANGUAGES)
    assert [label.get_text() for label in panels[-1].get_xticklabels()] == list(CULTURES)
    assert panels[0].get_ylim() == (len(LANGUAGES), 0)


def test_every_number_stands_out_from_its_cell() -> None:
    table = make_table().assign(localization=lambda t: np.linspace(0, 1, len(t)))
    figure = matrix(table)
    written = texts(figure)
    shades = []
    for condition, mesh in meshes(figure).items():
        shown = mesh.get_array()
        assert shown is not None
        for (y, x), value in np.ndenumerate(np.asarray(shown).reshape(len(LANGUAGES), len(CULTURES))):
            cell = luminance(mesh.get_cmap()(value))
            ink = luminance(written[f"{condition}:{y}:{x}"].get_color())
            light, dark = max(cell, ink), min(cell, ink)
            assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG 2, level AA
            shades.append((value, cell))
    by_value = [cell for _, cell in sorted(shades)]
    assert by_value == sorted(by_value, reverse=True)  # the order survives in grey


def test_a_cell_that_is_not_there_is_empty() -> None:
    table = make_table()
    figure = matrix(table[(table["language"] != "ko") | (table["culture"] != "GB")])
    for condition, mesh in meshes(figure).items():
        shown = np.ma.masked_invalid(mesh.get_array()).reshape(len(LANGUAGES), len(CULTURES))
        assert np.argwhere(np.ma.getmaskarray(shown)).tolist() == [[1, 0]]
        assert f"{condition}:1:0" not in texts(figure)


def test_few_conditions_and_one_culture() -> None:
    table = make_table()
    figure = matrix(table[table["condition"].isin(["base", "own"]) & (table["culture"] == "GR")])
    assert list(meshes(figure)) == ["base", "own"]


@pytest.mark.slow
def test_same_bytes_when_drawn_again(tmp_path: Path) -> None:
    first, again = (theme.save(matrix(make_table()), tmp_path / name) for name in ("first", "again"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]


def test_refusals_name_what_is_wrong() -> None:
    table = make_table()
    for missing in COLUMNS:
        with pytest.raises(ValueError, match=rf"lacks the columns \['{missing}'\]"):
            matrix(table.drop(columns=missing))
    with pytest.raises(ValueError, match="no rows"):
        matrix(table.iloc[:0])
    with pytest.raises(ValueError, match="no condition among"):
        matrix(table.assign(condition="en"))
    with pytest.raises(ValueError, match="more than one row of language el, culture GB, condition base"):
        matrix(pd.concat([table, table]))
