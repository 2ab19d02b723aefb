"""A study on a cluster that is simulated: how long it takes on 1 to 512 GPUs, and what bounds it.

    python docs/examples/scaling.py
    python docs/examples/scaling.py --language 26 --locate 70 --start 11 --gather 11

Units go to workers as `interp` hands them out: a worker goes on with the run that it has in memory, then takes a run
that no other is at, then helps with one. A worker that changes its run loads and fits first. When all units of a run
are over, one process (or several), which takes one run after another, gathers its tables and figures.
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
    language: float = 26.0
    locate: float = 70.0
    start: float = 11.0
    gather: float = 11.0
    gatherers: int = 1

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
    """Seconds, but for workers and starts (how often a worker changed its run).

    The makespan is the sum of four: `units` and `loads` are what a worker spends on them, in the mean; `uneven` is what
    passes until the last unit is over besides; `tail` is the gathering that is left then.
    """

    workers: int
    starts: int
    units: float
    loads: float
    uneven: float
    tail: float

    @property
    def makespan(self) -> float:
        """From the first load to the last run's tables."""
        return self.units + self.loads + self.uneven + self.tail

    @property
    def lost(self) -> str:
        """The largest part that is not units."""
        parts = {"loads": self.loads, "uneven ends": self.uneven, "gathering": self.tail}
        return max(parts, key=lambda name: parts[name])


def simulate(study: Study, workers: int) -> Simulated:
    """List scheduling: whenever a worker is free it takes a unit; nothing fails."""
    left = {run: list(study.units) for run in range(study.runs)}
    ends = dict.fromkeys(left, 0.0)
    free = [(0.0, worker) for worker in range(workers)]
    held: dict[int, int] = {}
    holders: Counter[int] = Counter()
    starts = 0
    while left:
        now, worker = heapq.heappop(free)
        run = held.get(worker)
        if run not in left:
            if run is not None:
                holders[run] -= 1
            run = held[worker] = min(left, key=lambda one: (holders[one] > 0, one))
            holders[run] += 1
            now += study.start
            starts += 1
        now += left[run].pop(0)
        ends[run] = max(ends[run], now)
        if not left[run]:
            del left[run]
        heapq.heappush(free, (now, worker))
    gatherers = [0.0] * study.gatherers
    for end in sorted(ends.values()):
        heapq.heapreplace(gatherers, max(gatherers[0], end) + study.gather)
    last, units, loads = max(ends.values()), study.runs * sum(study.units) / workers, starts * study.start / workers
    return Simulated(workers, starts, units, loads, last - units - loads, max(gatherers) - last)


def table(study: Study, workers: list[int]) -> str:
    """Markdown: a row per number of workers."""
    alone = simulate(study, 1).makespan
    rows = [
        "| GPUs | makespan | speed-up | units | loads | uneven ends | gathering | most is lost to |",
        "|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for seen in (simulate(study, count) for count in workers):
        parts = " | ".join(_hours(part) for part in (seen.units, seen.loads, seen.uneven, seen.tail))
        rows.append(
            f"| {seen.workers} | {_hours(seen.makespan)} | {alone / seen.makespan:.1f} | {parts} | {seen.lost} |"
        )
    return "\n".join(rows)


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


LARGE = Study(language=3600.0, locate=2400.0, start=420.0, gather=30.0)
"""Assumed, not measured: a 12B model on one GPU, an hour per language, 7 minutes to load 24 GB and to fit."""


def main() -> None:
    """Tables of a small model by measured times and a large one by assumed times, or of the times that are given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("models", "datasets", "seeds", "languages", "gatherers"):
        parser.add_argument(f"--{name}", type=int)
    for name in ("language", "locate", "start", "gather"):
        parser.add_argument(f"--{name}", type=float, help="seconds")
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 8, 64, 512])
    given = {key: value for key, value in vars(parser.parse_args()).items() if value is not None}
    workers = given.pop("gpus")
    if given:
        print(table(replace(Study(), **given), workers))
        return
    for study in (Study(), LARGE, replace(LARGE, gatherers=16)):
        print(table(study, workers), end="\n\n")


if __name__ == "__main__":
    main()
