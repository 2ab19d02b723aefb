"""What a run would do, counted without a model: prompts, plans, tokens through blocks, operations, rows of scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch

from interp.data import Axis, Prompt, Task
from interp.model import Shape
from interp.model.read import Residuals, Tokens
from interp.progress import unsaid
from interp.steering import Plan, Positions, Steer
from interp.steering.engine import costs, tokenise
from interp.study.ask import Study, scored_prompts
from interp.study.fit import FitResiduals, read_fit
from interp.study.locate import UNITS, read_residuals
from interp.study.score import Prompts, is_control, layer_cells, sentence_prompts
from interp.study.search import AXES, FINALISTS, Sought, SplitTasks, bounds, searched, sought

SAMPLE = 32
"""Prompts per kind whose tokens are counted; the others are taken to be like them."""

WORDS = 2**14
"""Words that a bounded normaliser is counted with."""

VECTOR = torch.zeros(1)
"""Stands for the vector of every plan: what scoring costs doesn't depend on it."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Part:
    """One piece of a stage: `prompts` read under `plans`, with tokens through blocks and floating-point operations.

    stage: named by whoever counts (`interp.study.stages`). rows: of the tables of scores that it writes. hooked: blocks
    passed under TransformerLens' hooks, call by call.
    """

    kind: str
    prompts: int
    plans: int
    tokens: float
    flops: float
    rows: int = 0
    hooked: int = 0
    stage: str = ""


@dataclass(frozen=True)
class TextsRead(Study):
    """A study that notes the texts whose residuals it is asked for, and gives empty ones."""

    texts: list[Sequence[str]] = field(default_factory=list)

    @classmethod
    def noting(cls, study: Study) -> TextsRead:
        """The same study, nothing noted yet."""
        return cls(**{each.name: getattr(study, each.name) for each in fields(study)})

    def read(self, texts: Sequence[str], plan: Plan | None = None) -> Residuals:
        """Note the texts."""
        self.texts.append(texts)
        return torch.empty(0, len(texts), 0)


@dataclass(frozen=True)
class Workload:
    """Counts the parts of a study's run for a model of some shape. The study's model may be an outline.

    searched_for: methods whose layer and strength are chosen; by default those that the run seeks.
    """

    study: Study
    shape: Shape
    tokens: Tokens
    searched_for: Sought | None = None

    @cached_property
    def methods(self) -> Sought:
        """Methods whose layer and strength are chosen."""
        return self.searched_for or sought(self.study)

    # What is read

    def read(self, kind: str, texts: Sequence[str], passes: float = 1.0) -> Part:
        """Texts, put into the template, through all blocks, `passes` times."""
        return self.passed(kind, [self.study.template.text(text) for text in texts], 1, passes)

    def passed(self, kind: str, texts: Sequence[str], plans: int, passes: float) -> Part:
        """Whole texts as they stand through all blocks, `passes` times for each of `plans`."""
        lengths = [len(self.tokens(text)) for text in _sample(texts)]
        mean = float(np.mean(lengths)) if lengths else 0.0
        through = len(texts) * mean * self.shape.n_layers * plans * passes
        return Part(kind, len(texts), plans, through, through * per_token(self.shape, mean / 2))

    def fit(self) -> Iterator[Part]:
        """What vectors are fitted on."""
        counted = TextsRead.noting(self.study)
        read_fit(counted)
        yield from (self.read("fit", texts) for texts in counted.texts)

    def locate(self) -> Iterator[Part]:
        """What probes, alignment and attribution read."""
        study, n = self.study, self.shape.n_layers
        counted = TextsRead.noting(study)
        read_residuals(counted, FitResiduals({}, {}, {}, {}, {}, {}), unsaid)
        yield from (self.read("locate", texts) for texts in counted.texts)
        for code in study.languages:
            asked = [task for task in self._prompts.full[code] if task.axis == "cultural"]
            yield self.passed(f"lens {code}", [task.prompt.text for task in asked], 1, 1.0)
        limit = study.design.attribution_items
        for code in study.languages if limit else ():
            facts = study.universal_texts(code, "test")[:limit]
            customs = study.cultural_texts(code, "test")[:limit]
            for name, texts in (("right - wrong", facts), ("local - reference", customs)):
                yield self._attributed(f"{name} {code}", texts, len(UNITS), batches=len(texts) / 4)
            # The cue and its control, each two forwards and a backward worth two; one prompt a call.
            yield self._attributed(f"cue {code}", customs, 8, batches=len(customs))
            yield self._attributed(f"residual {code}", facts, 2 * (n + 1) + 2, batches=len(facts) / 64)

    def _attributed(self, kind: str, texts: Sequence[str], passes: int, batches: float) -> Part:
        part = self.read(f"attribution {kind}", texts, passes=passes)
        return replace(part, hooked=int(passes * max(1.0, batches)) * self.shape.n_layers)

    # What is scored

    def plans(self, layers: Sequence[int]) -> list[Plan]:
        """A plan per layer, at the run's positions."""
        where: Positions = self.study.config.positions
        return [Plan((Steer(layer, VECTOR, positions=where),)) for layer in layers]

    def _spread(self, count: int) -> list[int]:
        """Layers for plans whose choice is not known yet: evenly over the grid."""
        grid = self.study.design.layers
        return [grid[int((i + 0.5) * len(grid) / count)] for i in range(count)]

    def scored(
        self, kind: str, tasks: Sequence[Task], plans: Sequence[Plan], *, written: int = 0, bounded: bool = False,
    ) -> Part:  # fmt: skip
        """Tasks under plans. written: plans whose scores go to disk. bounded: where the design allows it."""
        sample = _sample(tasks)
        prompts = scored_prompts(self.study, sample)
        rows = round(written * sum(len(task.marks) for task in tasks))
        words = WORDS if bounded and self.study.design.bounded else None
        return self._counted(kind, prompts, plans, rows=rows, scale=len(tasks) / len(sample), words=words)

    def _counted(
        self, kind: str, prompts: Sequence[Prompt], plans: Sequence[Plan], *, rows: int, scale: float = 1.0,
        words: int | None = None,
    ) -> Part:  # fmt: skip
        """Prompts whose continuations are scored; they stand for `scale` times as many."""
        needed, plain = costs(self.shape, tokenise(prompts, self.tokens), plans, words)
        cost = needed if self.study.config.engine == "replay" else plain
        return Part(
            kind, round(len(prompts) * scale), len(plans), cost.tokens * scale, cost.flops * scale, rows
        )  # fmt: skip

    def search(self) -> Iterator[Part]:
        """The rounds of every method; then the pairs."""
        study, dev = self.study, SplitTasks(self.study)
        for axis, names in self.methods.by_axis.items():
            for code in study.languages:
                tasks = dev.tasks(axis, code)
                yield from self._normaliser(f"{axis} {code}", tasks[: searched(study)])
                yield from self._rounds(dev, axis, code, len(names))
                for name in self.methods.pairs:
                    plans = [Plan(), *self.plans(self._spread(FINALISTS**2))]
                    yield self.scored(f"{name} {axis} {code}", tasks[: searched(study)], plans, bounded=True)

    def search_of_controls(self) -> Iterator[Part]:
        """The same rounds for every draw of every control."""
        study, dev = self.study, SplitTasks(self.study)
        draws = len(study.design.controls) * study.design.draws if self.methods.names else 0
        for axis in AXES if draws else ():
            for code in study.languages:
                yield from self._rounds(dev, axis, code, draws)

    def _rounds(self, dev: SplitTasks, axis: Axis, code: str, searches: int) -> Iterator[Part]:
        """Successive halving of some searches, on one axis in one language."""
        tasks, alive = dev.tasks(axis, code), len(self.study.design.cells)
        for number, each in enumerate(self.study.design.rounds):
            start, stop = bounds(dev, number)
            if searches and tasks[start:stop]:
                plans = [Plan(), *self.plans(self._spread(alive) * searches)]
                yield self.scored(f"round {number + 1} {axis} {code}", tasks[start:stop], plans, bounded=True)
            alive = min(alive, each.kept)

    def _normaliser(self, kind: str, tasks: Sequence[Task]) -> Iterator[Part]:
        """What making a bounded normaliser takes: one exact pass."""
        if self.study.design.bounded and tasks:
            yield self.scored(f"normaliser {kind}", tasks, [Plan()])

    def sweep(self) -> Iterator[Part]:
        """EN and LOC at every cell of the grid, on both axes."""
        study, dev = self.study, SplitTasks(self.study)
        n = sum(name in self.methods.names for name in ("en", "loc")) if study.design.swept else 0
        layers = [layer for layer, _ in study.design.cells]
        for code in study.languages if n else ():
            for axis in AXES:
                plans = [Plan(), *self.plans(layers * n)]
                yield self.scored(f"{axis} {code}", dev.tasks(axis, code), plans)

    @cached_property
    def _prompts(self) -> Prompts:
        return Prompts.of(self.study)

    def english(self) -> Iterator[Part]:
        """All universal test items in English, unsteered."""
        tasks = self.study.universal_tasks("en", "test", everywhere=True)
        yield self.scored("universal en", tasks, [Plan()], written=1)

    def _kinds(self, code: str) -> dict[str, list[Task]]:
        kinds: dict[str, list[Task]] = {}
        for task in self._prompts.full[code]:
            kinds.setdefault(f"{task.axis} {task.cue} {code}", []).append(task)
        return kinds

    def unsteered(self) -> Iterator[Part]:
        """Every test prompt, unsteered."""
        for code in self.study.languages:
            for kind, tasks in self._kinds(code).items():
                yield self.scored(kind, tasks, [Plan()], written=1)

    def sentences(self) -> Iterator[Part]:
        """Parallel sentences under base and the chosen plans."""
        plans = [Plan(), *self.plans(self._spread(len(self.methods.names)))]
        for code in self.study.languages:
            if prompts := list(sentence_prompts(self.study, code).values()):
                yield self._counted(code, prompts, plans, rows=len(plans) * len(prompts))

    def test(self) -> Iterator[Part]:
        """Every test prompt under the chosen plans, and EN and LOC at every layer."""
        yield from self.tested()
        layers = [layer for _, layer in layer_cells(self.study.design, self.methods.names)]
        for code in self.study.languages if layers else ():
            for axis, tasks in self._by_axis(code):
                yield self.scored(f"layers {axis} {code}", tasks, self.plans(layers), written=len(layers), bounded=True)

    def _by_axis(self, code: str) -> tuple[tuple[str, list[Task]], ...]:
        return ("universal", self._prompts.universal[code]), ("cultural", self._prompts.cultural[code])

    def tested(self) -> Iterator[Part]:
        """Every test prompt under the chosen plans."""
        controls = sum(map(is_control, self.methods.names))
        plans = self.plans(self._spread(len(self.methods.names) - controls))
        others = self.plans(self._spread(controls))
        for code in self.study.languages:
            for kind, tasks in self._kinds(code).items():
                if plans:
                    yield self.scored(kind, tasks, plans, written=len(plans))
                if others:
                    yield self.scored(f"controls {kind}", tasks, others, written=len(others), bounded=True)
                    yield from self._normaliser(kind, tasks)

    def controls(self) -> Iterator[Part]:
        """Every draw of every control on test, each axis on its own."""
        study = self.study
        draws = study.design.draws if self.methods.names else 0
        for control in study.design.controls if draws else ():
            for code in study.languages:
                for axis, tasks in self._by_axis(code):
                    plans = self.plans(self._spread(draws))
                    yield self.scored(f"{control} {axis} {code}", tasks, plans, written=draws, bounded=True)

    def generate(self) -> Iterator[Part]:
        """Free answers under base and the chosen plans, where they are asked for."""
        study, plans = self.study, 1 + len(self.methods.names)
        for code in study.languages if study.config.generate else ():
            for cue in ("none", "explicit"):
                tasks = [task for task in self._prompts.full[code] if task.axis == "cultural" and task.cue == cue]
                length = study.config.max_new_tokens
                texts = [task.prompt.text for task in tasks]
                part = self.passed(f"cultural {cue} {code}", texts, plans, length)
                words = 2.0 * self.shape.d_vocab * self.shape.d_model * len(tasks) * length * plans
                yield replace(part, flops=part.flops + words)


def per_token(shape: Shape, attended: float) -> float:
    """Operations of a token in a block: its matrices, and attention to so many tokens."""
    return 2.0 * sum(shape.matrices) / shape.n_layers + 4.0 * shape.n_heads * shape.d_head * attended


def _sample(values: Sequence[Value]) -> list[Value]:
    """At most SAMPLE of the values, evenly spaced."""
    step = max(1.0, len(values) / SAMPLE)
    return [values[int(i * step)] for i in range(min(len(values), SAMPLE))]
