"""This machine's cores and GPUs, shared out among workers."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence

from interp.errors import ConfigError
from interp.studies.executors._options import ExecutorOptions


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_threads(count: int) -> None:
    """Threads of this process; best called before torch is imported, whose OpenMP reads the environment once."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(count)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)


def gpus_of(worker: int, each: float, devices: Sequence[str]) -> str:
    """CUDA_VISIBLE_DEVICES of a worker (numbered from 0) that is to have `each` of the devices."""
    if each < 1:
        return devices[worker // math.floor(1 / each)]
    return ",".join(devices[worker * int(each) : (worker + 1) * int(each)])


def shared_gpus(options: ExecutorOptions) -> list[str | None]:
    """CUDA_VISIBLE_DEVICES per worker; None leaves it as it is. Raises ConfigError if there are too few GPUs."""
    each, workers = options.gpus_per_worker, options.workers
    if not each:
        return [None] * workers
    devices = _devices()
    needed = workers * int(each) if each >= 1 else math.ceil(workers / math.floor(1 / each))
    if needed > len(devices):
        raise ConfigError(
            f"{workers} workers with {each:g} GPUs each need {needed} GPUs, but this machine has {len(devices)}",
            remedy="pass fewer --workers, or a smaller --gpus-per-worker",
        )
    return [gpus_of(worker, each, devices) for worker in range(workers)]


def _devices() -> list[str]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [device.strip() for device in visible.split(",") if device.strip()]
    import torch  # not before `limit_threads`: its OpenMP reads the environment when it is loaded

    return [str(i) for i in range(torch.cuda.device_count())]
