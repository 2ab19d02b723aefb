"""Turn scores into the run's tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from interp.names import BASE, CONTROLS, MACRO, STEERED
from interp.plane import Cells, chance_table, contrast, estimate, front_shares, points
from interp.study.methods import KEEP, of_seed, on_top
from probes import Interval, holm

_COMPARED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("en", BASE, ("transfer", "transfer_specific", "transfer_all")),
    ("en", "third_language", ("transfer", "transfer_specific")),
    ("en", "nonfactual_en", ("transfer", "transfer_specific")),
    ("en", BASE, ("answer_language", "localization")),
    ("loc", BASE, ("localization",)),
    ("loc", "wrong_culture", ("localization",)),
    ("loc", "placebo_cue", ("localization",)),
    ("loc", BASE, ("transfer",)),
    ("loc_contrast", BASE, ("localization",)),
    ("loc_language", BASE, ("localization",)),
    ("loc_language", "wrong_language", ("localization",)),
    ("loc_language", BASE, ("transfer",)),
    ("surgical", BASE, ("transfer", "transfer_specific", "localization")),
    ("surgical", "loc", ("transfer",)),
    ("surgical", "en", ("localization",)),
    ("surgical_language", BASE, ("transfer", "transfer_specific", "localization")),
    ("surgical_language", "loc_language", ("transfer",)),
    ("surgical_language", "en", ("localization",)),
    ("surgical_language", "surgical", ("transfer", "localization")),
)
"""(method, against, metrics), in the order of the rows of `contrasts.csv`."""

CRITERIA = tuple((metric, method, against) for method, against, metrics in _COMPARED for metric in metrics)
"""(metric, method, against): what has to hold before an effect may be called transfer or localization, and more."""


TRAINED_METRICS = (
    "transfer", "transfer_specific", "transfer_sensitive", "localization", "explicit_localization", "us_bias",
    "preference", "answer_language",
)  # fmt: skip
"""What a trained method, and a saved plan, is compared with base on."""

ON_TOP = (
    ("localization", "loc", BASE),
    ("transfer", "loc", BASE),
    ("localization", "loc", "wrong_culture"),
    ("transfer", "en", BASE),
    ("localization", "en", BASE),
    ("transfer", "surgical", BASE),
    ("localization", "surgical", BASE),
)
"""(metric, steering on top of a trained method, against what on top of it)."""


def interval_columns(name: str, interval: Interval) -> dict[str, float]:
    """The columns of an estimate in a table: `name`, `name_lo` and `name_hi`."""
    return {name: interval.estimate, f"{name}_lo": interval.lo, f"{name}_hi": interval.hi}


def is_control(method: str) -> bool:
    """Whether a row is a control, on the base model or on top of a trained one."""
    return method.rpartition("+")[2] in CONTROLS


def members_of(methods: Iterable[str], draws: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Row of a table -> the methods that it is the median of: the method itself or, of a control, its draws."""
    drawn = {draw for members in draws.values() for draw in members}
    return {method: [method] for method in methods if method not in drawn} | dict(draws)


def compared_methods(methods: Iterable[str]) -> list[str]:
    """Rows that fronts are drawn of: no controls, and no single seeds of which another row is the mean."""
    return [method for method in methods if not is_control(method) and not of_seed(method)]


def criteria(trained: Sequence[str]) -> list[tuple[str, str, str]]:
    """CRITERIA, and for every trained method: against base, steered against not, and Surgical Steering against both."""
    rows = list(CRITERIA)
    for name in trained:
        rows += [(metric, name, BASE) for metric in TRAINED_METRICS]
        rows += [(metric, on_top(name, top), on_top(name, other)) for metric, top, other in ON_TOP]
        for metric in ("transfer", "localization"):
            rows += [(metric, on_top(name, "surgical"), BASE), (metric, "surgical", name)]
            if name.endswith(KEEP) and name.removesuffix(KEEP) in trained:
                rows.append((metric, name, name.removesuffix(KEEP)))
    return rows


def plane_table(
    cells: Cells,
    draws: Mapping[str, Sequence[str]],
    names: Mapping[str, str],
    cultures: Mapping[str, str],
    chance: tuple[float, float],
) -> pd.DataFrame:
    """The rows of `plane.csv`: every method, then the controls as medians of their draws.

    cells: of outcomes `with_neither`. chance: of transfer, and of localization. front: of the resampled planes, the
    share in which a method is on the Pareto front of those that are `compared`.
    """
    methods = members_of(cells.methods, draws)
    table = points(cells, methods, cultures, chance[0]).merge(chance_table(cells), on="language", how="left")
    table.insert(list(table).index("chance") + 1, "chance_cultural", chance[1])
    real = compared_methods(methods)
    shares = {code: front_shares(cells, real, code) for code in (*cells.languages, MACRO)}
    table["front"] = [shares[code].get(m, np.nan) for code, m in zip(table["language"], table["method"], strict=True)]
    for number, key in enumerate(("model", "universal", "cultural")):
        table.insert(number, key, names[key])
    return table


def contrast_table(cells: Cells, trained: Sequence[str], seed: int) -> pd.DataFrame:
    """The rows of `contrasts.csv`: `criteria` for the macro-average and each language, with Holm-adjusted p.

    The adjustment runs over the real methods that are compared with base on one metric in one language.
    """
    rows = [
        contrast(cells, metric, method, against, language, seed)
        for language in (MACRO, *cells.languages)
        for metric, method, against in criteria(trained)
        if method in cells.methods and against in cells.methods
    ]
    real = [m for m in cells.methods if m in STEERED or m.partition("+")[0] in trained]
    return _adjusted(pd.DataFrame(rows), real)


def base_contrasts(cells: Cells, seed: int) -> pd.DataFrame:
    """Every method against base on `TRAINED_METRICS`, in the columns of `contrasts.csv`.

    The adjustment runs over the methods that are not controls, on one metric in one language.
    """
    methods = [method for method in cells.methods if method != BASE]
    rows = [
        contrast(cells, metric, method, BASE, language, seed)
        for language in (MACRO, *cells.languages)
        for metric in TRAINED_METRICS
        for method in methods
    ]
    return _adjusted(pd.DataFrame(rows), [method for method in methods if not is_control(method)])


def _adjusted(table: pd.DataFrame, family: Sequence[str]) -> pd.DataFrame:
    """Contrasts with `p_holm`, over the methods of `family` against base on one metric in one language."""
    table["p_holm"] = np.nan
    adjusted = (table["against"] == BASE) & table["method"].isin(family) & table["p"].notna()
    for _, group in table[adjusted].groupby(["metric", "language"]):
        table.loc[group.index, "p_holm"] = holm(group["p"].to_numpy())
    return table


def control_table(cells: Cells, draws: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """The rows of `controls.csv`: every draw's difference from base, with how many draws each real method beats."""
    rows = []
    pairs = ("surgical", "surgical_language")
    for language in (MACRO, *cells.languages):
        for axis, metric, methods in (
            ("universal", "transfer", ("en", *pairs)),
            ("cultural", "localization", ("loc", "loc_contrast", "loc_language", *pairs)),
        ):
            base = cells.estimate(BASE, language, metric)
            real = {m: cells.estimate(m, language, metric) - base for m in methods if m in cells.methods}
            for control, members in draws.items():
                values = [cells.estimate(m, language, metric) - base for m in members]
                beaten = {f"beaten_by_{m}": sum(v < value for v in values) for m, value in real.items()}
                rows += [
                    {"control": control, "draw": draw, "axis": axis, "metric": metric, "language": language,
                     "difference": value, **beaten}
                    for draw, value in enumerate(values)
                ]  # fmt: skip
    return pd.DataFrame(rows)


def with_effects(layers: pd.DataFrame, effects: Cells) -> pd.DataFrame:
    """The rows of `layers.csv` with the effect of EN and of LOC at strength 1 at that layer, where it was scored."""
    columns = []
    for layer, language in zip(layers["layer"], layers["language"], strict=True):
        row: dict[str, float] = {}
        for method in ("en", "loc"):
            for metric in ("transfer", "localization"):
                if f"{method}@{layer}" in effects.methods:
                    change = estimate(effects, [f"{method}@{layer}"], language, metric, minus=BASE)
                    row |= interval_columns(f"d_{metric}_{method}", change)
        columns.append(row)
    return pd.concat([layers, pd.DataFrame(columns, index=layers.index)], axis=1)
