"""Heat maps over layers and strengths: what is drawn is the table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from figures import sweep
from figures._sweep import AXES, COLUMNS, VECTORS

LAYERS, STRENGTHS = range(5), (0.5, 1.0, 2.0)


def make_table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for method in VECTORS:
        for layer in LAYERS:
            for strength in STRENGTHS:
                for language in ("ko", "macro"):
                    row = {"method": method, "layer": layer, "strength": strength, "language": language, "chosen": 0}
                    for axis in AXES:
                        value = float(rng.normal(0, 0.1))
                        row |= {axis: value, f"{axis}_lo": value - 0.05, f"{axis}_hi": value + 0.05}
                    rows.append(row)
    table = pd.DataFrame(rows)
    table.loc[(table["layer"] == 3) & (table["strength"] == 1.0), "chosen"] = 1
    return table.sample(frac=1, random_state=1)


@pytest.mark.parametrize("language", ["ko", "macro"])
def test_cells_words_and_frames_are_the_tables(language: str) -> None:
    table = make_table()
    rows = table[table["language"] == language].set_index(["method", "layer", "strength"])
    figure = sweep(table, language=language)
    meshes = {str(mesh.get_gid()): mesh for mesh in figure.findobj(QuadMesh) if mesh.get_gid()}
    texts = {str(text.get_gid()): text for text in figure.findobj(Text) if text.get_gid()}
    frames = {str(patch.get_gid()) for patch in figure.findobj(Rectangle) if patch.get_gid()}
    scale = {mesh.get_clim() for mesh in meshes.values()}
    assert len(scale) == 1
    low, high = scale.pop()
    assert -low == high == pytest.approx(rows[list(AXES)].abs().max().max())
    for method in VECTORS:
        for axis in AXES:
            drawn = np.asarray(meshes[f"{method}:{axis}"].get_array()).reshape(len(STRENGTHS), len(LAYERS))
            for y, strength in enumerate(STRENGTHS):
                for x, layer in enumerate(LAYERS):
                    row = rows.loc[(method, layer, strength)]
                    assert drawn[y, x] == row[axis]
                    text = texts[f"{method}:{axis}:{layer}:{strength:g}"]
                    assert int(text.get_text()) == round(100 * row[axis])
                    assert (text.get_fontweight() == "bold") == (abs(row[axis]) > 0.05)
                    framed = f"chosen:{method}:{axis}:{layer}:{strength:g}" in frames
                    assert framed == (layer == 3 and strength == 1.0)


def test_what_is_refused() -> None:
    table = make_table()
    with pytest.raises(ValueError, match="no language 'el' in the sweep table"):
        sweep(table, language="el")
    with pytest.raises(ValueError, match="more than one row of"):
        sweep(pd.concat([table, table]))
    with pytest.raises(ValueError, match="no method among"):
        sweep(table[table["method"] == "en"].assign(method="surgical"))
    with pytest.raises(ValueError, match="lacks the columns"):
        sweep(table.drop(columns=[COLUMNS[-1]]))
