"""The main job, from a model's name to a plane: the only module that knows the whole story."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from interp.files import write_json
from interp.model import HookedModel, LoadedModel
from interp.progress import Bars, Stages
from interp.study.ask import Inputs, Study, resolve, with_model
from interp.study.config import RunConfig
from interp.study.cost import expected, settle
from interp.study.fit import read_fit, study_vectors
from interp.study.folder import (
    MANIFEST,
    RunResult,
    Store,
    checksums,
    described,
    draw_figures,
    draw_report,
    finished,
    read_manifest,
    read_result,
    save_left_out,
    save_vectors,
    working_folder,
    write_csv,
)
from interp.study.locate import findings, locate, locate_steps
from interp.study.score import Checks
from interp.study.search import (
    base_cells,
    headroom_lines,
    headroom_table,
)
from interp.study.stages import STAGES, Base, opened
from interp.study.tables import Tables
from interp.study.trained import TrainedModels, check_trained, members


@dataclass(frozen=True)
class LocateResult:
    """What `run_locate` leaves."""

    folder: Path
    findings: list[str]


def run(
    config: RunConfig | None = None,
    progress: Stages | None = None,
    model: str | HookedModel | LoadedModel | None = None,
    inputs: Inputs | None = None,
    *,
    overwrite: bool = False,
    **settings: Any,
) -> RunResult:
    """Run the whole experiment: fit vectors, choose on dev, score on test, compare `methods`, write the run's folder.

    A run that was stopped is continued and ends with the same bytes; a finished run is read back. config: the settings;
    keyword arguments replace single ones, as in `run(model="organism", design="small")`. progress: by default, bars on
    standard error. model: a name, or a hooked model used instead of the one in `config`; if a LoadedModel records what
    its training corpus showed, those items are not scored. inputs: the result of `resolve` for `config`, to read the
    datasets only once. overwrite: replace a finished or partial run. Raises a TranslocalError for mistakes that the
    user can correct.
    """
    if isinstance(model, str):
        settings, model = settings | {"model": model}, None
    config = replace(config or RunConfig(), **settings)
    progress = progress or Bars()
    check_trained(config, named=model is None)
    config, loaded = with_model(config, model)
    inputs = inputs or resolve(config, loaded=loaded)
    config = settle(config, inputs, loaded, overwrite=overwrite)
    if not overwrite and (done := finished(config)):
        return done
    made = "scores", "vectors", "figures"
    with working_folder(config, inputs, made, overwrite=overwrite) as (folder, store):
        _run(config, progress, folder, loaded, inputs, store)
    return read_result(config.folder, read_manifest(config.folder), again=False)


def run_locate(
    config: RunConfig,
    progress: Stages,
    model: HookedModel | LoadedModel | None = None,
    inputs: Inputs | None = None,
    *,
    overwrite: bool = False,
) -> LocateResult:
    """Run only the analysis: fit vectors, locate directions and onsets, and write the run's folder.

    A run that was stopped is continued. model, inputs, overwrite: as in `run`. Raises a TranslocalError for mistakes
    that the user can correct.
    """
    config, loaded = with_model(config, model)
    inputs = inputs or resolve(config, loaded=loaded)
    made, purpose = ["vectors"], {"verb": "locate"}
    with working_folder(config, inputs, made, purpose=purpose, overwrite=overwrite) as (folder, store):
        begun = time.perf_counter()
        with progress.stage("load", 1) as advance:
            study = opened(config, inputs, store, loaded)
            advance(study.loaded.name)
        with progress.stage("fit", 1) as advance:
            fit = read_fit(study)
            advance("fit")
        with progress.stage("locate", locate_steps(study)) as advance:
            located = locate(study, fit, advance)
        located.write(folder)
        save_left_out(folder, study)
        write_csv(folder / "layers.csv", located.layers)
        draw_figures(folder)
        save_vectors(folder, study_vectors(study, fit))
        write_json(folder / MANIFEST, described(study) | {"seconds": {"all": round(time.perf_counter() - begun, 2)}})
    return LocateResult(config.folder, findings(located))


def _run(
    config: RunConfig, progress: Stages, folder: Path, loaded: LoadedModel | None, inputs: Inputs, store: Store
) -> None:
    begun = time.perf_counter()
    timings: dict[str, float] = {}

    def lap(name: str) -> None:
        timings[name] = round(time.perf_counter() - begun - sum(timings.values()), 2)

    with progress.stage("load", 1) as advance:
        study = opened(config, inputs, store, loaded)
        advance(study.loaded.name)
    lap("load")
    progress.expect(partial(expected, study))
    with progress.stage("fit", 1) as advance:
        base = Base.of(study)
        advance("fit")
    lap("fit")
    made: dict[str, list[Any]] = {}
    for stage in STAGES:
        pieces = stage.pieces(base)
        if stage.make is None or not (steps := stage.steps(base) * len(pieces)):
            continue
        with progress.stage(stage.name, steps) as advance:
            for piece in pieces:
                for name, table in stage.make(base, piece, advance).items():
                    made.setdefault(name, []).append(table)
        if stage.name == "unsteered":  # what there is to gain is written before anything is searched for
            headroom = _headroom(base, made)
            write_csv(folder / "headroom.csv", headroom)
        lap(stage.name)
    scores = {name: pd.concat(tables, ignore_index=True) for name, tables in made.items() if name != "located"}
    (located,) = made["located"]
    beside = TrainedModels(study, base.fit, base.vectors, located, base.prompts, Checks(study, scores["english"]))
    tables = Tables(base, scores, located, beside, folder)
    for number, member in enumerate(members(study, inputs.training, base.vectors, progress)):
        lap(member.name if number else "training")
        tables.generated += beside.add(member, tables.outcomes, folder / "trained" / member.name, progress)
        lap(member.name)
    summary = tables.write() | {"headroom": headroom_lines(headroom)}
    lap("tables and figures")
    manifest = _manifest(study, beside, timings) | summary
    draw_report(folder, manifest)
    write_json(folder / MANIFEST, manifest | {"files": checksums(folder)})


def _headroom(base: Base, made: Mapping[str, Sequence[pd.DataFrame]]) -> pd.DataFrame:
    study = base.study
    unsteered, (english,) = pd.concat(made["base"], ignore_index=True), made["english"]
    return headroom_table(base_cells(unsteered, english, study.config.normalisation, study.resampling))


def _manifest(study: Study, beside: TrainedModels, timings: Mapping[str, float]) -> dict[str, Any]:
    return described(study) | {
        "controls": {
            "third_language": {code: study.third_language(code) for code in study.languages},
            "wrong_culture": {code: study.wrong_culture(code) for code in study.languages},
            "search": "methods and controls are searched alike: the same grid, rounds, rule and dev prompts",
        },
        "design": asdict(study.design),
        "trained": beside.described(),
        "seconds": dict(timings),
    }
