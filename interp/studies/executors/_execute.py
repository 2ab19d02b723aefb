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
    """Compute every unit once and yield a Done for each as it finishes, in no fixed order.

    compute: a module-level function, which other processes import by name; results are passed only through the store.
    An error in a unit is reported in its Done and doesn't stop the others. Notices of workers are issued here. Raises
    ConfigError before anything starts if the executor is not available, and ValueError for repeated units.
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
