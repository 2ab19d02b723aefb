"""Compute a unit of a run in whatever process: its parts go into the run's store, and come back from there."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import replace

from interp.progress import unsaid
from interp.study.ask import prepare, resolve
from interp.study.config import RunConfig
from interp.study.folder import Store, as_settings, check_made_of, identity_of, made_of, partial_folder
from interp.study.stages import STAGES, Base
from interp.study.units import Unit


def compute(unit: Unit) -> None:
    """Make the parts of a unit, but those that are there; the process keeps the last run's model and residuals.

    Another process may do the same at the same time: parts are whole or not there. Raises what a run raises.
    """
    base, store = _opened(unit)
    begun = time.perf_counter()
    for stage in STAGES:
        if stage.unit == unit.kind and stage.make is not None:
            pieces = [piece for piece in stage.pieces(base) if piece == unit.piece]
            if pieces and stage.steps(base):
                stage.make(base, unit.piece, unsaid)
    seconds = round(time.perf_counter() - begun, 2)
    store.value(unit.record, lambda: {"seconds": seconds, "host": platform.node()})


def forget() -> None:
    """Let go of the model that this process keeps."""
    _LAST.clear()


_LAST: dict[str, tuple[Base, Store]] = {}


def _opened(unit: Unit) -> tuple[Base, Store]:
    key = json.dumps(dict(unit.config), sort_keys=True)
    if key not in _LAST:
        _LAST.clear()
        config = RunConfig(**as_settings(unit.config))
        inputs = resolve(config)
        store = Store.open(partial_folder(config.folder), identity_of(config, inputs), shared=True)
        study = replace(prepare(config, inputs=inputs), parts=store)
        check_made_of(store, made_of(study))
        _LAST[key] = Base.of(study), store
    return _LAST[key]
