"""Units that wait: which one a worker takes, which others it must wait for, and how often one is tried again."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Sequence

from interp.errors import Notice
from interp.study.units import Unit


class Waiting:
    """Units in the order given, but a worker goes on with the run, then the model, that it has in memory."""

    def __init__(self, units: Sequence[Unit], retries: int) -> None:
        self._units = list(units)
        self._retries = retries
        self._attempts: Counter[str] = Counter()
        self._last: dict[int, Unit] = {}
        self._begun: dict[str, Unit] = {}
        self._idle: dict[int, float] = {}
        self.waited: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._units)

    def take(self, worker: int) -> Unit | None:
        """The next unit of a worker, or None if none is ready; a language's is when its run's searches are over.

        A run that no other worker is at comes before one to be shared. How long workers had nothing to do for that
        reason is in `waited`, seconds by run.
        """
        searched = {unit.run for unit in (*self._begun.values(), *self._units) if unit.searches}
        ready = [unit for unit in self._units if not (unit.waits and unit.run in searched)]
        if not ready:
            if self._units:
                self._idle.setdefault(worker, time.perf_counter())
            return None
        last = self._last.get(worker)
        others = {unit.run for number, unit in self._last.items() if number != worker}

        def rank(unit: Unit) -> tuple[bool, bool, bool]:
            own = last is not None and unit.run == last.run
            same = last is not None and _model(unit) == _model(last)
            return not own, unit.run in others, not same

        unit = min(ready, key=rank)
        self._units.remove(unit)
        self._begun[unit.key] = unit
        if (idle := self._idle.pop(worker, None)) is not None:
            self.waited[unit.run] = self.waited.get(unit.run, 0.0) + time.perf_counter() - idle
        self._attempts[unit.key] += 1
        self._last[worker] = unit
        return unit

    def again(self, worker: int, unit: Unit) -> bool:
        """The worker died at the unit: True if it waits again, False if it was tried often enough."""
        self._last.pop(worker, None)
        self._begun.pop(unit.key, None)
        if self._attempts[unit.key] > self._retries:
            return False
        self._units.insert(0, unit)
        return True

    def over(self, unit: Unit) -> None:
        """The unit is done, or given up."""
        self._begun.pop(unit.key, None)

    def tell(self) -> None:
        """Issue a notice, for each run, of how long workers waited for its searches."""
        for run, seconds in self.waited.items():
            text = f"{run}: workers were idle for {seconds:.0f} s in total, waiting for the search over languages"
            warnings.warn(text, Notice, stacklevel=2)

    def attempts(self, unit: Unit) -> int:
        """How often the unit was taken."""
        return self._attempts[unit.key]


def _model(unit: Unit) -> tuple[object, ...]:
    return tuple(unit.config.get(key) for key in ("model", "adapter", "revision", "quantization", "dtype", "n_devices"))
