"""Fronts and areas, against what is counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from interp.plane import Cells, Resampling, compared_sets, front_shares, front_table


def cells(points: dict[str, tuple[list[float], list[float]]], means: dict[str, list[str]] | None = None) -> Cells:
    """A method's outcomes on four universal and four cultural items, each its own cluster."""
    rows = [
        {"method": m, "axis": axis, "language": "es", "item": f"{axis}{i}", "cluster": f"{axis}{i}", column: v}
        for m, values in points.items()
        for axis, column, some in zip(("universal", "cultural"), ("transfer", "localization"), values, strict=True)
        for i, v in enumerate(some)
    ]
    table = pd.DataFrame(rows)
    clusters = {axis: [f"{axis}{i}" for i in range(4)] for axis in ("universal", "cultural")}
    return Cells(table, Resampling.over(clusters, 400, 0), means)


BASE = ([1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0])
BETTER = ([1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0])
TRADED = ([1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0])


def test_areas_and_fronts_by_hand() -> None:
    found = cells({"base": BASE, "surgical": BETTER, "clo": TRADED, "clo+surgical": BETTER})
    table = front_table(found, *compared_sets(["base", "surgical", "clo", "clo+surgical"], ["clo"], []))
    rows = table.drop_duplicates("set").set_index("set")
    assert rows.loc["base", "hypervolume"] == pytest.approx(0.25 * 0.5)
    assert rows.loc["surgical", "hypervolume"] == pytest.approx(0.5 * 0.5)
    assert rows.loc["surgical", "front"] == "surgical"
    assert rows.loc["clo", "hypervolume"] == pytest.approx(0.25 * 0.5 + 0.5 * 0.25)
    assert rows.loc["clo", "front"] == "base clo"
    difference = table[(table["set"] == "surgical") & (table["against"] == "clo")].iloc[0]
    assert difference["difference"] == pytest.approx(0.0)
    assert (table["hypervolume_lo"] <= table["hypervolume"]).all()
    assert (table["hypervolume"] <= table["hypervolume_hi"]).all()
    own = table[(table["set"] == "surgical") & (table["against"] == "base")].iloc[0]
    assert own["difference"] == pytest.approx(0.125)
    assert own["difference_lo"] >= 0, "a draw never takes away from a method that is right wherever base is"


def test_shares_of_draws_on_the_front() -> None:
    found = cells({"base": BASE, "surgical": BETTER, "clo": TRADED})
    shares = front_shares(found, ["base", "surgical", "clo"])
    drawn = Resampling.over({axis: [f"{axis}{i}" for i in range(4)] for axis in ("universal", "cultural")}, 400, 0)
    found_in = {cluster: drawn.weights[:, i] > 0 for i, (_, cluster) in enumerate(drawn.clusters)}
    by_surgical = found_in["universal1"]
    by_clo = (found_in["universal1"] | found_in["universal2"]) & ~found_in["cultural1"]
    assert shares["base"] == pytest.approx(1 - (by_surgical | by_clo).mean())
    assert 0 < shares["clo"] <= 1


def test_a_mean_over_seeds_is_a_method() -> None:
    found = cells({"base": BASE, "clo@0": TRADED, "clo@1": BASE}, {"clo": ["clo@0", "clo@1"]})
    assert found.methods == ["base", "clo@0", "clo@1", "clo"]
    assert found.estimate("clo", "macro", "transfer") == pytest.approx((0.75 + 0.25) / 2)
    mean = (found.draws("clo@0", "es", "transfer") + found.draws("clo@1", "es", "transfer")) / 2
    np.testing.assert_allclose(found.draws("clo", "es", "transfer"), mean)
    assert found.measured("clo", "macro", "transfer").sum() == 4
