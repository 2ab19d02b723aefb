"""The lens on options: what is drawn is the table of one language."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.lines import Line2D

from figures import lens
from figures._alt import lens as words

LAYERS = range(-1, 5)


def make_table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for code in ("el", "macro"):
        for cue in ("none", "explicit"):
            for layer in LAYERS:
                row: dict[str, object] = {"layer": layer, "language": code, "cue": cue}
                for name in ("local", "us"):
                    share = float(rng.uniform(0.2, 0.8))
                    row |= {name: share, f"{name}_lo": share - 0.1, f"{name}_hi": share + 0.1}
                rows.append(row)
    return pd.DataFrame(rows).sample(frac=1, random_state=1)


@pytest.mark.parametrize("language", ["el", "macro"])
def test_lines_are_the_tables(language: str) -> None:
    table = make_table()
    lines = {line.get_gid(): line for line in lens(table, language=language).findobj(Line2D)}
    for cue in ("none", "explicit"):
        rows = table[(table["language"] == language) & (table["cue"] == cue)].sort_values("layer")
        for name in ("local", "us"):
            np.testing.assert_array_equal(lines[f"{name}:{cue}"].get_xdata(), rows["layer"])
            np.testing.assert_array_equal(lines[f"{name}:{cue}"].get_ydata(), rows[name])


def test_words_name_the_last_layer_and_the_best() -> None:
    table = make_table()
    rows = table[(table["language"] == "macro") & (table["cue"] == "explicit")].set_index("layer")
    said = words(table, "macro")
    assert f"With the cue the local answer leads in {rows.loc[4, 'local']:.3f}" in said
    assert f"most after layer {rows['local'].idxmax()}, {rows['local'].max():.3f}" in said


def test_what_is_refused() -> None:
    table = make_table()
    with pytest.raises(ValueError, match="no language 'ko' in the lens table"):
        lens(table, language="ko")
    with pytest.raises(ValueError, match="lacks the columns"):
        lens(table.drop(columns=["us_lo"]))
    with pytest.raises(ValueError, match="more than one row"):
        lens(pd.concat([table, table]))
