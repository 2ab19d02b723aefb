"""Desks: of a finished run, and of a model alone, whose vectors are fitted first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from figures import RunTables
from interp.serve._desk import Desk, Steers
from interp.steering import SavedPlans, SteeringVectors
from interp.study.ask import prepare
from interp.study.config import RunConfig
from interp.study.fit import read_fit, study_vectors
from interp.study.folder import reopen

Say = Callable[[str], None]


def run_desk(folder: Path, say: Say) -> Desk:
    """The desk of a finished run, with its model and vectors. say: told what is going on.

    Raises a TranslocalError as `interp.study.folder.reopen` does.
    """
    say("loading the model")
    run = reopen(folder)
    say("reading vectors")
    files = sorted((folder / "vectors").glob("*.safetensors"))
    vectors = {file.name.removesuffix(".safetensors"): SteeringVectors.load(file) for file in files}
    return Desk(run.study, vectors, _chosen(run.plans), cue_heads(folder))


def fitted_desk(config: RunConfig, say: Say) -> Desk:
    """The desk of a model without a run: EN, LOC and its other readings are fitted on the fit split of the datasets."""
    say("loading the model")
    study = prepare(config)
    say("fitting vectors")
    fitted = study_vectors(study, read_fit(study))
    return Desk(study, {f"{name}.{code}": own for name, by in fitted.items() for code, own in by.items()})


def cue_heads(folder: Path) -> dict[str, list[tuple[int, int]]]:
    """Language -> (layer, head) of the heads that carry the cue in a run's attribution, largest estimate first."""
    table = RunTables.of(folder).table("attribution")
    if table is None or table.empty:
        return {}
    rows = table[(table["kind"] == "cue") & (table["component"] == "head")]
    found: dict[str, list[tuple[int, int]]] = {}
    for row in rows.sort_values("estimate", ascending=False, kind="stable").to_dict("records"):
        found.setdefault(str(row["language"]), []).append((int(row["layer"]), int(row["head"])))
    return found


def _chosen(plans: SavedPlans) -> Mapping[str, Mapping[str, Steers]]:
    return {
        method: {code: [_steer(s, strength) for s, strength in zip(plan.steers, plan.strengths, strict=True)]
                 for code, plan in by_language.items()}
        for method, by_language in plans.methods.items()
    }  # fmt: skip


def _steer(steer: Any, strength: Any) -> dict[str, Any]:
    name = Path(steer.vectors).name.removesuffix(".safetensors")
    return {
        "vectors": name, "layer": steer.layer, "strength": strength, "operator": steer.operator,
        "positions": steer.positions,
    }  # fmt: skip
