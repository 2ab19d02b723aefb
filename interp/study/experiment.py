"""The main job, from a model's name to a plane: the only module that knows the whole story."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from interp.data.items import CulturalSet, UniversalSet, fingerprint
from interp.model.loading import LoadedModel
from interp.model.protocol import HookedModel
from interp.plane import BASE, MACRO, Cells, favourite_wrong, hypervolume, outcomes
from interp.steering.plans import Plan
from interp.study import generating, locate, report, testing
from interp.study.choose import Chosen, Dev, choose, control_evaluations, evaluations
from interp.study.config import RunConfig
from interp.study.findings import findings
from interp.study.fit import Vectors, fit_vectors, read_fit
from interp.study.output import MANIFEST, run_folder, write_csv, write_json
from interp.study.prepare import Study, prepare, with_model
from interp.study.resolve import Inputs


class Progress(Protocol):
    """Where a run tells how far it is."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Any]:
        """Begin a stage of `total` steps; the context gives a function that is called with each step's name."""


@dataclass(frozen=True)
class RunResult:
    """What a run leaves behind."""

    folder: Path
    plane: pd.DataFrame
    contrasts: pd.DataFrame
    chosen: Mapping[str, Mapping[str, Chosen]]
    findings: list[str]
    generated: pd.DataFrame | None = None


@dataclass(frozen=True)
class LocateResult:
    """What `run_locate` leaves behind."""

    folder: Path
    findings: list[str]


def run(
    config: RunConfig,
    progress: Progress,
    model: HookedModel | LoadedModel | None = None,
    inputs: Inputs | None = None,
) -> RunResult:
    """Fit, choose on dev, report on test, write everything into the run's folder.

    model: a hooked model in place of the one that `config` names; a LoadedModel may say what its corpus showed, so that
    those items are not scored. inputs: what `resolve` gave for `config`, to read the datasets once. Raises a
    TranslocalError for what the user can mend; nothing is left behind then.
    """
    config, loaded = with_model(config, model)
    with run_folder(config.folder, ["scores", "vectors", "figures"]) as folder:
        return _run(config, progress, folder, loaded, inputs)


def run_locate(
    config: RunConfig,
    progress: Progress,
    model: HookedModel | LoadedModel | None = None,
    inputs: Inputs | None = None,
) -> LocateResult:
    """The analysis half alone: vectors of fit, and everything that `locate` finds, in the run's folder.

    model, inputs: as in `run`. Raises a TranslocalError for what the user can mend; nothing is left behind then.
    """
    config, loaded = with_model(config, model)
    with run_folder(config.folder, ["vectors"]) as folder:
        begun = time.perf_counter()
        with progress.stage("loading", 1) as advance:
            study = prepare(config, loaded, inputs)
            advance(study.loaded.name)
        with progress.stage("fitting vectors", 1) as advance:
            fit = read_fit(study)
            advance("fit")
        with progress.stage("locating", locate.steps(study)) as advance:
            located = locate.locate(study, fit, advance)
        located.write(folder)
        _save_left_out(folder, study)
        write_csv(folder / "layers.csv", located.layers)
        _save(folder, fit_vectors(study, fit))
        write_json(folder / MANIFEST, _described(study) | {"seconds": {"all": round(time.perf_counter() - begun, 2)}})
    return LocateResult(config.folder, findings(located))


def _run(
    config: RunConfig, progress: Progress, folder: Path, loaded: LoadedModel | None, inputs: Inputs | None
) -> RunResult:
    begun = time.perf_counter()
    timings: dict[str, float] = {}

    def lap(name: str) -> None:
        timings[name] = round(time.perf_counter() - begun - sum(timings.values()), 2)

    with progress.stage("loading", 1) as advance:
        study = prepare(config, loaded, inputs)
        advance(study.loaded.name)
    lap("load")
    n_languages = len(study.languages)
    with progress.stage("fitting vectors", 1) as advance:
        fit = read_fit(study)
        vectors = fit_vectors(study, fit)
        advance("fit")
    lap("fit")
    dev = Dev(study)
    with progress.stage("choosing on dev", evaluations(study)) as advance:
        chosen = choose(study, dev, vectors, advance)
    lap("choose")
    prompts = testing.Prompts.of(study)
    kept = Outcomes(study, folder)
    with progress.stage("scoring on test", n_languages * (1 + len(chosen) + 2 * (study.n_layers - 1))) as advance:
        for method, table in testing.score_methods(study, prompts, vectors, chosen, advance):
            kept.add(method, table)
        effects = kept.of("layers", testing.score_layers(study, prompts, vectors, advance))
    lap("test")
    steps = len(testing.CONTROLS) * config.control_draws * (control_evaluations(study) + 2 * n_languages)
    draws: dict[str, list[str]] = {}
    with progress.stage("scoring controls", steps) as advance:
        for control, table in testing.score_controls(study, dev, prompts, fit, vectors, advance):
            draws[control] = list(dict.fromkeys(table["method"]))
            kept.add(control, table)
    lap("controls")
    generated: pd.DataFrame | None = None
    if config.generate:
        with progress.stage("generating", generating.steps(study, 1 + len(chosen))) as advance:
            answers = generating.generated_answers(study, vectors, chosen, advance)
        answers.to_parquet(folder / "scores" / "generated.parquet", index=False)
        generated = generating.generated_table(study, answers, pd.concat(kept.parts))
        lap("generate")
    with progress.stage("locating", locate.steps(study)) as advance:
        located = locate.locate(study, fit, advance)
    lap("locate")

    _save(folder, vectors)
    cells = Cells(pd.concat(kept.parts), study.resampling)
    layer_cells = Cells(pd.concat([kept.parts[0], effects]), study.resampling)
    names = {"model": study.loaded.name, "universal": study.universal.name, "cultural": study.cultural.name}
    plane = report.plane_table(cells, draws, names, study.cultural.own_culture, study.universal.chance)
    contrasts = report.contrast_table(cells, config.seed)
    layers = report.with_effects(located.layers, layer_cells)
    _save_left_out(folder, study)
    write_csv(folder / "plane.csv", plane)
    write_csv(folder / "contrasts.csv", contrasts)
    write_csv(folder / "controls.csv", report.control_table(cells, draws))
    if generated is not None:
        write_csv(folder / "generated.csv", generated)
    located.write(folder)
    write_csv(folder / "layers.csv", layers)
    write_json(folder / "plan.json", _plans(study, dev, chosen))
    _draw(folder, plane, layers, chosen)
    lap("tables and figures")
    write_json(folder / MANIFEST, _manifest(study, plane, timings))
    return RunResult(config.folder, plane, contrasts, chosen, findings(located), generated)


def _save_left_out(folder: Path, study: Study) -> None:
    """What the datasets hold and the run did not use, with reasons; no file where it used everything."""
    rows = [
        {
            "dataset": dataset.name,
            "axis": axis,
            "item": left.item,
            "where": left.where,
            "reason": left.reason,
            "count": left.count,
        }
        for axis, dataset in (
            ("universal", study.universal),
            ("cultural", study.cultural),
            ("parallel", study.parallel),
        )
        for left in dataset.left_out
    ]
    if rows:
        write_csv(folder / "left_out.csv", pd.DataFrame(rows))


def _save(folder: Path, vectors: Vectors) -> None:
    for method, by_language in vectors.items():
        for code, fitted in by_language.items():
            fitted.save(folder / "vectors" / f"{method}.{code}.safetensors")


class Outcomes:
    """Outcomes of the tables scored so far; the scores themselves go to disk and out of memory. `base` comes first."""

    def __init__(self, study: Study, folder: Path) -> None:
        self.parts: list[pd.DataFrame] = []
        self._study, self._folder = study, folder
        self._favourites: pd.Series | None = None

    def of(self, name: str, scores: pd.DataFrame) -> pd.DataFrame:
        """Write a table of scores and return its outcomes."""
        scores.to_parquet(self._folder / "scores" / f"{name}.parquet", index=False)
        normalisation = self._study.config.normalisation
        if self._favourites is None:
            self._favourites = favourite_wrong(scores, normalisation)
        return outcomes(scores, normalisation, self._favourites)

    def add(self, name: str, scores: pd.DataFrame) -> None:
        """Keep the outcomes of a table."""
        self.parts.append(self.of(name, scores))


def _plans(study: Study, dev: Dev, chosen: Mapping[str, Mapping[str, Chosen]]) -> dict[str, Any]:
    """Layers and strengths per method and language, with the objectives on dev; vectors are named by their file."""
    return {
        "model": study.loaded.name,
        "fingerprint": study.loaded.fingerprint,
        "positions": study.config.positions,
        "operator": "add",
        "unsteered_dev_value": {
            axis: {code: round(float(dev.values(axis, code, [Plan()])[0]), 6) for code in study.languages}
            for axis in ("universal", "cultural")
        },
        "methods": {m: {code: c.described() for code, c in by.items()} for m, by in chosen.items()},
    }


def _draw(folder: Path, plane: pd.DataFrame, layers: pd.DataFrame, chosen: Mapping[str, Mapping[str, Chosen]]) -> None:
    from figures import layers as draw_layers
    from figures import plane as draw_plane
    from figures import save

    save(draw_plane(plane), folder / "figures" / "plane")
    usual = {m: sorted(c.steers[0][1] for c in chosen[m].values())[len(chosen[m]) // 2] for m in ("en", "loc")}
    save(draw_layers(layers, chosen=usual), folder / "figures" / "layers")


def _manifest(study: Study, plane: pd.DataFrame, timings: Mapping[str, float]) -> dict[str, Any]:
    macro = plane[plane["language"] == MACRO].set_index("method")
    area = {
        name: hypervolume(macro.loc[methods, ["transfer", "localization"]].to_numpy(dtype=float), (0.0, 0.0))
        for name, methods in (
            ("methods", [BASE, *report.REAL]),
            ("controls", [BASE, *(m for m in macro.index if m not in (BASE, *report.REAL))]),
        )
    }  # fmt: skip
    return _described(study) | {
        "controls": {
            "third_language": {code: study.third_language(code) for code in study.languages},
            "wrong_culture": {code: study.wrong_culture(code) for code in study.languages},
            "grid": "random and shuffled: control_layers x control_strengths; fitted vectors: all layers x strengths",
        },
        "hypervolume": area,
        "seconds": dict(timings),
    }


def _data(dataset: UniversalSet | CulturalSet) -> dict[str, Any]:
    """What was read of a dataset: revision, languages, items, what was left out, and a hash of the items."""
    return {
        "name": dataset.name,
        "revision": dataset.revision,
        "languages": list(dataset.languages),
        "items": len(dataset.items),
        "left_out": sum(left.count for left in dataset.left_out),
        "fingerprint": fingerprint(dataset.items),
    }


def _described(study: Study) -> dict[str, Any]:
    """Settings, model, data and versions of a finished run."""
    packages = ("translocal", "torch", "transformers", "transformer-lens", "scikit-learn", "numpy", "pandas", "babel")
    return {
        "status": "finished",
        "config": study.config.described(),
        "model": study.loaded.described(),
        "template": study.template.name,
        "data": {
            "universal": _data(study.universal),
            "cultural": _data(study.cultural),
            "parallel": {"name": study.parallel.name, "revision": study.parallel.revision},
            "scored": "items the model's corpus did not show" if study.loaded.exposure else "all items",
        },
        "languages": {code: study.culture(code) for code in study.languages},
        "versions": {package: version(package) for package in packages} | {"python": platform.python_version()},
        "host": {"system": platform.system(), "machine": platform.machine()},
    }
