"""Where units are computed: one contract, the same parts, whatever the executor."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

from interp.errors import Notice
from interp.studies.executors._base import Compute, Done
from interp.studies.executors._local import execute as on_local
from interp.studies.executors._options import ExecutorOptions
from interp.studies.executors._ray import execute as on_ray
from interp.studies.executors._slurm import execute as on_slurm
from interp.study.units import Unit

EXECUTORS = {"local": on_local, "ray": on_ray, "slurm": on_slurm}


def execute(units: Sequence[Unit], options: ExecutorOptions, compute: Compute) -> Iterator[Done]:
    """Compute every unit once and tell of each as it finishes, in no fixed order.

    compute: a function of a module, found by its name in other processes; results go through the store alone. An error
    of a unit is told in its Done and stops no other. Notices of workers are issued here. Raises ConfigError before
    anything starts if the executor can't be had, ValueError for units that are the same.
    """
    keys = [unit.key for unit in units]
    if len(set(keys)) < len(keys):
        raise ValueError(f"units are listed twice: {sorted({key for key in keys if keys.count(key) > 1})}")
    if not units:
        return
    for done in EXECUTORS[options.executor](units, options, compute):
        for notice in done.notices:
            warnings.warn(notice, Notice, stacklevel=2)
        yield done
