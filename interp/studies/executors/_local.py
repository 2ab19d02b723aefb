"""Units on this machine: in this process, or in processes of their own that keep their model from unit to unit.

Processes and this one talk through pipes that no other process has: transport, nothing is read back from a disk.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait

from interp.studies.executors._base import Compute, Done, attempt, lost
from interp.studies.executors._options import ExecutorOptions
from interp.studies.executors._sharing import limit_threads, shared_gpus
from interp.studies.executors._waiting import Waiting
from interp.study.units import Unit

PATIENCE = 10
"""Seconds in which a process without work has to end."""


def execute(units: Sequence[Unit], options: ExecutorOptions, compute: Compute) -> Iterator[Done]:
    """One worker: in this process, in the order given. More: that many processes, told as they finish.

    A process that dies costs its unit an attempt, and another takes its place. When the caller stops, or Ctrl-C comes,
    all processes are killed: parts are whole or absent, whenever that is.
    """
    if options.workers == 1:
        limit_threads(options.threads)
        yield from (attempt(unit, compute) for unit in units)
        return
    waiting = Waiting(units, options.retries)
    gpus = shared_gpus(options)[: len(units)]
    workers = [_Worker(number, compute, options.threads, visible) for number, visible in enumerate(gpus)]
    try:
        while True:
            for worker in workers:
                if worker.unit is None and (unit := waiting.take(worker.number)):
                    worker.begin(unit)
            busy = {worker.connection: worker for worker in workers if worker.unit is not None}
            if not busy:
                waiting.tell()
                for worker in workers:
                    worker.end()
                return
            for connection in wait(list(busy)):
                worker = busy[connection]  # type: ignore[index]
                if (done := worker.finished(waiting)) is not None:
                    waiting.over(done.unit)
                    yield done
    finally:
        for worker in workers:
            worker.kill()


class _Worker:
    """A process, the unit that it is at, and the pipe to it."""

    def __init__(self, number: int, compute: Compute, threads: int, gpus: str | None) -> None:
        self.number = number
        self.unit: Unit | None = None
        self._compute = compute
        self._setting = (threads, gpus)
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, *self._setting), daemon=True)
        resource_tracker.ensure_running()  # before the mask: starting it would lift it
        # Ctrl-C is for this process alone: the mask is inherited, so that a worker dies of `kill` and prints nothing.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self._sent = False

    def begin(self, unit: Unit) -> None:
        """Hand the unit over. A worker that died meanwhile is noticed when its answer is read."""
        self.unit, self._begun = unit, time.perf_counter()
        try:
            if not self._sent:
                self.connection.send(self._compute)
                self._sent = True
            self.connection.send(unit)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def finished(self, waiting: Waiting) -> Done | None:
        """What the worker tells; or, if it died, None if the unit waits again, else that it is lost."""
        unit, self.unit = self.unit, None
        if unit is None:
            raise ValueError("the worker has no unit")
        try:
            done = self.connection.recv()
        except (EOFError, ConnectionResetError):
            why = self._death()
            self._start()
            if waiting.again(self.number, unit):
                return None
            seconds = time.perf_counter() - self._begun
            return lost(unit, seconds, socket.gethostname(), waiting.attempts(unit), why)
        if not isinstance(done, Done):
            raise TypeError(f"a worker answered {done!r}")
        return done

    def _death(self) -> str:
        self.connection.close()
        self._process.join()
        code = self._process.exitcode or 0
        if code >= 0:
            return f"process {self._process.pid} ended with exit code {code}"
        name = signal.Signals(-code).name
        more = " (out of memory, or by hand)" if -code == signal.SIGKILL else ""
        return f"process {self._process.pid} was killed by {name}{more}"

    def end(self) -> None:
        """Let a process that waits for a unit end by itself, so that it gives back its locks."""
        self.connection.close()
        self._process.join(PATIENCE)

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def _work(connection: Connection, threads: int, gpus: str | None) -> None:
    """A worker's life. The function to compute comes last: what it imports finds threads and devices set."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    limit_threads(threads)
    if gpus is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus
    try:
        compute = connection.recv()
        while True:
            connection.send(attempt(connection.recv(), compute))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _end_with_parent() -> None:
    """A worker whose parent was killed must not go on alone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
