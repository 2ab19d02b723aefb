"""Trained models beside the base: trained here or read from checkpoints, scored on the same items, steered on top."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from interp.alignment import KeptVectors, Training, TrainingData, load_trainable
from interp.errors import ConfigError, ModelError
from interp.model import LoadedModel
from interp.model.load import find_model, load_model
from interp.model.read import Tokens
from interp.names import BASE
from interp.plane import Cells, erasure_table
from interp.progress import Stages
from interp.study.ask import Study
from interp.study.config import RunConfig
from interp.study.fit import FitResiduals, Vectors, read_fit, study_vectors
from interp.study.folder import Outcomes, PrefixedParts, save_plans, save_vectors, write_csv
from interp.study.locate import (
    Located,
    comparison_lines,
    locate,
    locate_steps,
    onset_comparison,
    signal_table,
    trained_lines,
)
from interp.study.methods import TrainedMethod, member, on_top, training_settings
from interp.study.score import (
    Checks,
    Prompts,
    english_scores,
    generated_answers,
    generated_steps,
    plans_of,
    score_plans,
    score_sentences,
)
from interp.study.search import ChosenPlans, SplitTasks, choose, method_steps, search_methods, sought_on_top
from interp.study.trained._local_answers import LocalAnswers, local_answer_steps, read_local_answers, with_probe
from interp.study.trained._mechanism import mechanism_steps, mechanism_table


@dataclass(frozen=True)
class Member:
    """One trained model: its row on the plane, the row of its method (the mean over seeds), and where it came from."""

    name: str
    method: str
    place: str
    manifest: Mapping[str, Any]

    def described(self) -> dict[str, Any]:
        """What a run's manifest states: of a training run its folder, settings, losses and seconds."""
        keys = ("settings", "data", "keep_loc", "loss", "dev_cross_entropy", "seconds", "threads")
        return {"checkpoint": self.place} | {key: self.manifest[key] for key in keys if key in self.manifest}


def groups(config: RunConfig) -> dict[str, list[str]]:
    """Row of each trained method -> rows of its models: itself, or one per seed."""
    return {method.name: [name for name, _ in _seeded(config, method)] for method in config.compared.trained}


def means(config: RunConfig) -> dict[str, list[str]]:
    """Rows that are the mean over several seeds -> these; of trained models, and of steering on top of them."""
    several = {name: rows for name, rows in groups(config).items() if rows != [name]}
    steering = ("base", *config.compared.steering, *(["wrong_culture"] if "loc" in config.compared.steering else []))
    return {on_top(name, top): [on_top(row, top) for row in rows] for name, rows in several.items() for top in steering}


def _seeded(config: RunConfig, method: TrainedMethod) -> list[tuple[str, int]]:
    """Row and seed of each model of a method."""
    seeds = config.training_seeds if method.method else (0,)
    return [(member(method.name, seed, seeds), seed) for seed in seeds]


def check_trained(config: RunConfig, named: bool) -> None:
    """Raise a TranslocalError for a checkpoint that doesn't exist, and for training where the model was not `named`."""
    for method in config.compared.trained:
        if not method.method:
            find_model(method.checkpoint)
    to_train = [method.name for method in config.compared.trained if method.method]
    if to_train and not named:
        raise ConfigError(
            f"{to_train[0]} can't be trained: the model is an object",
            allowed="a model by name or folder, or checkpoints: methods name=checkpoint",
            remedy="pass the model's name",
        )


def members(study: Study, data: TrainingData | None, vectors: Vectors, stages: Stages) -> list[Member]:
    """Every trained model of a run, trained now unless it is there already."""
    config, models = study.config, []
    for method in config.compared.trained:
        for name, seed in _seeded(config, method):
            if not method.method:
                models.append(Member(name, method.name, method.checkpoint, {}))
                continue
            assert data is not None
            training = Training(
                training_settings(config.training, method.method, seed),
                load_trainable(config.model, config.device, config.dtype, config.revision or None),
                data,
                KeptVectors.of([vectors["loc"][code] for code in study.languages] if method.keep else ()),
                config.template,
            )
            done = training.into(config.trained_folder / training.name, _RenamedStage(stages, f"training {name}"))
            models.append(Member(name, method.name, str(done.merged), done.manifest))
    return models


@dataclass(frozen=True)
class _RenamedStage:
    """Stages that are all shown under one name."""

    stages: Stages
    name: str

    def stage(self, name: str, total: int) -> AbstractContextManager[Callable[..., None]]:
        return self.stages.stage(self.name, total)

    def expect(self, seconds: Callable[[], Mapping[str, float]]) -> None:
        """The run itself says how long its stages take."""


def twin(study: Study, model: Member) -> Study:
    """The study of a trained model: the same items, also where the base's corpus leaves some out; no attribution.

    Raises ModelError for a checkpoint that can't be loaded or is of another shape or tokenizer than the base.
    """
    config = study.config
    loaded = load_model(model.place, device=config.device, dtype=config.dtype, n_devices=config.n_devices)
    _check_alike(study, loaded, model)
    loaded = replace(loaded, exposure=study.loaded.exposure)
    parts = PrefixedParts(study.parts, f"trained/{model.name}")
    config = replace(config, attribution_items=0)
    return replace(study, config=config, loaded=loaded, tokens=Tokens(loaded.model), parts=parts)


def _check_alike(study: Study, loaded: LoadedModel, model: Member) -> None:
    base, other = study.loaded.model, loaded.model
    differ = [
        f"{name} {getattr(other.cfg, name)}, not {getattr(base.cfg, name)}"
        for name in ("n_layers", "d_model", "d_vocab")
        if getattr(other.cfg, name) != getattr(base.cfg, name)
    ]
    text = study.universal.items[0].question(study.languages[0])
    if not differ and Tokens(other)(text) != Tokens(base)(text):
        differ = ["another tokenizer"]
    if differ:
        raise ModelError(
            f"{model.name} ({model.place}) is not a trained version of {study.loaded.name}: {'; '.join(differ)}",
            allowed="checkpoints of the same shape and tokenizer",
            remedy="name another checkpoint",
        )


@dataclass(frozen=True)
class OnTop:
    """A trained model with its own vectors, and layers and strengths chosen for it on dev."""

    member: Member
    study: Study
    fit: FitResiduals
    vectors: Vectors
    chosen: ChosenPlans

    def row(self, steering: str) -> str:
        """The row of a steering method on top of this model; the model's own for `base`."""
        return on_top(self.member.name, steering)

    def scored(self, prompts: Prompts, advance: Callable[..., None]) -> Iterator[tuple[str, pd.DataFrame]]:
        """Scores on test of the model, then of every steering method on top of it: (row, table)."""
        own, plans = replace(prompts, study=self.study), plans_of(self.study, self.vectors, self.chosen)
        for steering, table in score_plans(own, plans, advance):
            yield self.row(steering), table.assign(method=self.row(steering))


def steered(study: Study, model: Member, stages: Stages) -> OnTop:
    """Fit the trained model's own EN and LOC vectors, and choose where they act, as for the base model."""
    own = twin(study, model)
    methods = sought_on_top(own)
    with stages.stage(f"choosing {model.name}", 1 + method_steps(own, methods)) as advance:
        fit = read_fit(own)
        vectors = {name: by for name, by in study_vectors(own, fit).items() if name in ("en", "loc", "wrong_culture")}
        advance("fit")
        rows = search_methods(SplitTasks(own), vectors, methods, advance)
    return OnTop(model, own, fit, vectors, choose(own, methods, rows))


class TrainedModels:
    """Everything about each trained model of a run, compared with the base, whose study and results are given."""

    def __init__(
        self, study: Study, fit: FitResiduals, vectors: Vectors, located: Located, prompts: Prompts, checks: Checks
    ) -> None:
        self.study, self.fit, self.vectors, self.prompts, self.checks = study, fit, vectors, prompts, checks
        self.members: list[Member] = []
        self._located = {BASE: located}
        self._answers: dict[str, LocalAnswers] = {}
        self._mechanism: list[pd.DataFrame] = []

    def add(self, model: Member, outcomes: Outcomes, folder: Path, stages: Stages) -> Sequence[pd.DataFrame]:
        """Everything about one model; its own tables go into `folder`. Gives its generated answers, if any are made."""
        if BASE not in self._answers:
            with stages.stage("answers in base", local_answer_steps(self.study)) as advance:
                self._answers[BASE] = read_local_answers(self.study, advance)
        folder.mkdir(parents=True)
        on_top = steered(self.study, model, stages)
        study, vectors, chosen = on_top.study, on_top.vectors, on_top.chosen
        languages, rows = len(self.study.languages), 1 + len(chosen)
        with stages.stage(f"scoring {model.name}", 1 + 2 * languages * rows) as advance:
            english = english_scores(study, advance)
            self.checks.add_model(english.assign(method=model.name))
            sentences = score_sentences(study, plans_of(study, vectors, chosen), advance)
            self.checks.add_sentences(sentences.assign(method=sentences["method"].map(on_top.row)))
            for row, table in on_top.scored(self.prompts, advance):
                outcomes.add(row, table)
                self.checks.add(table, english)
        generated = []
        if self.study.config.generate:
            with stages.stage(f"generating {model.name}", generated_steps(study, rows)) as advance:
                answers = generated_answers(study, vectors, chosen, advance)
            generated.append(answers.assign(method=answers["method"].map(on_top.row)))
        with stages.stage(f"locating {model.name}", locate_steps(study)) as advance:
            located = locate(study, on_top.fit, advance)
        with stages.stage(f"answers in {model.name}", local_answer_steps(study)) as advance:
            self._answers[model.name] = read_local_answers(study, advance)
        with stages.stage(f"mechanism {model.name}", mechanism_steps(self.study)) as advance:
            make = partial(mechanism_table, self.study, study, self.vectors, model.name, self.fit, advance)
            self._mechanism.append(study.parts.frame("mechanism", make))
        (folder / "vectors").mkdir()
        save_vectors(folder, vectors)
        save_plans(folder, study, vectors, chosen)
        located.write(folder)
        write_csv(folder / "layers.csv", located.layers)
        self._located[model.name] = located
        self.members.append(model)
        return generated

    def write(self, folder: Path, cells: Cells, contrasts: pd.DataFrame) -> list[str]:
        """The tables that compare all models, and what they say in words."""
        config, members = self.study.config, groups(self.study.config)
        located = {name: own for name, own in self._located.items() if name != BASE}
        answers = {name: own for name, own in self._answers.items() if name != BASE}
        signals = signal_table(self._located[BASE], located, config.bootstrap_draws, config.seed)
        erasure = erasure_table(cells, members, config.seed)
        erasure = with_probe(erasure, self._answers[BASE], answers, self.study.resampling, members)
        write_csv(folder / "signals.csv", signals)
        write_csv(folder / "trained_onsets.csv", onset_comparison(self._located))
        write_csv(folder / "erasure.csv", erasure)
        write_csv(folder / "mechanism.csv", pd.concat(self._mechanism, ignore_index=True))
        return [*trained_lines(contrasts, list(members)), *comparison_lines(signals, list(located))]

    def described(self) -> Mapping[str, Any]:
        """What a manifest states about every model."""
        return {model.name: model.described() for model in self.members}
