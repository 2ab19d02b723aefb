"""Units on a Ray cluster: actors hold the model, this process hands units out and hears how they went.

Ray sends the function (by its name), units and `Done`s between its own processes with cloudpickle: transport over its
sockets, nothing is read back from a disk. Results come back through the store alone, on a disk that all nodes see.
"""

from __future__ import annotations

import logging
import os
import socket
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from interp.errors import ConfigError, Notice
from interp.studies.executors._base import Compute, Done, attempt, lost
from interp.studies.executors._options import ExecutorOptions
from interp.studies.executors._sharing import cores, limit_threads
from interp.studies.executors._waiting import Waiting
from interp.study.units import Unit


class Holder:
    """What runs in an actor's process: it computes units one after another and keeps what `compute` keeps."""

    def ready(self, folder: str, threads: int) -> str:
        """Go to the caller's folder, for relative paths, and set threads. Returns what is wrong, or nothing."""
        limit_threads(threads)
        try:
            os.chdir(folder)
        except OSError as error:
            return f"{folder} can't be entered on node {os.uname().nodename}: {error.strerror}"
        return ""

    def compute(self, unit: Unit, compute: Compute) -> Done:
        """One attempt."""
        return attempt(unit, compute)


def execute(units: Sequence[Unit], options: ExecutorOptions, compute: Compute) -> Iterator[Done]:
    """Units on `options.workers` actors; the one that dies costs its unit an attempt, and another takes its place.

    Raises ConfigError where Ray is not installed, no cluster answers, a cluster started here has too few GPUs, or a
    node doesn't see this folder.
    """
    with _cluster(options) as ray:
        actors = _Actors(ray, options, compute, min(options.workers, len(units)))
        try:
            yield from actors.run(Waiting(units, options.retries))
        finally:
            actors.kill()


class _Actors:
    """Actors by number, and what each is asked: to be ready, or to compute a unit."""

    def __init__(self, ray: Any, options: ExecutorOptions, compute: Compute, count: int) -> None:
        threads = options.threads
        self._ray, self._compute, self._threads, self._retries = ray, compute, threads, options.retries
        self._new = ray.remote(num_cpus=threads, num_gpus=options.gpus_per_worker, max_restarts=0)(Holder).remote
        self._actors: dict[int, Any] = {}
        self._asked: dict[Any, tuple[int, Unit | None, float]] = {}
        self._never_ready = 0
        for number in range(count):
            self._start(number)

    def _start(self, number: int) -> None:
        actor = self._actors[number] = self._new()
        self._asked[actor.ready.remote(os.getcwd(), self._threads)] = (number, None, time.perf_counter())

    def run(self, waiting: Waiting) -> Iterator[Done]:
        """Hand out and hear until nothing waits and no unit is being computed."""
        idle: list[int] = []
        while waiting or any(unit for _, unit, _ in self._asked.values()):
            for number in list(idle):
                if (unit := waiting.take(number)) is None:
                    continue
                idle.remove(number)
                call = self._actors[number].compute.remote(unit, self._compute)
                self._asked[call] = (number, unit, time.perf_counter())
            (call, *_), _ = self._ray.wait(list(self._asked), num_returns=1)
            number, unit, begun = self._asked.pop(call)
            try:
                answer = self._ray.get(call)
            except self._ray.exceptions.RayError as error:
                if unit is None:
                    self._failed_to_start(error)
                elif not waiting.again(number, unit):
                    waiting.over(unit)
                    yield lost(unit, time.perf_counter() - begun, "", waiting.attempts(unit), _first_line(error))
                self._ray.kill(self._actors[number])
                self._start(number)
                continue
            if isinstance(answer, Done):
                waiting.over(answer.unit)
                yield answer
            elif answer:
                raise ConfigError(answer, remedy="start in a folder that all nodes of the cluster share")
            idle.append(number)
        waiting.tell()

    def _failed_to_start(self, error: BaseException) -> None:
        self._never_ready += 1
        if self._never_ready > self._retries:
            raise ConfigError(
                f"a Ray worker can't start: {_first_line(error)}",
                remedy="the same Python and packages, including interp, on every node",
            ) from error

    def kill(self) -> None:
        """End all actors' processes."""
        for actor in self._actors.values():
            self._ray.kill(actor)


@contextmanager
def _cluster(options: ExecutorOptions) -> Iterator[Any]:
    """Ray, connected: to a cluster by its address, to one that this process has already, else to one started here."""
    # Ray reads these when it is imported. It must not report use, nor wrap its workers into `uv run`.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "the executor ray needs Ray, which is not installed", remedy="pip install 'translocal[ray]'"
        ) from error
    ours = not ray.is_initialized()
    if ours:
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        if options.ray_address:
            try:
                _knock(options.ray_address)
                ray.init(address=options.ray_address, **quiet)
            except (OSError, ValueError, RuntimeError) as error:
                raise ConfigError(
                    f"no Ray cluster answers at {options.ray_address}: {_first_line(error)}",
                    remedy="check `ray status` there; the versions of Ray and Python must match",
                ) from error
        else:
            enough = max(cores(), options.workers * options.threads)
            ray.init(address="local", num_cpus=enough, include_dashboard=False, **quiet)
    try:
        _check_gpus(ray, options)
        yield ray
    finally:
        if ours:
            ray.shutdown()


def _knock(address: str) -> None:
    """Ray tries an address where nobody listens for minutes; raises OSError at once."""
    if address != "auto":
        host, _, port = address.rpartition(":")
        socket.create_connection((host, int(port)), timeout=10).close()


def _check_gpus(ray: Any, options: ExecutorOptions) -> None:
    """A cluster may grow, so too few GPUs are a notice there; one that was started here does not."""
    gpus = ray.cluster_resources().get("GPU", 0)
    if gpus >= options.gpus_per_worker:
        return
    shortage = f"each worker needs {options.gpus_per_worker:g} GPUs, but the cluster has {gpus:g}"
    if not options.ray_address:
        raise ConfigError(
            shortage, remedy="pass a smaller --gpus-per-worker, or the --ray-address of a cluster with GPUs"
        )
    warnings.warn(f"{shortage}; waiting until it has more", Notice, stacklevel=2)


def _first_line(error: BaseException) -> str:
    """The first sentence of what Ray says, which goes on with advice and ids."""
    text = " ".join(str(error).split("\n\t")[0].split())
    return f"{type(error).__name__}: {text[:200]}"
