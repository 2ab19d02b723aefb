"""What trained models take: their training, and everything that is read and scored of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from interp.data import SPLITS
from interp.study.cost._workload import Part, Workload
from interp.study.methods import TrainedMethod, training_settings
from interp.study.search import sought_on_top
from interp.study.trained import patches_per_layer

SEQUENCES = {"instruct": 3.0, "midalign": 4.5, "clo": 16.0}
"""Forward passes per text of a batch: a training pass counts as three, clo has four texts and a reference to each."""

KEEPING = 2.0
"""How much more a step costs with the penalty, which reads further prompts with the base and with the adapter."""


def train(work: Workload) -> Iterator[Part]:
    """Training of every model that is trained here, once per seed."""
    config = work.study.config
    for one in config.compared.trained:
        for _ in config.training_seeds if one.method else ():
            yield _training(work, one)


def on_top(work: Workload) -> Iterator[Part]:
    """Everything that is read and scored of each trained model."""
    config = work.study.config
    own = replace(work, study=replace(work.study, config=replace(config, attribution_items=0)))
    methods = sought_on_top(work.study)
    for one in config.compared.trained:
        parts = [
            *own.fit(), *own.search(methods), *own.english(), *own.unsteered(), *own.sentences(methods),
            *own.tested(methods), *own.locate(), *own.generate(methods), *_lost(own),
        ]  # fmt: skip
        for _ in config.training_seeds if one.method else (0,):
            yield from (replace(part, kind=f"{one.name} {part.kind}") for part in parts)


def _lost(work: Workload) -> Iterator[Part]:
    """What `mechanism_table` scores, and what `read_local_answers` reads, with and without the question."""
    study = work.study
    patched = [layer for layer in range(study.n_layers) for _ in range(patches_per_layer(study))]
    for code in study.languages:
        yield work.scored(f"mechanism {code}", study.cultural_tasks(code, "test"), work.plans(patched))
        for split in SPLITS:
            tasks = study.cultural_tasks(code, split)
            texts = [task.prompt.text + ending for task in tasks for ending in task.prompt.continuations]
            yield work.passed(f"local answers {split} {code}", texts, 1, 2)


def _training(work: Workload, one: TrainedMethod) -> Part:
    settings = training_settings(work.study.config.training, one.method, 0)
    passes = settings.steps * settings.accumulation * settings.batch * SEQUENCES[one.method]
    passes *= KEEPING if one.keep else 1.0
    texts = [text for code in work.study.languages for text in work.study.universal_texts(code, "fit")]
    return replace(work.read(one.name, texts, passes / max(1, len(texts))), prompts=0)
