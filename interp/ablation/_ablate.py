"""What a run's surgical plan is worth on test: ablated, and beside the a-priori choice and the best of its pairs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from figures import estimate, number, other_way, read_table
from interp.ablation._ablations import Ablation, ablation_table, ablations, better_rows, means_of
from interp.ablation._regret import ORACLE, regret_table
from interp.model import HookedModel, LoadedModel
from interp.names import MACRO
from interp.plane import Cells
from interp.progress import Advance, Bars, Stages
from interp.steering import SURGICAL, Plan, SavedPlan, Setting, Side, read_strength
from interp.study.ask import Study
from interp.study.fit import FitResiduals, Fits, Fitted, Pairs, plan_of, read_fit
from interp.study.folder import Parts, Reopened, reopen, write_csv
from interp.study.locate import before_search, dfki_layer, quick_steps
from interp.study.search import CANDIDATES, SplitTasks, gain_table, method_of, searched
from probes import APrioriLayers

SEARCHED, A_PRIORI, SIXTHS, ONE = "searched", "a priori", "EN shallow, LOC deep", "one layer for both"
FINALIST = "finalist "

Settings = Mapping[str, Setting]
"""Language -> setting."""


@dataclass(frozen=True)
class Ablated:
    """What was added to a run, and in sentences what it says."""

    folder: Path
    ablations: pd.DataFrame
    regret: pd.DataFrame
    lines: list[str]


def ablate(folder: Path, progress: Stages | None = None, model: HookedModel | LoadedModel | None = None) -> Ablated:
    """Add ablations.csv, regret.csv and their figure to a finished run's folder, and update its report and manifest.

    model: used instead of the one in the run's settings. Raises a TranslocalError for mistakes that the user can
    correct, as `interp.study.folder.reopen` does. After an error or a stop, the run is unchanged.
    """
    begun, progress = time.perf_counter(), progress or Bars()
    run, fit = opened(folder, progress, model)
    study = run.study
    fits = Fitted(study, Pairs(study, fit))
    chosen = {code: setting_of(run.plans.saved(code)) for code in study.languages}
    with progress.stage("layers before search", quick_steps(study)) as advance:
        a_priori = a_priori_settings(study, before_search(study, fit, advance))
    plans = {SEARCHED: chosen} | ({A_PRIORI: a_priori} if a_priori else {}) | {SIXTHS: sixths(study)}
    plans |= {ONE: at_layers(study, *[dfki_layer(study, fit)] * 2)}
    rows = ablations(study, fit, fits, chosen)
    pairs = finalists(run)
    with run.store({"adds": "ablations"}) as store:
        test, dev = _scored(store, study, fits, plans, rows, pairs, progress)
        cells = Cells(test, study.resampling, means_of(rows))
        dev_cells = Cells(dev, study.resampling_of("dev"))
        names = {code: list(settings) for code, settings in pairs.items()}
        regret = regret_table(cells, dev_cells, study.config.rule, list(plans), names, study.config.seed)
        table = ablation_table(cells, rows, SEARCHED, study.config.seed)
        lines = list(sentences(regret, table))
        told = {"goal": study.config.rule.told, "found": lines, "seconds": round(time.perf_counter() - begun, 2)}
        with run.adding({"ablations": told}) as working:
            write_csv(working / "ablations.csv", table)
            write_csv(working / "regret.csv", regret)
    return Ablated(folder, table, regret, lines)


def opened(folder: Path, progress: Stages, model: HookedModel | LoadedModel | None) -> tuple[Reopened, FitResiduals]:
    """A finished run with its model, and the residuals of its fit split; errors as in `interp.study.folder.reopen`."""
    with progress.stage("loading", 1) as advance:
        run = reopen(folder, model)
        advance(run.study.loaded.name)
    with progress.stage("reading residuals", 1) as advance:
        fit = read_fit(run.study)
        advance("fit")
    return run, fit


def setting_of(plan: SavedPlan) -> Setting:
    """The setting of a run's surgical plan: both vectors by mean difference, strengths as they were chosen."""
    sides = {
        method_of(steer.vectors): Side("mean", steer.layer, strength, steer.operator, steer.positions)
        for steer, strength in zip(plan.steers, plan.strengths, strict=True)
    }
    return Setting(sides.get("en"), sides.get("loc"))


def sixths(study: Study) -> dict[str, Setting]:
    """A rule that looks at nothing: EN after a sixth of the blocks and LOC after five sixths, in every language.

    Our reading of "facts shallow, culture deep" (arXiv 2510.26024).
    """
    return at_layers(study, *(min(round(share * study.n_layers), study.n_layers - 2) for share in (1 / 6, 5 / 6)))


def at_layers(study: Study, en: int, loc: int) -> dict[str, Setting]:
    """In every language EN and LOC by mean difference at strength 1, each at its layer."""
    one, other = (Side("mean", layer, 1.0, positions=study.config.positions) for layer in (en, loc))
    return dict.fromkeys(study.languages, Setting(one, other))


def a_priori_settings(study: Study, layers: Mapping[str, APrioriLayers]) -> dict[str, Setting]:
    """Both vectors by mean difference, at strength 1, at the layers told before any search; EN alone without LOC's.

    Nothing where no layers are told.
    """

    def side(layer: int | None) -> Side | None:
        return None if layer is None else Side("mean", layer, 1.0, positions=study.config.positions)

    return {code: Setting(side(at.layer_en), side(at.layer_loc)) for code, at in layers.items() if code != MACRO}


def finalists(run: Reopened) -> dict[str, dict[str, Setting]]:
    """Language -> name -> each pair that the search of the surgical plan tried, but the one that it chose."""
    table = read_table(run.folder / CANDIDATES)
    tried = table[(table["method"] == SURGICAL) & ~table["chosen"].astype(bool)]
    positions = run.study.config.positions

    def side(row: Mapping[Any, Any], vector: str) -> Side:
        strength = read_strength(row[f"{vector}_strength"])
        return Side("mean", int(row[f"{vector}_layer"]), strength, positions=positions)

    pairs: dict[str, dict[str, Setting]] = {}
    for code in run.study.languages:
        own = tried[tried["language"] == code].to_dict("records")
        pairs[code] = {f"{FINALIST}{i:03d}": Setting(side(row, "en"), side(row, "loc")) for i, row in enumerate(own)}
    return pairs


def _scored(
    parts: Parts,
    study: Study,
    fits: Fits,
    plans: Mapping[str, Settings],
    rows: Sequence[Ablation],
    pairs: Mapping[str, Settings],
    progress: Stages,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Outcomes on test of plans, ablations and each language's pairs; on dev of plans, where the search looked."""
    plain = [(name, fits, settings) for name, settings in plans.items()]
    ablated = [(row.method, row.fits, row.settings) for row in rows]
    steps = sum(2 * (len(plain) + 1) + len(ablated) + len(pairs[code]) for code in study.languages)
    with progress.stage("scoring on test", steps) as advance:
        test = _table(parts, SplitTasks(study, "test"), fits, [*plain, *ablated], pairs, advance)
        dev = _table(parts, SplitTasks(study), fits, plain, {}, advance, searched(study))
    return test, dev


def _table(
    kept: Parts,
    items: SplitTasks,
    fits: Fits,
    rows: Sequence[tuple[str, Fits, Settings]],
    pairs: Mapping[str, Settings],
    advance: Advance,
    prompts: int | None = None,
) -> pd.DataFrame:
    parts = []
    for code in items.study.languages:
        plans: dict[str, Plan] = {name: plan_of(own, settings[code], code) for name, own, settings in rows}
        plans |= {name: plan_of(fits, setting, code) for name, setting in pairs.get(code, {}).items()}
        make = partial(gain_table, items, code, plans, advance, prompts)
        parts.append(kept.frame(f"{items.split}/{code}", make))
    return pd.concat(parts, ignore_index=True)


def sentences(regret: pd.DataFrame, ablated: pd.DataFrame) -> Iterator[str]:
    """Sentences on regret, optimism and ablations over all languages."""
    rows = {str(plan): some.to_dict("records") for plan, some in regret.groupby("plan", sort=False)}
    for plan in (plan for plan in rows if plan != ORACLE):
        own = rows[plan]
        crossed = next(row for row in own if row["language"] == MACRO)["regret_crossed"]
        yield (
            f"{plan} plan: transfer {_mean(own, 'd_transfer')}, localization {_mean(own, 'd_localization')}; regret "
            f"{_mean(own, 'regret')} against the best plan on test, {estimate(crossed, signed=True)} against the best "
            "plan chosen on other items"
        )
    own = rows[SEARCHED]
    yield (
        f"dev overestimated the searched plan by {_mean(own, 'optimism_transfer')} in transfer and "
        f"{_mean(own, 'optimism_localization')} in localization (in probability of the right and of the local option)"
    )
    better = better_rows(ablated)
    n = ablated["ablation"].nunique() - 1
    yield f"ablations better than the searched plan on both axes, of {n} (Holm-adjusted): {', '.join(better) or 'none'}"


def _mean(rows: Sequence[Mapping[Any, Any]], name: str) -> str:
    """The macro value with its interval, and the languages that go the other way."""
    row = next(row for row in rows if row["language"] == MACRO)
    return number(row, name, signed=True) + other_way(row[name], rows, name)
