"""What trained models take: their training, and everything that is read and scored of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from interp.data import SPLITS
from interp.study.cost._workload import Part, Workload
from interp.study.methods import TrainedMethod, training_settings
from interp.study.search import sought_on_top
from interp.study.trained import groups, option_texts, patched_layers, patches_per_layer

SEQUENCES = {"instruct": 3.0, "midalign": 4.5, "clo": 16.0}
"""Forward passes per text of a batch: a training pass counts as three, clo has four texts and a reference to each."""

KEEPING = 2.0
"""How much more a step costs with the penalty, which reads further prompts with the base and with the adapter."""


def train(work: Workload) -> Iterator[Part]:
    """Training of every model that is trained here, once per seed."""
    config = work.study.config
    for method in config.compared.trained:
        for _ in config.training_seeds if method.method else ():
            yield _training(work, method)


def on_top(work: Workload) -> Iterator[Part]:
    """Everything that is read and scored of each trained model."""
    config = work.study.config
    study = replace(work.study, config=replace(config, attribution_items=0))
    own = replace(work, study=study, searched_for=sought_on_top(study))
    parts = [
        *own.fit(), *own.search(), *own.english(), *own.unsteered(), *own.sentences(), *own.tested(), *own.locate(),
        *own.generate(), *_compared(own),
    ] if config.compared.trained else []  # fmt: skip
    for name, rows in groups(config).items():
        for _ in rows:
            yield from (replace(part, kind=f"{name} {part.kind}") for part in parts)


def _compared(work: Workload) -> Iterator[Part]:
    """What `mechanism_table` scores, and what `read_local_answers` reads, with and without the question."""
    study = work.study
    patched = [layer for layer in patched_layers(study) for _ in range(patches_per_layer(study))]
    for code in study.languages:
        yield work.scored(f"mechanism {code}", study.cultural_tasks(code, "test"), work.plans(patched))
        for split in SPLITS:
            texts = option_texts(study.cultural_tasks(code, split))
            yield work.passed(f"local answers {split} {code}", texts, 1, 2)


def _training(work: Workload, method: TrainedMethod) -> Part:
    settings = training_settings(work.study.config.training, method.method, 0)
    passes = settings.steps * settings.accumulation * settings.batch * SEQUENCES[method.method]
    passes *= KEEPING if method.keep else 1.0
    texts = [text for code in work.study.languages for text in work.study.universal_texts(code, "fit")]
    return replace(work.read(method.name, texts, passes / max(1, len(texts))), prompts=0)
