"""What a search keeps: every candidate with its gains on dev, and the sweep over the whole grid."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.names import BASE, MACRO
from interp.plane import Cells, Resampling, estimate
from interp.progress import Advance
from interp.steering import Strength, is_share, label, size, strength_column
from interp.study.ask import Study
from interp.study.fit import Vectors
from interp.study.folder import write_csv
from interp.study.score import interval_columns
from interp.study.search._choose import CONTROL_AXES
from interp.study.search._chosen import ChosenPlans, Sought
from interp.study.search._design import Design
from interp.study.search._rounds import AXES, METRIC, NONE, SplitTasks, gain_table
from probes import cluster_weights

CANDIDATES, LAYERS_CHOSEN = "candidates.parquet", "layers_chosen.csv"
POWER = 1.96 + 0.84
"""Standard errors of the smallest effect that a two-sided test at .05 finds in 80% of samples."""


def write_candidates(folder: Path, study: Study, methods: Sought, rows: pd.DataFrame, chosen: ChosenPlans) -> None:
    """Write `candidates.parquet` and `layers_chosen.csv`."""
    candidate_table(study.design, methods, rows, chosen).to_parquet(folder / CANDIDATES, index=False)
    write_csv(folder / LAYERS_CHOSEN, layer_shares(study, methods, rows))


def candidate_table(design: Design, methods: Sought, rows: pd.DataFrame, chosen: ChosenPlans) -> pd.DataFrame:
    """Every plan that was scored on dev: per method, language, round, layer and strength of EN and of LOC.

    d_transfer, d_localization: gain in the probability of the right (local) option, over the prompts of this round and
    of those before it; NaN on an axis that the choice doesn't go by. n_universal, n_cultural: those prompts. chosen:
    whether the language's plan is this one.
    """
    keys = ["search", "language", "round", "en", "loc"]
    own = rows[rows["search"].isin(methods.names)]
    sums = own.groupby([*keys, "axis"])["gain"].agg(["sum", "count"]).reset_index()
    sums = sums.sort_values([*keys, "axis"], kind="stable")
    before = sums.groupby(["search", "language", "en", "loc", "axis"])[["sum", "count"]].cumsum()
    table = sums[[*keys, "axis"]].assign(gain=before["sum"] / before["count"], n=before["count"])
    wide = table.pivot(index=keys, columns="axis", values=["gain", "n"])
    plans = wide.index.to_frame(index=False)
    for axis, metric in METRIC.items():
        scored = ("gain", axis) in wide.columns
        plans[f"d_{metric}"] = wide["gain", axis].to_numpy() if scored else np.nan
        plans[f"n_{axis}"] = wide["n", axis].fillna(0).astype(int).to_numpy() if scored else 0
    cells = design.cells
    for side in ("en", "loc"):
        layers = [None if cell == NONE else cells[cell][0] for cell in plans[side]]
        plans[f"{side}_layer"] = pd.array(layers, dtype="Int64")
        plans[f"{side}_strength"] = ["" if cell == NONE else label(cells[cell][1]) for cell in plans[side]]
    plans["chosen"] = [
        [cells[cell] for cell in (en, loc) if cell != NONE] == chosen[name][code].cells
        for name, code, en, loc in zip(plans["search"], plans["language"], plans["en"], plans["loc"], strict=True)
    ]
    plans["round"] += 1
    order = {name: number for number, name in enumerate(methods.names)}
    plans = plans.rename(columns={"search": "method"}).drop(columns=["en", "loc"])
    return plans.sort_values("method", key=lambda names: names.map(order), kind="stable").reset_index(drop=True)


def layer_shares(study: Study, methods: Sought, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of `layers_chosen.csv`: how often a method's choice in the last round falls on each layer.

    Dev clusters are drawn anew `bootstrap_draws` times and the choice is made again by the same rule, per language as
    if it chose for itself, and for `macro` over all languages together. Columns: method, language, vector (`en` or
    `loc`), layer, share.
    """
    dev, shares = SplitTasks(study), []
    for name in methods.names:
        own = rows[rows["search"] == name]
        last = own[own["round"] == own["round"].max()]
        alive = pd.MultiIndex.from_frame(last[["en", "loc"]].drop_duplicates())
        own = own[pd.MultiIndex.from_frame(own[["en", "loc"]]).isin(alive)]
        gains = {code: _redrawn(dev, own[own["language"] == code], code) for code in study.languages}
        for language in (*study.languages, MACRO):
            some = list(gains.values()) if language == MACRO else [gains[language]]
            pairs = [pair for pair in some[0] if all(pair in by_pair for by_pair in some)]
            if not pairs:
                continue
            mean = np.mean([[by_pair[pair].means for pair in pairs] for by_pair in some], axis=0)
            errors = [[_error([by_pair[pair].gains[axis] for by_pair in some]) for axis in (0, 1)] for pair in pairs]
            gain, bounded = mean - np.array(errors)[:, :, None], (mean[:, 0], mean[:, 1])
            ranks = np.nansum(gain, axis=1)
            if name in methods.pairs:
                ranks = study.config.rule.rank(gain[:, 0], gain[:, 1], bounded)
            picked = [pairs[best] for best in ranks.argmax(axis=0)]
            shares += [{"method": name, "language": language} | row for row in _shares(study.design, picked)]
    return pd.DataFrame(shares)


def _shares(design: Design, picked: Sequence[tuple[int, int]]) -> Iterator[dict[str, object]]:
    """Each vector's layers, and their shares of the picked cells of (EN, LOC)."""
    for vector, cells in zip(("en", "loc"), zip(*picked, strict=True), strict=True):
        layers = [design.cells[cell][0] for cell in cells if cell != NONE]
        for layer, n in zip(*np.unique(layers, return_counts=True), strict=True):
            yield {"vector": vector, "layer": layer, "share": n / len(picked)}


class _Redrawn(NamedTuple):
    """A plan's mean gains over redrawn clusters, by axis (NaN without prompts), and its gains on the prompts of dev."""

    means: Float[np.ndarray, "axis draw"]
    gains: tuple[Float[np.ndarray, "prompt"], ...]


def _error(gains: Sequence[Float[np.ndarray, "prompt"]]) -> float:
    """The standard error of a mean over the prompts of all languages, as `cautious` takes it; NaN without prompts."""
    together = np.concatenate(gains)
    return float(together.std(ddof=1)) / len(together) ** 0.5 if len(together) > 1 else 0.0 if len(together) else np.nan


def _redrawn(dev: SplitTasks, rows: pd.DataFrame, code: str) -> Mapping[tuple[int, int], _Redrawn]:
    """What is redrawn of each plan in a language."""
    config, gains = dev.study.config, dict[tuple[int, int], _Redrawn]()
    empty = np.full(config.bootstrap_draws, np.nan)
    for pair in sorted(set(zip(rows["en"].tolist(), rows["loc"].tolist(), strict=True))):
        own = rows[(rows["en"] == pair[0]) & (rows["loc"] == pair[1])]
        means, prompts = [], []
        for axis in AXES:
            some = own[own["axis"] == axis].drop_duplicates("prompt", keep="last")
            if not len(some):
                means.append(empty)
                prompts.append(np.empty(0))
                continue
            tasks = dev.tasks(axis, code)
            _, clusters = np.unique([tasks[place].cluster for place in some["prompt"]], return_inverse=True)
            n = clusters.max() + 1
            sums = np.bincount(clusters, some["gain"], n), np.bincount(clusters, minlength=n)
            weights = cluster_weights(n, config.bootstrap_draws, config.seed + (axis == "cultural")).astype(float)
            means.append((weights @ sums[0]) / np.maximum(weights @ sums[1], 1))
            prompts.append(some["gain"].to_numpy(float))
        gains[pair] = _Redrawn(np.stack(means), tuple(prompts))
    return gains


def smallest_effects(study: Study, rows: pd.DataFrame, chosen: ChosenPlans) -> dict[str, float]:
    """The smallest change of transfer and of localization, over all languages, that is detected on test with 80% power.

    Estimated from the item-by-item variance of the chosen EN's (LOC's) change on dev, scaled to the clusters of the
    test split: (1.96 + 0.84) standard errors. Our definition. An axis has no entry if nothing was chosen on it, or if
    the choice changes no answer on dev, because the variance is then unknown.
    """
    dev, effects = SplitTasks(study), {}
    for axis, method in CONTROL_AXES.items():
        if method not in chosen:
            continue
        own, side = rows[(rows["search"] == method) & (rows["axis"] == axis)], "en" if axis == "universal" else "loc"
        sums: dict[str, list[float]] = {}
        for code, choice in chosen[method].items():
            cell = study.design.cells.index(choice.cells[0])
            scored = own[(own["language"] == code) & (own[side] == cell)]
            if not len(scored):
                continue
            mean = scored["hit"].mean()
            for place, hit in zip(scored["prompt"], scored["hit"], strict=True):
                cluster = dev.tasks(axis, code)[place].cluster
                sums.setdefault(cluster, []).append((hit - mean) / len(scored))
        if not sums:
            continue
        languages = len(chosen[method])
        error = np.sqrt(sum(sum(parts) ** 2 for parts in sums.values())) / languages
        tested = {task.cluster for code in study.languages for task in study.tasks(axis, code, "test")}
        if error > 0:
            effects[METRIC[axis]] = POWER * float(error) * float(np.sqrt(len(sums) / len(tested)))
    return effects


Cell = tuple[str, int, Strength]
"""(en or loc, layer, strength)."""


def sweep_cells(design: Design, chosen: Container[str]) -> list[Cell]:
    """Every layer and strength of the grid, for EN and LOC where they were chosen."""
    methods = [method for method in ("en", "loc") if method in chosen and design.swept]
    return [(method, layer, strength) for method in methods for layer, strength in design.cells]


def sweep_in(dev: SplitTasks, vectors: Vectors, cells: Sequence[Cell], code: str, advance: Advance) -> pd.DataFrame:
    """One row per cell, base included, and dev prompt in a language: the choice's share on the right (local) option.

    Columns: method (`en@3@0.5`, or base), axis, language, item, cluster, hit.
    """

    study = dev.study

    def make() -> pd.DataFrame:
        plans = {
            _name((method, layer, strength)): vectors[method][code].plan(
                layer, strength, positions=study.config.positions
            )
            for method, layer, strength in cells
        }
        table = gain_table(dev, code, plans, advance)
        table["hit"] = table["transfer"].fillna(table["localization"])
        return table[["method", "axis", "language", "item", "cluster", "hit"]]

    return study.parts.frame(f"sweep/{code}", make)


def sweep_table(hits: pd.DataFrame, cells: Sequence[Cell], chosen: ChosenPlans, resampling: Resampling) -> pd.DataFrame:
    """The rows of `sweep.csv`: change from base in accuracy and localization of every cell, per language and `macro`.

    hits: rows of `sweep_in`, all languages. chosen: 1 where the cell was chosen for the language, for `macro` how many
    languages chose it.
    """
    rated = {metric: hits["hit"].where(hits["axis"] == axis) for axis, metric in METRIC.items()}
    means = Cells(hits.assign(**rated), resampling)
    picked = {(m, code, *choice.steers[0][1:]) for m, by in chosen.items() for code, choice in by.items()}
    rows: list[dict[str, object]] = []
    for cell in cells:
        method, layer, strength = cell
        choosing = [code for code in means.languages if (method, code, layer, strength) in picked]
        for language in (*means.languages, MACRO):
            row: dict[str, object] = {"method": method, "layer": layer, "strength": strength, "language": language}
            for metric in METRIC.values():
                change = estimate(means, [_name(cell)], language, metric, minus=BASE)
                row |= interval_columns(f"d_{metric}", change)
            rows.append(row | {"chosen": len(choosing) if language == MACRO else int(language in choosing)})
    table = pd.DataFrame(rows)
    return table.assign(strength=strength_column(table["strength"])) if len(table) else table


WINDOW = ("method", "layer", "language", "first_gain", "last_usable", "first_damage", "usable")


def window_table(sweep: pd.DataFrame) -> pd.DataFrame:
    """The rows of `windows.csv`: which strengths of a vector can be used at a layer, of the rows of `sweep.csv`.

    first_gain: the smallest strength whose interval on the vector's own axis lies above 0. first_damage: the smallest
    larger one whose interval lies below 0 on either axis. last_usable: the largest strength before it; usable: how many
    strengths lie from first_gain to last_usable. Empty cells where there is none (0 for usable). On dev, as the sweep.
    """
    rows = []
    for (method, layer, language), cells in sweep.groupby(["method", "layer", "language"], sort=False):
        own = METRIC["universal" if method == "en" else "cultural"]
        ordered = sorted(cells.to_dict("records"), key=lambda row: (is_share(row["strength"]), size(row["strength"])))
        gains = [row[f"d_{own}_lo"] > 0 for row in ordered]
        harms = [any(row[f"d_{metric}_hi"] < 0 for metric in METRIC.values()) for row in ordered]
        start = next((place for place, gain in enumerate(gains) if gain and not harms[place]), None)
        end = next((p for p, harm in enumerate(harms) if harm and (start is None or p > start)), len(ordered))
        names = [row["strength"] for row in ordered] + [None]
        window = (None, None) if start is None else (names[start], names[end - 1])
        rows.append((method, layer, language, *window, names[end], 0 if start is None else end - start))
    return pd.DataFrame(rows, columns=list(WINDOW))


def _name(cell: Cell) -> str:
    method, layer, strength = cell
    return f"{method}@{layer}@{label(strength)}"
