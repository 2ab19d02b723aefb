"""A run of a study whose units are whole, gathered into its tables and figures."""

from __future__ import annotations

from interp.progress import Stages
from interp.studies._studies import PlannedRun
from interp.study.run import run
from interp.study.stages import forget


def gather_run(planned: PlannedRun, progress: Stages) -> None:
    """Make a run's tables and figures from its parts, and what there is no part of."""
    forget()  # what one worker computed here must not be in memory twice
    run(planned.run.config, progress, inputs=planned.inputs)
