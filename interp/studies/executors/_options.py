"""How units are spread: settings of every executor."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from interp.errors import ConfigError
from interp.settings import Checked, setting

_ADDRESS = re.compile(r"auto|[^/:\s]+:\d+")
# Lengths that sbatch reads: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]].
_TIME = re.compile(r"\d+|\d+:\d\d|\d+:\d\d:\d\d|\d+-\d+(:\d\d){0,2}")

_SLURM = ("executor", "slurm")


@dataclass(frozen=True)
class ExecutorOptions(Checked):
    """Where units are computed, and how many at once.

    workers: units at once. threads: per worker; one by default, whatever the executor, as sums may differ in their last
    digit between numbers of threads. gpus_per_worker: 0.5 puts two workers on a GPU, 2 gives a worker two; 0 leaves
    devices alone. retries: how often a unit is tried again whose worker died. ray_address: `host:port` or `auto`; empty
    starts a cluster on this machine. slurm_*: as sbatch takes them; slurm_folder: for job scripts, logs and what jobs
    report, on a disk that all nodes see (default: `.slurm` beside the runs); slurm_units_per_job: units that a job
    computes one after another, with its model loaded once.
    Raises ConfigError for values that aren't allowed.
    """

    executor: Literal["local", "ray", "slurm"] = setting(
        "local", "Where units of work are computed: local, ray or slurm. Default: local."
    )
    workers: int = setting(1, "Number of units computed at once; each worker loads a model. Default: 1.", least=1)
    threads: int = setting(
        1, "CPU threads per worker. Other numbers can change the last digits of results. Default: 1.", least=1
    )
    gpus_per_worker: float = setting(
        0.0, "GPUs per worker: with 0.5 two workers share a GPU, with 2 each worker gets two."
    )
    retries: int = setting(2, "How often a unit is retried when its worker dies. Default: 2.", least=0)
    ray_address: str = setting(
        "",
        "An existing Ray cluster: host:port, or auto. Default: start one on this machine.",
        needs=("executor", "ray"),
    )
    slurm_account: str = setting("", "Account of the jobs, as for sbatch.", needs=_SLURM)
    slurm_partition: str = setting("", "Partition of the jobs.", needs=_SLURM)
    slurm_gres: str = setting("", "Resources of a job, such as gpu:1.", needs=_SLURM)
    slurm_time: str = setting(
        "04:00:00", "Time limit of a job. Unfinished work is queued again. Default: 04:00:00.", needs=_SLURM
    )
    slurm_memory: str = setting("", "Memory of a job, such as 32G.", needs=_SLURM)
    slurm_folder: str = setting(
        "", "Folder for scripts and logs, on a disk that all nodes see. Default: .slurm beside the runs.", needs=_SLURM
    )
    slurm_units_per_job: int = setting(
        1, "Number of units that a job computes one after another. Default: 1.", least=1, needs=_SLURM
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        gpus = self.gpus_per_worker
        if gpus < 0 or (gpus > 1 and gpus != int(gpus)):
            raise ConfigError(
                f"gpus_per_worker {gpus!r} is not allowed", allowed="0, a fraction of a GPU, or a whole number of them"
            )
        if not _TIME.fullmatch(self.slurm_time):
            raise ConfigError(
                f"slurm_time {self.slurm_time!r} is not allowed",
                allowed="a time limit as for sbatch: 90, 04:00:00, 1-12:00:00",
            )
        if self.ray_address and not _ADDRESS.fullmatch(self.ray_address):
            raise ConfigError(f"ray_address {self.ray_address!r} is not allowed", allowed="auto, or host:port")
        if self.gpus_per_worker and self.executor == "slurm":
            raise ConfigError("gpus_per_worker is not for slurm", remedy="--slurm-gres gpu:1")
