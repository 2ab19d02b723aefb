"""Units that wait: which one a worker takes, and how often one is tried again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from interp.study.units import Unit


class Waiting:
    """Units in the order given, but a worker goes on with the run, then the model, that it has in memory."""

    def __init__(self, units: Sequence[Unit], retries: int) -> None:
        self._units = list(units)
        self._retries = retries
        self._attempts: Counter[str] = Counter()
        self._last: dict[int, Unit] = {}

    def __len__(self) -> int:
        return len(self._units)

    def take(self, worker: int) -> Unit | None:
        """The next unit of a worker, or None. A run that no other worker is at comes before one to be shared."""
        if not self._units:
            return None
        last = self._last.get(worker)
        others = {_run(unit) for number, unit in self._last.items() if number != worker}

        def rank(unit: Unit) -> tuple[bool, bool, bool]:
            own = last is not None and _run(unit) == _run(last)
            same = last is not None and _model(unit) == _model(last)
            return not own, _run(unit) in others, not same

        unit = min(self._units, key=rank)
        self._units.remove(unit)
        self._attempts[unit.key] += 1
        self._last[worker] = unit
        return unit

    def again(self, worker: int, unit: Unit) -> bool:
        """The worker died at the unit: True if it waits again, False if it was tried often enough."""
        self._last.pop(worker, None)
        if self._attempts[unit.key] > self._retries:
            return False
        self._units.insert(0, unit)
        return True

    def attempts(self, unit: Unit) -> int:
        """How often the unit was taken."""
        return self._attempts[unit.key]


def _run(unit: Unit) -> str:
    return str(unit.config["out"])


def _model(unit: Unit) -> tuple[object, ...]:
    return tuple(unit.config.get(key) for key in ("model", "adapter", "revision", "quantization", "dtype", "n_devices"))
