"""What a run would do, counted without a model: prompts, plans, tokens through blocks, operations, rows of scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch

from interp.data import SPLITS, Prompt, Task
from interp.model import Shape
from interp.model.read import Ids, Tokens
from interp.steering import Plan, Positions, Steer
from interp.steering.engine import costs, tokenise
from interp.study.ask import Study, scored_prompts
from interp.study.locate import CUED_PER_CULTURE, UNITS
from interp.study.methods import TrainedMethod, training_settings
from interp.study.score import Prompts, is_control, layer_cells, sentence_prompts
from interp.study.search import AXES, FINALISTS, Sought, SplitTasks, bounds, searched, sought, sought_on_top
from interp.study.trained import patches_per_layer

SAMPLE = 32
"""Prompts per kind whose tokens are counted; the others are taken to be like them."""

WORDS = 2**14
"""Words that a bounded normaliser is counted with."""

Value = TypeVar("Value")

SEARCH_OF_CONTROLS = "search of controls"
STAGES = (
    "fit", "unsteered", "search", SEARCH_OF_CONTROLS, "sweep", "sentences", "test", "controls", "generate", "locate",
    "train", "on top",
)  # fmt: skip
"""Of a run, in its order. `on top`: everything that is read and scored of trained models."""

SEQUENCES = {"instruct": 3.0, "midalign": 4.5, "clo": 16.0}
"""Forward passes per text of a batch: a training pass counts as three, clo has four texts and a reference to each."""

KEEPING = 2.0
"""How much more a step costs with the penalty, which reads further prompts with the base and with the adapter."""


@dataclass(frozen=True)
class Part:
    """One piece of a stage: `prompts` read under `plans`, with tokens through blocks and floating-point operations.

    unembedding: of these operations. rows: of the tables of scores that it writes. hooked: blocks passed under
    TransformerLens' hooks, call by call.
    """

    stage: str
    kind: str
    prompts: int
    plans: int
    tokens: float
    flops: float
    unembedding: float = 0.0
    rows: int = 0
    hooked: int = 0


class GuessedTokens(Tokens):
    """A token per four bytes, where the tokenizer is not at hand."""

    def __init__(self) -> None:
        """Nothing is kept."""

    def __call__(self, text: str) -> Ids:
        """Chunks of four bytes, as numbers."""
        data = text.encode()
        return tuple(int.from_bytes(data[i : i + 4]) for i in range(0, len(data), 4)) or (0,)

    def prompt(self, text: str | Ids) -> Ids:
        """As a whole text."""
        return self(text) if isinstance(text, str) else text

    def split(self, prompt: str, endings: Sequence[str]) -> tuple[Ids, list[Ids]]:
        """Prompt and endings on their own."""
        return self(prompt), [self(ending) for ending in endings]

    def text(self, text: str) -> Ids:
        """As a whole text."""
        return self(text)

    def front(self, ids: Sequence[int]) -> int:
        """None: nothing is known of special tokens, and they cost what others do."""
        return 0


@dataclass(frozen=True)
class Workload:
    """Counts the parts of a study's run for a model of some shape. The study's model may be an outline."""

    study: Study
    shape: Shape
    tokens: Tokens
    _vector: torch.Tensor = field(default_factory=lambda: torch.zeros(1), repr=False)

    def run(self) -> list[Part]:
        """The main job."""
        parts = [*self._fit(), *self._search(), *self._sweep(), *self._test(), *self._controls()]
        if self.study.config.generate:
            parts += self._generate(self.methods)
        return [*parts, *self._locate(), *self._trained()]

    def locate(self) -> list[Part]:
        """The analysis half alone."""
        return [*self._fit(), *self._locate()]

    # What is read

    def _read(self, stage: str, kind: str, texts: Sequence[str], passes: float = 1.0) -> Part:
        """Texts, put into the template, through all blocks, `passes` times."""
        return self._passed(stage, kind, [self.study.template.text(text) for text in texts], 1, passes)

    def _passed(self, stage: str, kind: str, texts: Sequence[str], plans: int, passes: float) -> Part:
        """Whole texts as they stand through all blocks, `passes` times for each of `plans`."""
        lengths = [len(self.tokens(text)) for text in _sample(texts)]
        mean = float(np.mean(lengths)) if lengths else 0.0
        through = len(texts) * mean * self.shape.n_layers * plans * passes
        attention = 4.0 * self.shape.n_heads * self.shape.d_head * mean / 2
        per_token = 2.0 * sum(self.shape.matrices) / self.shape.n_layers + attention
        return Part(stage, kind, len(texts), plans, through, through * per_token)

    def _fit(self) -> Iterator[Part]:
        study = self.study
        for code in study.universal.languages:
            yield self._read("fit", f"universal {code}", self.study.universal_texts(code, "fit"))
        for code in study.cultural.languages:
            yield self._read("fit", f"cultural {code}", self.study.cultural_texts(code, "fit"))
        for code in ("en", *study.languages) if study.nonfactual else ():
            yield self._read("fit", f"nonfactual {code}", study.sentences(code, "fit"))
        for code in study.languages:
            cued = {"explicit": study.culture(code), "wrong": study.wrong_culture(code)}
            for name, culture in cued.items():
                if culture:
                    yield self._read(
                        "fit", f"{name} {code}", self.study.cultural_texts(code, "fit", "explicit", culture)
                    )
            yield self._read("fit", f"placebo {code}", self.study.cultural_texts(code, "fit", "placebo"))

    def _locate(self) -> Iterator[Part]:
        study, n = self.study, self.shape.n_layers
        for code in study.universal.languages:
            yield self._read("locate", f"universal {code}", self.study.universal_texts(code, "test"))
        for code in study.cultural.languages:
            yield self._read("locate", f"cultural {code}", self.study.cultural_texts(code, "test"))
            for culture in study.cultural.cultures:
                texts = self.study.cultural_texts(code, "fit", "explicit", culture)[:CUED_PER_CULTURE]
                yield self._read("locate", f"cued {code} {culture}", texts)
        limit = study.design.attribution_items
        for code in study.languages if limit else ():
            facts = self.study.universal_texts(code, "test")[:limit]
            customs = self.study.cultural_texts(code, "test")[:limit]
            for name, texts in (("right - wrong", facts), ("local - reference", customs)):
                yield self._attributed(f"{name} {code}", texts, len(UNITS), batches=len(texts) / 4)
            # The cue and its control, each two forwards and a backward worth two; one prompt a call.
            yield self._attributed(f"cue {code}", customs, 8, batches=len(customs))
            yield self._attributed(f"residual {code}", facts, 2 * (n + 1) + 2, batches=len(facts) / 64)

    def _attributed(self, kind: str, texts: Sequence[str], passes: int, batches: float) -> Part:
        part = self._read("locate", f"attribution {kind}", texts, passes=passes)
        return replace(part, hooked=int(passes * max(1.0, batches)) * self.shape.n_layers)

    # What is scored

    def _plans(self, layers: Sequence[int]) -> list[Plan]:
        where: Positions = self.study.config.positions
        return [Plan((Steer(layer, self._vector, positions=where),)) for layer in layers]

    def _spread(self, count: int) -> list[int]:
        """Layers for plans whose choice is not known yet: evenly over the grid."""
        grid = self.study.design.layers
        return [grid[int((i + 0.5) * len(grid) / count)] for i in range(count)]

    def _scored(
        self, stage: str, kind: str, tasks: Sequence[Task], plans: Sequence[Plan], *, kept: int = 0,
        bounded: bool = False,
    ) -> Part:  # fmt: skip
        """`kept`: how many of the plans' scores are written down. bounded: where the design allows it."""
        sample = _sample(tasks)
        prompts = scored_prompts(self.study, sample)
        rows = round(kept * sum(len(task.marks) for task in tasks))
        words = WORDS if bounded and self.study.design.bounded else None
        return self._counted(stage, kind, prompts, plans, rows=rows, scale=len(tasks) / len(sample), words=words)

    def _counted(
        self, stage: str, kind: str, prompts: Sequence[Prompt], plans: Sequence[Plan], *, rows: int, scale: float = 1.0,
        words: int | None = None,
    ) -> Part:  # fmt: skip
        """Prompts whose continuations are scored; they stand for `scale` times as many."""
        needed, plain = costs(self.shape, tokenise(prompts, self.tokens), plans, words)
        cost = needed if self.study.config.engine == "replay" else plain
        tokens, flops, unembedding = (value * scale for value in (cost.tokens, cost.flops, cost.unembedding))
        return Part(stage, kind, round(len(prompts) * scale), len(plans), tokens, flops, unembedding, rows)

    def _search(self, methods: Sought | None = None, controls: bool = True) -> Iterator[Part]:
        """The rounds of every method and, with `controls`, of every draw; then the pairs."""
        study, dev = self.study, SplitTasks(self.study)
        methods, design = methods or sought(study), study.design
        draws = len(design.controls) * design.draws if controls and methods.names else 0
        for axis, names in methods.by_axis.items():
            for code in study.languages:
                tasks, alive = dev.tasks(axis, code), len(design.cells)
                yield from self._normaliser("search", f"{axis} {code}", tasks[: searched(study)])
                for number, each in enumerate(design.rounds):
                    start, stop = bounds(dev, number)
                    for stage, several in (("search", len(names)), (SEARCH_OF_CONTROLS, draws)):
                        if several and tasks[start:stop]:
                            plans = [Plan(), *self._plans(self._spread(alive) * several)]
                            kind = f"round {number + 1} {axis} {code}"
                            yield self._scored(stage, kind, tasks[start:stop], plans, bounded=True)
                    alive = min(alive, each.kept)
                for name in methods.pairs:
                    plans = [Plan(), *self._plans(self._spread(FINALISTS**2))]
                    yield self._scored("search", f"{name} {axis} {code}", tasks[: searched(study)], plans, bounded=True)

    def _normaliser(self, stage: str, kind: str, tasks: Sequence[Task]) -> Iterator[Part]:
        """What making a bounded normaliser takes: one exact pass."""
        if self.study.design.bounded and tasks:
            yield self._scored(stage, f"normaliser {kind}", tasks, [Plan()])

    def _sweep(self) -> Iterator[Part]:
        """EN and LOC at every cell of the grid, on both axes."""
        study, dev = self.study, SplitTasks(self.study)
        n = sum(name in sought(study).names for name in ("en", "loc")) if study.design.swept else 0
        layers = [layer for layer, _ in study.design.cells]
        for code in study.languages if n else ():
            for axis in AXES:
                plans = [Plan(), *self._plans(layers * n)]
                yield self._scored("sweep", f"{axis} {code}", dev.tasks(axis, code), plans)

    @property
    def methods(self) -> int:
        """How many plans are scored on test per language: base, every method, and their pair."""
        return 1 + len(sought(self.study).names)

    def _trained(self) -> Iterator[Part]:
        """Training, and everything that is done with each trained model."""
        config = self.study.config
        own = replace(self, study=replace(self.study, config=replace(config, attribution_items=0)))
        methods = sought_on_top(self.study)
        rows = 1 + len(methods.names)
        for one in config.compared.trained:
            seeds = config.training_seeds if one.method else (0,)
            parts = [
                *own._fit(),
                *own._search(methods, controls=False),
                *own._tested(methods.names),
                *own._locate(),
                *own._lost(),
            ]
            if config.generate:
                parts += own._generate(rows)
            for _ in seeds:
                if one.method:
                    yield self._training(one)
                yield from (replace(part, stage="on top", kind=f"{one.name} {part.kind}") for part in parts)

    def _lost(self) -> Iterator[Part]:
        """What `mechanism_table` scores, and what `read_local_answers` reads, with and without the question."""
        study = self.study
        patched = [layer for layer in range(study.n_layers) for _ in range(patches_per_layer(study))]
        for code in study.languages:
            yield self._scored("test", f"mechanism {code}", study.cultural_tasks(code, "test"), self._plans(patched))
            for split in SPLITS:
                tasks = study.cultural_tasks(code, split)
                texts = [task.prompt.text + ending for task in tasks for ending in task.prompt.continuations]
                yield self._passed("test", f"local answers {split} {code}", texts, 1, 2)

    def _training(self, one: TrainedMethod) -> Part:
        settings = training_settings(self.study.config.training, one.method, 0)
        passes = settings.steps * settings.accumulation * settings.batch * SEQUENCES[one.method]
        passes *= KEEPING if one.keep else 1.0
        texts = [text for code in self.study.languages for text in self.study.universal_texts(code, "fit")]
        return replace(self._read("train", one.name, texts, passes / max(1, len(texts))), prompts=0)

    @cached_property
    def _prompts(self) -> Prompts:
        return Prompts.of(self.study)

    def _tested(self, names: Sequence[str]) -> Iterator[Part]:
        """Every test prompt and sentence under base and the chosen plans, and English unsteered."""
        controls = sum(map(is_control, names))
        for code in self.study.languages:
            plans = self._plans(self._spread(len(names) - controls))
            others = self._plans(self._spread(controls))
            kinds: dict[tuple[str, str], list[Task]] = {}
            for task in self._prompts.full[code]:
                kinds.setdefault((task.axis, task.cue), []).append(task)
            for (axis, cue), tasks in kinds.items():
                yield self._scored("unsteered", f"{axis} {cue} {code}", tasks, [Plan()], kept=1)
                yield self._scored("test", f"{axis} {cue} {code}", tasks, plans, kept=len(plans))
                if others:
                    kind = f"controls {axis} {cue} {code}"
                    yield self._scored("test", kind, tasks, others, kept=len(others), bounded=True)
                    yield from self._normaliser("test", f"{axis} {cue} {code}", tasks)
            if sentences := list(sentence_prompts(self.study, code).values()):
                every = [Plan(), *plans, *others]
                yield self._counted("sentences", code, sentences, every, rows=len(every) * len(sentences))
        english = self.study.universal_tasks("en", "test", everywhere=True)
        yield self._scored("unsteered", "universal en", english, [Plan()], kept=1)

    def _test(self) -> Iterator[Part]:
        prompts, found = self._prompts, sought(self.study).names
        yield from self._tested(found)
        layers = [layer for _, layer in layer_cells(self.study, found)]
        for code in self.study.languages if layers else ():
            for axis, some in (("universal", prompts.universal[code]), ("cultural", prompts.cultural[code])):
                yield self._scored(
                    "test", f"layers {axis} {code}", some, self._plans(layers), kept=len(layers), bounded=True
                )

    def _controls(self) -> Iterator[Part]:
        study, prompts = self.study, self._prompts
        draws = study.design.draws if sought(study).names else 0
        for control in study.design.controls:
            for code in study.languages if draws else ():
                for axis, test in (("universal", prompts.universal[code]), ("cultural", prompts.cultural[code])):
                    plans = self._plans(self._spread(draws))
                    yield self._scored("controls", f"{control} {axis} {code}", test, plans, kept=draws, bounded=True)

    def _generate(self, methods: int) -> Iterator[Part]:
        study = self.study
        for code in study.languages:
            for cue in ("none", "explicit"):
                tasks = [task for task in self._prompts.full[code] if task.axis == "cultural" and task.cue == cue]
                most = study.config.max_new_tokens
                texts = [task.prompt.text for task in tasks]
                part = self._passed("generate", f"cultural {cue} {code}", texts, methods, most)
                words = 2.0 * self.shape.d_vocab * self.shape.d_model * len(tasks) * most * methods
                yield replace(part, flops=part.flops + words, unembedding=words)


def _sample(values: Sequence[Value]) -> list[Value]:
    """At most SAMPLE of the values, evenly spaced."""
    step = max(1.0, len(values) / SAMPLE)
    return [values[int(i * step)] for i in range(min(len(values), SAMPLE))]


def probe_rows(study: Study) -> list[tuple[int, int, float]]:
    """(training examples, classes, fits of that size) of every probe, per layer; see `study.probing`.

    Fits: labels, their shuffles and two online codes; the language probe also has control tasks, and the probe that
    holds relations out fits two thirds of the examples three times.
    """
    facts, languages = len(study.universal_items("fit")), len(study.universal.languages)
    customs = {code: len(study.cultural_items(code, "fit")) for code in study.cultural.languages}
    cultures = len(study.cultural.cultures)
    cued = sum(min(CUED_PER_CULTURE, n) for n in customs.values()) * cultures
    from interp.study.locate import FOLDS, SHUFFLES

    labelled, coded = 1.0 + SHUFFLES, 2.0
    read = min(facts, study.design.located or facts)
    found = [(read * languages, languages, labelled + SHUFFLES + coded)]
    for code in study.languages:
        own = min(CUED_PER_CULTURE, customs[code]) * cultures
        found += [
            (facts + customs[code], 2, labelled * (FOLDS - 1) + coded),
            (cued - own, cultures, labelled + coded),
            (facts, _answers(study), labelled + coded),
        ]
    return [row for row in found if row[0] > row[1] > 1]


def _answers(study: Study) -> int:
    from interp.study.locate import SHARED_BY

    answers = Counter(f"{item.relation}/{item.options[item.answer]['en']}" for item in study.universal_items("fit"))
    return sum(count >= SHARED_BY for count in answers.values())
