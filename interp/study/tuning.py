"""Automatic Surgical Steering: plans searched on dev, told on test beside the choice without a search and the best."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from figures.numbers import estimate
from figures.wording import number, other_way
from interp.errors import ConfigError
from interp.files import write_json
from interp.model.loading import LoadedModel
from interp.model.protocol import HookedModel
from interp.plane import Cells
from interp.progress import Stages
from interp.rows import MACRO
from interp.steering.foreign import read_vectors
from interp.steering.goals import Goal
from interp.steering.plans import Plan
from interp.steering.saved import PLANS, SURGICAL, write_plans
from interp.steering.search import SearchSpace, Setting, Side, layer_grid
from interp.study import locate
from interp.study.ablations import ablation_table, ablations, means_of
from interp.study.choose import Advance
from interp.study.describing import described
from interp.study.fit import read_fit
from interp.study.fits import Fits, Fitted, plan_of
from interp.study.gains import gain_table
from interp.study.keeping import save_left_out
from interp.study.output import MANIFEST, draw_figures, run_folder, write_csv
from interp.study.paired import Pairs
from interp.study.prepare import Study, prepare, with_model
from interp.study.regret import ORACLE, layer_shares, regret_table
from interp.study.resolve import Inputs
from interp.study.searching import (
    Effort,
    Items,
    Scored,
    Searched,
    candidate_table,
    joined_gains,
    search,
    sides_of,
)
from interp.study.tuning_config import TuneConfig

SEARCHED, A_PRIORI, POOLED = "searched", "a priori", "one for all languages"
POOLED_SETTINGS = 12
"""How many settings, best over all languages together, every language scores among its finalists."""


@dataclass(frozen=True)
class TuneResult:
    """What a search leaves behind."""

    folder: Path
    regret: pd.DataFrame
    ablations: pd.DataFrame
    chosen: Mapping[str, Setting]
    candidates: int


def run_tune(
    config: TuneConfig,
    progress: Stages,
    model: HookedModel | LoadedModel | None = None,
    inputs: Inputs | None = None,
) -> TuneResult:
    """Search each language's plan on dev and write plan.json, candidates, ablations and regret into the run's folder.

    model, inputs: as in `interp.study.experiment.run`. Raises a TranslocalError for what the user can mend; nothing is
    left behind then.
    """
    given = {name: read_vectors(Path(file)) for name, file in config.given.items()}
    config, loaded = with_model(config, model)
    with run_folder(config.folder, ["vectors", "figures"]) as folder:
        begun = time.perf_counter()
        with progress.stage("loading", 1) as advance:
            study = prepare(config, loaded, inputs)
            advance(study.loaded.name)
        with progress.stage("reading residuals", 1) as advance:
            fit = read_fit(study)
            advance("fit")
        fits = Fitted(study, Pairs(study, fit), given)
        space, effort = space_of(config, study, given), Effort(sides=config.candidates)
        with progress.stage("layers before search", locate.quick_steps(study)) as advance:
            a_priori = a_priori_settings(study, locate.before_search(study, fit, advance))
        items = Items(study, "dev")
        extra = POOLED_SETTINGS + 1
        with progress.stage("searching on dev", len(study.languages) * effort.plans(extra)) as advance:
            found, pooled = _searched(study, items, fits, space, effort, config.rule, a_priori, advance)
        chosen = {code: one.chosen for code, one in found.items()}
        rows = ablations(study, fit, fits, space, chosen)
        finalists = {code: _finalists(one) for code, one in found.items()}
        compared = {SEARCHED: chosen, A_PRIORI: a_priori, POOLED: dict.fromkeys(study.languages, pooled)}
        compared = {name: settings for name, settings in compared.items() if settings}
        n_plans = sum(len(compared) + 1 + len(rows) + len(finalists[code]) for code in study.languages)
        with progress.stage("scoring on test", n_plans + (len(compared) + 1) * len(study.languages)) as advance:
            plain = [(name, fits, settings) for name, settings in compared.items()]
            ablated = [(row.method, row.fits, row.settings) for row in rows]
            test = _table(Items(study, "test"), fits, [*plain, *ablated], finalists, advance)
            dev = _table(items, fits, plain, {}, advance)
        cells = Cells(test, study.resampling, means_of(rows))
        names = {code: list(settings) for code, settings in finalists.items()}
        regret = regret_table(
            cells, Cells(dev, study.resampling_of("dev")), config.rule, list(compared), names, config.seed
        )
        ablated_table = ablation_table(cells, rows, SEARCHED, config.seed)
        finals = {code: one.final for code, one in found.items()}
        write_csv(folder / "regret.csv", regret)
        write_csv(folder / "ablations.csv", ablated_table)
        write_csv(folder / "layers_chosen.csv", layer_shares(finals, config.rule, config.bootstrap_draws, config.seed))
        candidates = candidate_table(found, config.rule)
        candidates.to_parquet(folder / "candidates.parquet", index=False)
        test[~test["method"].str.startswith(FINALIST)].to_parquet(folder / "outcomes.parquet", index=False)
        _save_plans(folder, study, fits, found, compared, regret)
        save_left_out(folder, study)
        draw_figures(folder)
        tried = sum(len(scored.settings) for one in found.values() for scored in one.rounds)
        told = {"goal": config.rule.told, "candidates": tried, "seconds": round(time.perf_counter() - begun, 2)}
        write_json(folder / MANIFEST, described(study) | told)
    return TuneResult(config.folder, regret, ablated_table, chosen, tried)


def space_of(config: TuneConfig, study: Study, given: Mapping[str, object]) -> SearchSpace:
    """What is tried on a model."""
    contrast = ("contrast",) if len(study.cultural.languages) > 1 else ()
    return SearchSpace(
        layer_grid(study.n_layers), config.strengths, (*config.fitters, *given), contrast, config.operators,
        config.searched_positions, config.windows,  # type: ignore[arg-type]
    )  # fmt: skip


def a_priori_settings(study: Study, layers: Mapping[str, locate.APrioriLayers]) -> dict[str, Setting]:
    """Both vectors by mean difference, at strength 1, at the layers told before any search; EN alone without LOC's.

    Nothing where no layers are told.
    """

    def side(layer: int | None) -> Side | None:
        return None if layer is None else Side("mean", layer, 1.0, positions=study.config.positions)

    return {
        code: Setting(side(found.layer_en), side(found.layer_loc)) for code, found in layers.items() if code != MACRO
    }


def _searched(
    study: Study, items: Items, fits: Fitted, space: SearchSpace, effort: Effort, goal: Goal,
    a_priori: Mapping[str, Setting], advance: Advance,
) -> tuple[dict[str, Searched], Setting]:  # fmt: skip
    """Each language's search, and the setting that does best in all languages together."""
    half = effort.sides // 2
    sides = sides_of(space.drawn("en", half, study.config.seed), space.drawn("loc", half, study.config.seed))
    alone = {code: items.score(fits, sides, code, advance, effort.shares[0], effort.fewest) for code in study.languages}
    promising = pooled_pairs(alone, goal, POOLED_SETTINGS)
    found = {
        code: search(items, fits, alone[code], code, goal, effort, advance, extra=[*promising, *_own(a_priori, code)])
        for code in study.languages
    }
    return found, best_for_all({code: one.final for code, one in found.items()}, promising, goal)


def _own(settings: Mapping[str, Setting], code: str) -> list[Setting]:
    return [settings[code]] if code in settings else []


def pooled_pairs(alone: Mapping[str, Scored], goal: Goal, n: int) -> list[Setting]:
    """The most promising pairs by the languages' mean gains."""
    gains = [np.mean([one.gains[axis] for one in alone.values()], axis=0) for axis in (0, 1)]
    return joined_gains(next(iter(alone.values())).settings, gains[0], gains[1], goal, n)


def best_for_all(finals: Mapping[str, Scored], settings: Sequence[Setting], goal: Goal) -> Setting:
    """The setting with the best mean gains over languages; leaving the model as it is stands among them."""
    able = [Setting(), *settings]
    gains = []
    for axis in (0, 1):
        own = [[one.gains[axis][one.settings.index(setting)] for setting in able] for one in finals.values()]
        gains.append(np.mean(own, axis=0))
    return able[int(np.argmax(goal.rank(*gains)))]


FINALIST = "finalist "


def _finalists(found: Searched) -> dict[str, Setting]:
    """Every setting of a language's last round, by a name."""
    return {f"{FINALIST}{number:03d}": setting for number, setting in enumerate(found.final.settings)}


def _table(
    items: Items,
    fits: Fits,
    rows: Sequence[tuple[str, Fits, Mapping[str, Setting]]],
    finalists: Mapping[str, Mapping[str, Setting]],
    advance: Advance,
) -> pd.DataFrame:
    """Outcomes of every row, and of each language's finalists."""
    parts = []
    for code in items.study.languages:
        plans: dict[str, Plan] = {name: plan_of(own, settings[code], code) for name, own, settings in rows}
        plans |= {name: plan_of(fits, setting, code) for name, setting in finalists.get(code, {}).items()}
        parts.append(gain_table(items, code, plans, advance))
    return pd.concat(parts, ignore_index=True)


def _save_plans(
    folder: Path,
    study: Study,
    fits: Fitted,
    found: Mapping[str, Searched],
    compared: Mapping[str, Mapping[str, Setting]],
    regret: pd.DataFrame,
) -> None:
    """`plan.json`: the searched plan as `surgical`, the others by name, and under the goal pareto the front."""
    saved_as = {SEARCHED: SURGICAL, A_PRIORI: "a_priori", POOLED: "pooled"}
    methods: dict[str, dict[str, Any]] = {saved_as[plan]: {} for plan in compared}
    rows = {(row["plan"], row["language"]): row for row in regret.to_dict("records")}
    for plan, settings in compared.items():
        name = saved_as[plan]
        for code in study.languages:
            row = rows[plan, code]
            notes = {
                "test": {
                    str(key): _short(value)
                    for key, value in row.items()
                    if str(key).startswith(("d_", "regret", "optimism"))
                },
                "setting": settings[code].described(),
            }
            methods[name][code] = {"steers": _steers(folder, fits, name, settings[code], code), "notes": notes}
    if _goal(study).kind == "pareto":
        for code, one in found.items():
            transfer, localization = one.final.gains
            for number, setting in enumerate(one.front):
                at = one.final.settings.index(setting)
                dev = {"d_transfer": _short(transfer[at]), "d_localization": _short(localization[at])}
                name = f"front_{number:02d}"
                saved = {"steers": _steers(folder, fits, name, setting, code), "notes": {"dev": dev}}
                methods.setdefault(name, {})[code] = saved
    loaded = study.loaded
    write_plans(
        folder / PLANS,
        model={"name": loaded.name, "fingerprint": loaded.fingerprint, "processing": loaded.processing},
        template=study.template.name,
        methods=methods,
        notes={"goal": _goal(study).told},
    )


def _goal(study: Study) -> Goal:
    if not isinstance(study.config, TuneConfig):
        raise ConfigError("the study has no goal", allowed="settings of `interp tune`")
    return study.config.rule


def _short(value: Any) -> float | None:
    number = float(value)
    return None if np.isnan(number) else round(number, 6)


def _steers(folder: Path, fits: Fitted, name: str, setting: Setting, code: str) -> list[dict[str, object]]:
    """The steers of a setting, as plan.json has them; their vectors are saved."""
    steers: list[dict[str, object]] = []
    for vector, fitted in fits.vectors(setting, code).items():
        file = f"vectors/{name}.{vector}.{code}.safetensors"
        fitted.save(folder / file)
        side = setting.en if vector == "en" else setting.loc
        assert side is not None
        for steer in side.plan(fitted).steers:
            steers.append(
                {"vectors": file, "layer": steer.layer, "strength": steer.strength, "operator": steer.operator,
                 "positions": steer.positions}
            )  # fmt: skip
    return steers


def lines(result: TuneResult) -> Iterator[str]:
    """What was found, in sentences: regret, optimism, ablations; over all languages."""
    from interp.study.ablations import better_rows

    regret = result.regret
    rows = {str(plan): some.to_dict("records") for plan, some in regret.groupby("plan", sort=False)}
    for plan in (plan for plan in rows if plan != ORACLE):
        own = rows[plan]
        crossed = next(row for row in own if row["language"] == MACRO)["regret_crossed"]
        yield (
            f"{plan}: transfer {_mean(own, 'd_transfer')}, localization {_mean(own, 'd_localization')}; regret "
            f"{_mean(own, 'regret')} against the best on test, {estimate(crossed, signed=True)} against one chosen on "
            "other items"
        )
    searched = rows[SEARCHED]
    yield (
        f"dev flattered the searched plan by {_mean(searched, 'optimism_transfer')} in transfer and "
        f"{_mean(searched, 'optimism_localization')} in localization (probability of the right and of the local option)"
    )
    better = better_rows(result.ablations)
    n = result.ablations["ablation"].nunique() - 1
    yield f"of {n} ablations, better than the searched plan on both axes (Holm): {', '.join(better) or 'none'}"


def _mean(rows: Sequence[Mapping[Any, Any]], name: str) -> str:
    """The macro value with its interval, and the languages that go the other way."""
    row = next(row for row in rows if row["language"] == MACRO)
    return number(row, name, signed=True) + other_way(row[name], rows, name)
