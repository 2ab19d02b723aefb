"""Plans on their own: a folder with `plan.json` and the vectors that it names, and nothing else of a run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from interp.errors import OutputError
from interp.steering import PLANS, SavedPlans, write_plans


def write_folder(saved: SavedPlans, folder: Path, methods: Sequence[str] = (), language: str | None = None) -> None:
    """Copy the plans of some methods (default: all) and one language (default: all), with their vectors.

    `load_plans` reads the folder like the run's. Raises DataError for unknown methods and languages, and files of
    vectors that are missing or lead out of their folder; OutputError for a folder that exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists", allowed="a new or empty folder", remedy="pass another --out or delete it")
    chosen = {
        method: {code: saved.saved(code, method) for code in ([language] if language else saved.languages(method))}
        for method in methods or saved.methods
    }
    names = dict.fromkeys(steer.vectors for by in chosen.values() for plan in by.values() for steer in plan.steers)
    places = {name: saved.vectors_file(name) for name in names}
    for name, place in places.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place, folder / name)
    write_plans(
        folder / PLANS,
        model=asdict(saved.model),
        template=saved.template,
        methods={m: {code: asdict(plan) for code, plan in by.items()} for m, by in chosen.items()},
        notes=saved.notes,
    )
