"""What the figures of ablations and of noise draw is what their tables say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import ablations, noise, save


def ablation_rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for name, group in (("searched", "searched"), ("EN alone", "taken away"), ("random vectors", "controls")):
        row: dict[str, object] = {"ablation": name, "group": group}
        for axis in ("transfer", "localization"):
            value = rng.uniform(-0.2, 0.2)
            row |= {f"d_{axis}": value, f"d_{axis}_lo": value - 0.05, f"d_{axis}_hi": value + 0.03}
        rows.append(row)
    return pd.DataFrame(rows)


def line(figure: Figure, gid: str) -> Line2D:
    [one] = figure.findobj(lambda each: each.get_gid() == gid)
    assert isinstance(one, Line2D)
    return one


def test_points_and_intervals_are_the_rows() -> None:
    table = ablation_rows()
    figure = ablations(table)
    for row in table.to_dict("records"):
        for axis in ("transfer", "localization"):
            point = line(figure, f"{row['ablation']}:d_{axis}")
            assert point.get_xdata()[0] == pytest.approx(row[f"d_{axis}"])
            place = point.get_ydata()[0]
            bars = [x for x in point.axes.lines if len(x.get_xdata()) == 2 and list(x.get_ydata()) == [place, place]]
            assert list(bars[0].get_xdata()) == pytest.approx([row[f"d_{axis}_lo"], row[f"d_{axis}_hi"]])


def test_other_choices_stand_above_the_ablations_and_the_oracle_is_hollow() -> None:
    table = ablation_rows()
    plans = table.iloc[:2].assign(plan=["a priori", "oracle"]).drop(columns=["ablation", "group"])
    figure = ablations(table, plans)
    order = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert order == ["searched", "a priori", "oracle", "EN alone", "random vectors"]
    assert line(figure, "oracle:d_transfer").get_markerfacecolor() == "white"
    assert line(figure, "a priori:d_transfer").get_markerfacecolor() != "white"


def test_a_table_without_the_searched_plan_is_refused() -> None:
    with pytest.raises(ValueError, match="one row of the group 'searched', got 0"):
        ablations(ablation_rows().iloc[1:])


def noise_rows() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = []
    for kind in ("vectors", "vectors and roles"):
        for seed in range(9):
            row: dict[str, object] = {"random": kind, "seed": seed}
            for axis in ("transfer", "localization"):
                value = rng.uniform(-0.05, 0.05)
                row |= {f"d_{axis}": value, f"d_{axis}_lo": value - 0.02, f"d_{axis}_hi": value + 0.02}
                row[f"dev_d_{axis}"] = value + 0.05
            rows.append(row)
    return pd.DataFrame(rows)


def test_searches_over_noise_are_drawn_in_order_and_counted() -> None:
    table = noise_rows()
    figure = noise(table)
    assert len(figure.axes) == 4
    for axes, (kind, axis) in zip(
        figure.axes,
        [(k, a) for k in ("vectors", "vectors and roles") for a in ("transfer", "localization")],
        strict=True,
    ):
        rows = table[table["random"] == kind]
        [test] = [x for x in axes.lines if x.get_gid() == f"{axis}:test"]
        [dev] = [x for x in axes.lines if x.get_gid() == f"{axis}:dev"]
        assert list(test.get_ydata()) == sorted(rows[f"d_{axis}"])
        assert sorted(dev.get_ydata()) == sorted(rows[f"dev_d_{axis}"])
        above = int((rows[f"d_{axis}_lo"] > 0).sum())
        assert f"above 0: {above} of 9" in axes.texts[0].get_text()


@pytest.mark.slow
def test_both_repeat_byte_for_byte(tmp_path) -> None:
    for name, make in (("a", lambda: ablations(ablation_rows())), ("n", lambda: noise(noise_rows()))):
        first = save(make(), tmp_path / f"{name}1")
        second = save(make(), tmp_path / f"{name}2")
        assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
