"""The plane: what is drawn is what the table says."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text

from figures import _theme as theme
from figures import plane, plane_by_language
from figures._plane import pareto

POINTS = {
    "base": (0.52, 0.48),
    "en": (0.63, 0.36),
    "loc": (0.50, 0.62),
    "loc_language": (0.505, 0.60),
    "surgical": (0.62, 0.58),
    "surgical_language": (0.615, 0.575),
    "midalign": (0.66, 0.33),
    "clo": (0.61, 0.38),
    "loc_rotated": (0.51, 0.61),
    "random": (0.515, 0.475),
    "shuffled": (0.525, 0.465),
    "third_language": (0.54, 0.45),
    "nonfactual_en": (0.535, 0.47),
    "wrong_culture": (0.505, 0.44),
    "placebo_cue": (0.51, 0.50),
    "wrong_language": (0.56, 0.46),
}


def make_table(places: tuple[tuple[str, str], ...] = (("macro", ""), ("en", "US"), ("el", "GR"))) -> pd.DataFrame:
    rows = []
    for i, (language, culture) in enumerate(places):
        for method, (x, y) in POINTS.items():
            x, y = x + 0.01 * i, np.nan if language == "en" else y - 0.02 * i
            row = {"model": "m", "method": method, "language": language, "culture": culture, "chance": 0.25}
            row |= {"transfer": x, "transfer_lo": x - 0.01, "transfer_hi": x + 0.02}
            row |= {"localization": y, "localization_lo": y - 0.03, "localization_hi": y + 0.04}
            rows.append(row)
    return pd.DataFrame(rows)


def artist(figure: Figure, gid: str) -> Artist:
    (found,) = figure.findobj(lambda each: each.get_gid() == gid)
    return found


def data(figure: Figure, gid: str) -> list[list[float]]:
    line = artist(figure, gid)
    assert isinstance(line, Line2D)
    return np.asarray(line.get_xydata()).tolist()


def labels(figure: Figure) -> list[Annotation]:
    found = figure.findobj(lambda each: str(each.get_gid()).startswith("label:"))
    return [each for each in found if isinstance(each, Annotation)]


@pytest.mark.parametrize("language", ["macro", "el"])
def test_points_and_intervals_are_the_tables(language: str) -> None:
    table = make_table()
    figure = plane(table, language=language)
    rows = table[table["language"] == language]
    for row in rows.to_dict("records"):
        x, y, gid = row["transfer"], row["localization"], f"{language}:{row['method']}"
        assert data(figure, f"{gid}:point") == [[x, y]]
        assert data(figure, f"{gid}:x-interval") == [[row["transfer_lo"], y], [row["transfer_hi"], y]]
        assert data(figure, f"{gid}:y-interval") == [[x, row["localization_lo"]], [x, row["localization_hi"]]]
    (axes,) = figure.axes
    low, high = axes.get_xlim()
    assert low < rows["transfer_lo"].min()
    assert rows["transfer_hi"].max() < high


def test_arrows_go_from_base_to_the_real_methods_only() -> None:
    figure = plane(make_table())
    arrows = [each for each in figure.findobj(Annotation) if str(each.get_gid()).endswith(":arrow")]
    assert {str(each.get_gid()).split(":")[1] for each in arrows} == {
        method for method in POINTS if method != "base" and not theme.is_control(method)
    }
    for each in arrows:
        assert each.xyann == POINTS["base"]
        assert each.xy == POINTS[str(each.get_gid()).split(":")[1]]


def test_front_runs_over_the_unbeaten_real_methods() -> None:
    table = make_table()
    table.loc[table["method"] == "random", ["transfer", "localization"]] = 0.9
    front = data(plane(table), "macro:front")[1:-1]
    assert front == [list(POINTS[name]) for name in ("loc", "loc_rotated", "surgical", "en", "midalign")]


def test_pareto_keeps_ties_and_drops_the_beaten() -> None:
    points = np.array([[0, 1], [1, 0], [1, 0], [0.5, 0.5], [0, 0], [0.5, 0.4]])
    assert pareto(points).tolist() == [True, True, True, True, False, False]


def test_chance_lines_and_controls_in_grey() -> None:
    figure = plane(make_table())
    for axis in ("transfer", "localization"):
        line = artist(figure, f"macro:chance-{axis}:0.25")
        assert isinstance(line, Line2D)
        assert line.get_linestyle() == ":"
    for method in filter(theme.is_control, POINTS):
        point = artist(figure, f"macro:{method}:point")
        assert isinstance(point, Line2D)
        assert point.get_color() == theme.GREY


def test_the_line_of_localization_is_its_effective_chance() -> None:
    figure = plane(make_table().assign(chance_effective=0.5))
    artist(figure, "macro:chance-transfer:0.25")
    artist(figure, "macro:chance-localization:0.5")
    assert not figure.findobj(lambda each: each.get_gid() == "macro:chance-localization:0.25")
    (legend,) = figure.legends
    assert legend.get_texts()[-1].get_text() == "chance (0.50)"  # that of transfer lies outside the axes


def test_markers_differ_and_the_legend_explains_each() -> None:
    figure = plane(make_table())
    points = [artist(figure, f"macro:{method}:point") for method in POINTS]
    markers = [str(point.get_marker()) for point in points if isinstance(point, Line2D)]
    assert len(set(markers)) == len(POINTS)
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert [str(point.get_label()) for point in points] == texts[: len(POINTS)]
    assert texts[len(POINTS) :] == ["Pareto front", "95% interval", "chance (0.25)"]


def test_labels_overlap_neither_each_other_nor_points_and_stay_inside() -> None:
    figure = plane(make_table())
    assert isinstance(figure.canvas, FigureCanvasAgg)
    renderer = figure.canvas.get_renderer()
    figure.draw_without_rendering()
    texts = [Text.get_window_extent(each, renderer) for each in labels(figure)]
    assert len(texts) == sum(not theme.is_control(method) for method in POINTS)
    (axes,) = figure.axes
    frame = axes.get_window_extent()
    anchors = axes.transData.transform(list(POINTS.values()))
    for i, box in enumerate(texts):
        assert not any(box.overlaps(other) for other in texts[i + 1 :])
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1
        assert frame.y0 <= box.y0
        assert box.y1 <= frame.y1
        assert not any(box.contains(x, y) for x, y in anchors)


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_the_legend_of_every_method_stays_on_the_page(columns: int) -> None:
    table = make_table().assign(chance_effective=0.5)
    places = (("es", "ES"), ("ko", "KR"), ("el", "GR"))
    figure = plane(table) if columns == 1 else plane_by_language(make_table(places), columns=columns)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1


def test_chosen_methods_are_drawn_with_base() -> None:
    figure = plane(make_table(), methods=["surgical", "random"])
    points = [each.get_gid() for each in figure.findobj(Line2D) if str(each.get_gid()).endswith(":point")]
    assert points == ["macro:base:point", "macro:surgical:point", "macro:random:point"]


def test_numbered_controls_share_one_legend_entry() -> None:
    table = make_table()
    draws = [table[table["method"] == "random"].assign(method=f"random_{i:02d}") for i in range(20)]
    figure = plane(pd.concat([table, *draws], ignore_index=True))
    assert len(figure.legends[0].get_texts()) == len(POINTS) + 3
    assert data(figure, "macro:random_19:point") == [list(POINTS["random"])]


def test_small_multiples_one_per_language_and_culture() -> None:
    table = make_table((("macro", ""), ("en", "US"), ("el", "GR"), ("es", "ES"), ("es", "MX")))
    figure = plane_by_language(table)
    drawn = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title(loc="left") for axes in drawn] == ["Ελληνικά (el)", "español (es) ES", "español (es) MX"]
    together = [axes for axes in plane_by_language(table, shared=True).axes if axes.axison]
    for panels, limits in ((drawn, 3), (together, 1)):
        assert len({(axes.get_xlim(), axes.get_ylim()) for axes in panels}) == limits
    row = table[(table["culture"] == "MX") & (table["method"] == "surgical")].iloc[0]
    assert data(figure, "es-MX:surgical:point") == [[row["transfer"], row["localization"]]]


def test_localization_has_its_own_chance_where_its_questions_have_fewer_options() -> None:
    figure = plane(make_table().assign(chance_cultural=0.5, chance_effective=np.nan))
    artist(figure, "macro:chance-transfer:0.25")
    artist(figure, "macro:chance-localization:0.5")


def test_changes_start_at_base_and_have_the_differences_intervals() -> None:
    table = make_table()
    for axis in ("transfer", "localization"):
        table[f"d_{axis}"] = table[axis] - 0.5
        table[f"d_{axis}_lo"], table[f"d_{axis}_hi"] = table[f"d_{axis}"] - 0.01, table[f"d_{axis}"] + 0.01
    figure = plane(table, changes=True)
    row = table[(table["method"] == "surgical") & (table["language"] == "macro")].iloc[0]
    assert data(figure, "macro:surgical:point") == [[row["d_transfer"], row["d_localization"]]]
    assert data(figure, "macro:base:point") == [[0.0, 0.0]]
    assert data(figure, "macro:surgical:x-interval")[0][0] == pytest.approx(row["d_transfer_lo"])
    assert "chance" not in figure.legends[0].get_texts()[-1].get_text()
    with pytest.raises(ValueError, match="lacks the columns"):
        plane(make_table(), changes=True)


def test_same_bytes_when_drawn_again(tmp_path: Path) -> None:
    first = theme.save(plane(make_table()), tmp_path / "first")
    again = theme.save(plane(make_table()), tmp_path / "again")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]


def test_a_missing_interval_leaves_the_point() -> None:
    table = make_table()
    table[["localization_lo", "localization_hi"]] = np.nan
    assert data(plane(table), "macro:en:point") == [list(POINTS["en"])]


def test_refusals_name_what_is_wrong() -> None:
    table = make_table()
    two_cultures = make_table((("es", "ES"), ("es", "MX")))
    cases: list[tuple[pd.DataFrame, dict[str, Any], str]] = [
        (table.drop(columns=["transfer_lo", "chance"]), {}, r"lacks the columns \['transfer_lo', 'chance'\]"),
        (table.iloc[:0], {}, "no rows"),
        (table, {"language": "xx"}, "no language 'xx'.*macro"),
        (table, {"methods": ["nope"]}, "unknown methods.*nope"),
        (table, {"language": "en"}, "no finite transfer and localization"),
        (table[table["method"] != "base"], {}, "no row of the method 'base'"),
        (two_cultures, {"language": "es"}, "more than one row"),
        (two_cultures, {"language": "es", "culture": "GR"}, "no culture 'GR'"),
        (pd.concat([table, table.assign(model="other")]), {}, "mixes models"),
    ]
    for frame, options, message in cases:
        with pytest.raises(ValueError, match=message):
            plane(frame, **options)
    with pytest.raises(ValueError, match="no language with a localization"):
        plane_by_language(make_table((("macro", ""), ("en", "US"))))
    assert plane(two_cultures, language="es", culture="MX").axes


def with_trained() -> pd.DataFrame:
    """The macro rows, with a trained model of two seeds and steering on top of it."""
    table = make_table((("macro", ""),))
    below = table[table["method"] == "midalign"]
    tops = (
        "midalign@0",
        "midalign+loc",
        "midalign@0+loc",
        "midalign+surgical",
        "midalign+en",
        "midalign+wrong_culture",
    )
    more = [below.assign(method=name, transfer=0.7 + 0.01 * i) for i, name in enumerate(tops)]
    return pd.concat([table, *more], ignore_index=True)


def test_steered_trained_models_have_the_models_colour_and_the_steerings_marker() -> None:
    looks = theme.looks(["base", "midalign", "midalign+loc", "midalign+wrong_culture", "midalign+surgical"])
    assert looks["midalign+loc"].color == theme.KNOWN["midalign"].color != theme.KNOWN["loc"].color
    assert looks["midalign+loc"].marker == theme.KNOWN["loc"].marker
    assert looks["midalign+surgical"].label == "MidAlign + surgical"
    assert looks["midalign+wrong_culture"].control
    assert theme.is_control("midalign+wrong_culture")
    assert not theme.is_control("midalign+loc")


def test_a_plane_leaves_out_seeds_and_controls_and_en_on_top_unless_asked() -> None:
    drawn = {str(each.get_gid()) for each in plane(with_trained()).findobj() if each.get_gid()}
    points = {gid.split(":")[1] for gid in drawn if gid.endswith(":point")}
    assert points == {*POINTS, "midalign+loc", "midalign+surgical"}
    asked = plane(with_trained(), methods=["midalign+en", "midalign@0"])
    shown = {str(each.get_gid()) for each in asked.findobj() if each.get_gid()}
    assert {gid.split(":")[1] for gid in shown if gid.endswith(":point")} == {"base", "midalign+en", "midalign@0"}


def test_a_legend_of_long_names_stays_within_the_picture() -> None:
    table = with_trained()
    below = table[table["method"] == "midalign"]
    long = [f"{model}+{top}" for model in ("instruct", "midalign_keep", "clo") for top in ("loc", "surgical")]
    figure = plane(pd.concat([table, *(below.assign(method=name) for name in long)], ignore_index=True))
    with theme.style():
        figure.draw_without_rendering()
    [legend] = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
