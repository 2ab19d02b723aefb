"""What the runs of a study take here, each estimated as `--dry-run` does; runs that differ in seed alone share one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from interp.model.load import Outline, outline, place
from interp.model.machine import free_bytes
from interp.studies._studies import PlannedRun
from interp.study.ask import check_items
from interp.study.config import RunConfig
from interp.study.cost import Estimate, estimate, planned


@dataclass(frozen=True)
class RunCost:
    """A run's estimate, the model and the device that it is for, and the bytes free there."""

    estimate: Estimate
    model: Outline
    device: str
    free: int


def study_costs(runs: Sequence[PlannedRun]) -> list[RunCost]:
    """The cost of each run; measures for about three seconds per model and data.

    Raises a TranslocalError, with the run's name, where a model can't be outlined or a language has too few items.
    """
    costs: dict[RunConfig, RunCost] = {}
    alike = [replace(run.run.config, seed=0, out="") for run in runs]
    for config, run in zip(alike, runs, strict=True):
        if config not in costs:
            costs[config] = _cost(run)
    return [costs[config] for config in alike]


def _cost(run: PlannedRun) -> RunCost:
    config = run.run.config
    spot = place(config.device, config.dtype, config.n_devices, None, config.quantization or None)
    model = outline(
        config.model, spot.dtype, quantization=config.quantization or None, revision=config.revision or None
    )
    study = planned(config, run.inputs, model, spot.device, spot.dtype)
    check_items(study, run.inputs)
    work = estimate(study, model, spot.device, spot.dtype)
    return RunCost(work, model, spot.device, sum(free_bytes(device) for device in spot.devices))
