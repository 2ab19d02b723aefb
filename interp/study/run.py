"""The main job, from a model's name to a plane: the only module that knows the whole story."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from interp.files import write_json
from interp.model import HookedModel
from interp.model.load import LoadedModel
from interp.plane import Cells, compared_sets, front_table, macro_sentences, verdict_table, with_neither
from interp.progress import Bars, Stages
from interp.study.ask import Inputs, Study, estimated_line, prepare, resolve, resolve_data, with_model
from interp.study.computing import Base
from interp.study.config import RunConfig
from interp.study.cost import SEARCH_OF_CONTROLS, expected, settle
from interp.study.fit import fit_vectors, read_fit
from interp.study.folder import (
    MANIFEST,
    Outcomes,
    RunResult,
    Store,
    check_made_of,
    checksums,
    described,
    described_design,
    draw_figures,
    draw_report,
    finished,
    made_of,
    questions_of,
    read_manifest,
    read_result,
    run_folder,
    save_left_out,
    save_plans,
    save_vectors,
    working_folder,
    write_csv,
)
from interp.study.locate import findings, locate, locate_steps
from interp.study.score import (
    Checks,
    Prompts,
    compared_methods,
    contrast_table,
    control_table,
    english_scores,
    estimated_rows,
    generated_answers,
    generated_steps,
    generated_table,
    layer_cells,
    plane_table,
    plans_of,
    score_base_in,
    score_controls,
    score_layers,
    score_plans,
    score_sentences,
    with_effects,
)
from interp.study.search import (
    METHODS,
    Chosen,
    SplitTasks,
    base_cells,
    choose,
    control_steps,
    fronts,
    headroom_lines,
    headroom_notes,
    headroom_table,
    method_steps,
    recovered_table,
    smallest_effects,
    sought,
    sweep,
    sweep_cells,
    sweep_table,
    with_headroom,
    write_candidates,
)
from interp.study.trained import Beside, check_trained, groups, means, members


@dataclass(frozen=True)
class LocateResult:
    """What `run_locate` leaves behind."""

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
    """Fit, choose on dev, report on test, train and compare what `methods` name, write all into the run's folder.

    A run that was stopped goes on where it was, and ends with the same bytes; a finished one is read back, not redone.
    config: settings; those named by keyword stand in their place, as in `run(model="organism", design="small")`.
    progress: bars on standard error by default. model: a name, or a hooked model in place of the one that `config`
    names; a LoadedModel may say what its corpus showed, so that those items are not scored. inputs: what `resolve` gave
    for `config`, to read the datasets once. overwrite: a run that is there is made anew. Raises a TranslocalError for
    what the user can mend.
    """
    if isinstance(model, str):
        settings, model = settings | {"model": model}, None
    config = replace(config or RunConfig(), **settings)
    progress = progress or Bars()
    check_trained(config, named=model is None)
    config, loaded = with_model(config, model)
    if inputs is None:
        inputs = resolve(config) if loaded is None else resolve_data(config)
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
) -> LocateResult:
    """The analysis half alone: vectors of fit, and everything that `locate` finds, in the run's folder.

    model, inputs: as in `run`. Raises a TranslocalError for what the user can mend; nothing is left behind then.
    """
    config, loaded = with_model(config, model)
    with run_folder(config.folder, ["vectors"]) as folder:
        begun = time.perf_counter()
        with progress.stage("load", 1) as advance:
            study = prepare(config, loaded, inputs)
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
        save_vectors(folder, fit_vectors(study, fit))
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
        study = replace(prepare(config, loaded, inputs), parts=store)
        check_made_of(store, made_of(study))
        advance(study.loaded.name)
    lap("load")
    progress.expect(partial(expected, study))
    n_languages = len(study.languages)
    with progress.stage("fit", 1) as advance:
        fit = read_fit(study)
        vectors = fit_vectors(study, fit)
        advance("fit")
    lap("fit")
    base = Base(study, fit, vectors, SplitTasks(study), sought(study), Prompts.of(study))
    methods, prompts = base.methods, base.prompts
    with progress.stage("unsteered", 1 + n_languages) as advance:
        english = english_scores(study, advance)
        parts = [score_base_in(study, prompts, code, advance) for code in study.languages]
    unsteered = pd.concat(parts, ignore_index=True)
    headroom = headroom_table(base_cells(unsteered, english, config.normalisation, study.resampling))
    write_csv(folder / "headroom.csv", headroom)
    lap("unsteered")
    chosen: dict[str, dict[str, Chosen]] = {}
    searched: dict[str, pd.DataFrame] = {}
    power: dict[str, float] = {}
    front: dict[str, dict[str, Chosen]] = {}
    if methods.names:
        with progress.stage("search", method_steps(study, methods)) as advance:
            rows = base.search(METHODS, advance)
        chosen = choose(study, methods, rows)
        lap("search")
        steps = len(study.design.controls) * control_steps(study)
        with progress.stage(SEARCH_OF_CONTROLS, steps) as advance:
            searched = {control: base.search(control, advance) for control in study.design.controls}
        lap(SEARCH_OF_CONTROLS)
        write_candidates(folder, study, methods, rows, chosen)
        power = smallest_effects(study, rows, chosen)
        if config.goal == "pareto" and "surgical" in methods.pairs:
            front = fronts(study, methods, rows)
    if grid := sweep_cells(study, chosen):
        with progress.stage("sweep", n_languages * (1 + len(grid))) as advance:
            swept = sweep(study, base.dev, vectors, grid, advance)
        write_csv(folder / "sweep.csv", sweep_table(swept, grid, chosen, study.resampling_of("dev")))
        lap("sweep")
    plans = plans_of(study, vectors, chosen)
    with progress.stage("sentences", n_languages * (1 + len(plans))) as advance:
        checks = Checks(study, english)
        checks.add_sentences(score_sentences(study, plans, advance))
    lap("sentences")
    kept = Outcomes(study, folder, questions_of(prompts.full))
    at = layer_cells(study, chosen)
    with progress.stage("test", n_languages * (1 + len(chosen) + 2 * len(at))) as advance:
        for method, table in score_plans(study, prompts, plans, advance):
            kept.add(method, table)
            checks.add(table)
        estimated = estimated_rows(study, prompts, plans)
        effects = kept.parts[:1]
        if at:
            table = score_layers(study, prompts, vectors, at, advance)
            effects = [*effects, kept.of("layers", table)]
    if len(estimated):
        write_csv(folder / "normaliser.csv", estimated)
    lap("test")
    draws: dict[str, list[str]] = {}
    if chosen:
        steps = len(searched) * study.design.draws * 2 * n_languages
        with progress.stage("controls", steps) as advance:
            for control, table in score_controls(study, searched, prompts, fit, vectors, advance):
                draws[control] = list(dict.fromkeys(table["method"]))
                kept.add(control, table)
                checks.add(table)
    lap("controls")
    said: list[pd.DataFrame] = []
    if config.generate:
        with progress.stage("generate", generated_steps(study, 1 + len(chosen))) as advance:
            said.append(generated_answers(study, vectors, chosen, advance))
        lap("generate")
    with progress.stage("locate", locate_steps(study)) as advance:
        located = locate(study, fit, advance)
    lap("locate")
    save_vectors(folder, vectors)
    save_left_out(folder, study)
    located.write(folder)

    beside = Beside(study, fit, vectors, located, prompts, checks)
    for number, one in enumerate(members(study, inputs.training, vectors, progress)):
        lap(one.name if number else "training")
        said += beside.add(one, kept, folder / "trained" / one.name, progress)
        lap(one.name)

    trained = list(groups(config))
    table = with_headroom(with_neither(pd.concat(kept.parts)), english, config.normalisation)
    cells = Cells(table, study.resampling, means(config))
    names = {"model": study.loaded.name, "universal": study.universal.name, "cultural": study.cultural.name}
    plane = plane_table(cells, draws, names, study.cultural.own_culture, study.universal.chance)
    contrasts = contrast_table(cells, trained, config.seed)
    layers = with_effects(located.layers, Cells(pd.concat(effects), study.resampling))
    kept.write_items()
    write_csv(folder / "plane.csv", plane)
    write_csv(folder / "contrasts.csv", contrasts)
    shares = recovered_table(cells, [m for m in compared_methods(list(plans)) if m in set(plane["method"])])
    write_csv(folder / "recovered.csv", shares)
    controls = control_table(cells, draws) if draws else None
    verdicts = verdict_table(contrasts, controls, headroom_notes(shares))
    if len(verdicts):
        write_csv(folder / "verdicts.csv", verdicts)
    if controls is not None:
        write_csv(folder / "controls.csv", controls)
    real = compared_methods(plane["method"].unique())
    write_csv(folder / "fronts.csv", front_table(cells, *compared_sets(real, trained, list(draws))))
    if said:
        answers = pd.concat(said, ignore_index=True)
        answers.to_parquet(folder / "scores" / "generated.parquet", index=False)
        generated = generated_table(study, answers, pd.concat(kept.parts))
        write_csv(folder / "generated.csv", generated)
    write_csv(folder / "layers.csv", layers)
    save_plans(folder, study, vectors, chosen | front)
    told = beside.write(folder, cells, contrasts) if trained else []
    said_of = checks.write(folder, draws, means(config), trained)
    draw_figures(folder)
    lap("tables and figures")
    manifest = _manifest(study, beside, timings) | {
        "headroom": headroom_lines(headroom),
        "smallest_effects": power,
        "findings": [*findings(located), *told],
        "verdicts": macro_sentences(verdicts),
        "checks": said_of | ({"estimated": [estimated_line(estimated)]} if len(estimated) else {}),
    }
    draw_report(folder, manifest)
    write_json(folder / MANIFEST, manifest | {"files": checksums(folder)})


def _manifest(study: Study, beside: Beside, timings: Mapping[str, float]) -> dict[str, Any]:
    return described(study) | {
        "controls": {
            "third_language": {code: study.third_language(code) for code in study.languages},
            "wrong_culture": {code: study.wrong_culture(code) for code in study.languages},
            "search": "the same for methods and controls: the same grid, rounds and rule, on the same prompts of dev",
        },
        "design": described_design(study),
        "trained": beside.described(),
        "seconds": dict(timings),
    }
