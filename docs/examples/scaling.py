"""A study on a cluster that is simulated: how long it takes on 1 to 512 GPUs, and what bounds it.

    python docs/examples/scaling.py
    python docs/examples/scaling.py --language 35 --locate 60 --start 15 --gather 11

Units go to workers as `interp` hands them out: a worker goes on with the run that it has in memory, then takes a run
that no other is at, then helps with one. A worker that changes its run loads and fits first. When all units of a run
are over, one process, which takes one run after another, gathers its tables and figures.
"""

from __future__ import annotations

import argparse
import heapq
from collections import Counter
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Study:
    """Runs and units, with seconds of each step. start: load the model and fit, whenever a worker changes its run."""

    models: int = 5
    datasets: int = 4
    seeds: int = 10
    languages: int = 6
    language: float = 35.0
    locate: float = 60.0
    start: float = 15.0
    gather: float = 11.0

    @property
    def runs(self) -> int:
        """One per model, dataset and seed."""
        return self.models * self.datasets * self.seeds

    @property
    def units(self) -> list[float]:
        """Seconds of a run's units in the order in which they are handed out: the longest first."""
        return sorted([self.language] * self.languages + [self.locate], reverse=True)


@dataclass(frozen=True)
class Simulated:
    """makespan, in seconds; starts: how often a worker changed its run; computing: seconds spent in units."""

    workers: int
    makespan: float
    starts: int
    computing: float
    units_over: float

    @property
    def efficiency(self) -> float:
        """Share of the workers' time that went into units."""
        return self.computing / (self.workers * self.makespan)


def simulate(study: Study, workers: int) -> Simulated:
    """List scheduling: whenever a worker is free it takes a unit; nothing fails."""
    left = {run: list(study.units) for run in range(study.runs)}
    going = Counter({run: len(study.units) for run in range(study.runs)})
    holders: Counter[int] = Counter()
    free = [(0.0, worker) for worker in range(workers)]
    held: dict[int, int] = {}
    finished: list[float] = []
    ends: dict[int, float] = {}
    starts, computing = 0, 0.0
    while left:
        now, worker = heapq.heappop(free)
        run = held.get(worker)
        if run not in left:
            run = min(left, key=lambda one: (holders[one] > 0, -len(left[one]) if holders[one] else 0, one))
            if worker in held:
                holders[held[worker]] -= 1
            held[worker] = run
            holders[run] += 1
            now += study.start
            starts += 1
        seconds = left[run].pop(0)
        if not left[run]:
            del left[run]
        end = now + seconds
        computing += seconds
        going[run] -= 1
        ends[run] = max(ends.get(run, 0.0), end)
        if not going[run]:
            finished.append(ends[run])
        heapq.heappush(free, (end, worker))
    gathered = 0.0
    for end in sorted(finished):
        gathered = max(gathered, end) + study.gather
    return Simulated(workers, gathered, starts, computing, max(finished))


def bound(study: Study, seen: Simulated) -> str:
    """What keeps the makespan from being shorter: the largest of what can't be undercut."""
    shares = {
        "work": (seen.computing + seen.starts * study.start) / seen.workers,
        "gathering, one run after another": study.runs * study.gather + study.start + min(study.units),
        "the longest unit and its start": study.start + max(study.units) + study.gather,
    }
    return max(shares, key=lambda name: shares[name])


def table(study: Study, workers: list[int]) -> str:
    """Markdown: a row per number of workers."""
    alone = simulate(study, 1)
    rows = [
        "| GPUs | makespan | speed-up | time in units | model loads | bound by |",
        "|---:|---:|---:|---:|---:|---|",
    ]
    for count in workers:
        seen = simulate(study, count)
        rows.append(
            f"| {count} | {_hours(seen.makespan)} | {alone.makespan / seen.makespan:.1f} | {seen.efficiency:.0%} "
            f"| {seen.starts} | {bound(study, seen)} |"
        )
    return "\n".join(rows)


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


LARGE = Study(language=3600.0, locate=2400.0, start=420.0, gather=30.0)
"""Assumed, not measured: a 12B model on one GPU, an hour per language, 7 minutes to load 24 GB and to fit."""


def main() -> None:
    """Tables of a small model by measured times, of a large one by assumed times, or of the times that are given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("models", "datasets", "seeds", "languages"):
        parser.add_argument(f"--{name}", type=int)
    for name in ("language", "locate", "start", "gather"):
        parser.add_argument(f"--{name}", type=float, help="seconds")
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 8, 64, 512])
    given = {key: value for key, value in vars(parser.parse_args()).items() if value is not None}
    workers = given.pop("gpus")
    if given:
        print(table(replace(Study(), **given), workers))
        return
    print(table(Study(), workers), table(LARGE, workers), sep="\n\n")


if __name__ == "__main__":
    main()
