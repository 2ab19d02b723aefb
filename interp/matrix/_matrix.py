"""Culture is not language: localization to every culture in every language, unsteered, steered and cued."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from interp.files import write_json
from interp.matrix._cells import (
    answers,
    choose_cells,
    evaluations,
    matrix_table,
    score_cells,
    scored,
    scored_cells,
    summary_table,
)
from interp.matrix._vectors import Cultures, fit_culture_vectors
from interp.model import HookedModel, LoadedModel
from interp.organism import counts_of
from interp.progress import Stages
from interp.study.ask import Inputs, named_counts, prepare, resolve, with_model
from interp.study.config import RunConfig
from interp.study.folder import (
    MANIFEST,
    check_made_of,
    described,
    draw_figures,
    made_of,
    save_left_out,
    working_folder,
    write_csv,
)


@dataclass(frozen=True)
class MatrixResult:
    """What `run_matrix` leaves behind."""

    folder: Path
    matrix: pd.DataFrame
    summary: pd.DataFrame


def run_matrix(
    config: RunConfig,
    progress: Stages,
    steered: Sequence[str] = (),
    model: HookedModel | LoadedModel | None = None,
    inputs: Inputs | None = None,
    *,
    overwrite: bool = False,
) -> MatrixResult:
    """Fit every culture's LOC vector in every language, choose on dev, score on test, and write the run's folder.

    steered: the cultures to steer towards, which become columns (default: all); means over cultures always include all
    of them. A run that was stopped is continued. model, inputs, overwrite: as in `interp.run`. Raises a TranslocalError
    for mistakes that the user can correct.
    """
    config, loaded = with_model(config, model)
    inputs = inputs or resolve(config, locating=False, loaded=loaded)
    cultures = Cultures.of(inputs.cultural, inputs.languages, steered)
    counts = named_counts(config) if loaded is None else counts_of(loaded.exposure)
    cells = scored_cells(inputs.cultural, inputs.languages, counts, cultures)
    purpose, made = {"verb": "matrix", "steered": list(steered)}, ["scores", "vectors", "figures"]
    with working_folder(config, inputs, made, purpose=purpose, overwrite=overwrite) as (folder, store):
        begun = time.perf_counter()
        with progress.stage("loading", 1) as advance:
            study = replace(prepare(config, loaded, inputs), parts=store)
            check_made_of(store, made_of(study))
            advance(study.loaded.name)
        with progress.stage("fitting vectors", len(study.languages) * len(cultures.every)) as advance:
            vectors = fit_culture_vectors(study, cultures, advance)
        with progress.stage("choosing on dev", evaluations(study, vectors, cells)) as advance:
            chosen = choose_cells(study, vectors, cells, advance)
        with progress.stage("scoring on test", scored(study.cultural, cells)) as advance:
            scores = score_cells(study, vectors, chosen, advance)
        scores.to_parquet(folder / "scores" / "matrix.parquet", index=False)
        with progress.stage("tables and figure", 1) as advance:
            right = answers(scores, study.cultural.own_culture, config.normalisation)
            matrix = matrix_table(right, chosen, study.resampling, config.seed)
            summary = summary_table(right, study.resampling, config.seed)
            write_csv(folder / "matrix.csv", matrix)
            write_csv(folder / "matrix_summary.csv", summary)
            draw_figures(folder)
            advance("matrix")
        for code, of_language in vectors.items():
            for culture, fitted in of_language.own.items():
                fitted.save(folder / "vectors" / f"loc.{code}.{quote(culture, safe='')}.safetensors")
        save_left_out(folder, study)
        manifest = described(study) | {"cultures": list(cultures.every), "steered": list(cultures.steered)}
        write_json(folder / MANIFEST, manifest | {"seconds": {"all": round(time.perf_counter() - begun, 2)}})
    return MatrixResult(config.folder, matrix, summary)
