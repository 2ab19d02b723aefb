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
from interp.study.folder import Outcomes, Under, save_plans, save_vectors, write_csv
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
        kept = ("settings", "data", "keep_loc", "loss", "dev_cross_entropy", "seconds", "threads")
        return {"checkpoint": self.place} | {key: self.manifest[key] for key in kept if key in self.manifest}


def groups(config: RunConfig) -> dict[str, list[str]]:
    """Row of each trained method -> rows of its models: itself, or one per seed."""
    return {one.name: [name for name, _ in _seeded(config, one)] for one in config.compared.trained}


def means(config: RunConfig) -> dict[str, list[str]]:
    """Rows that are the mean over several seeds -> these; of trained models, and of steering on top of them."""
    several = {name: rows for name, rows in groups(config).items() if rows != [name]}
    steering = ("base", *config.compared.steering, *(["wrong_culture"] if "loc" in config.compared.steering else []))
    return {on_top(name, top): [on_top(row, top) for row in rows] for name, rows in several.items() for top in steering}


def _seeded(config: RunConfig, one: TrainedMethod) -> list[tuple[str, int]]:
    seeds = config.training_seeds if one.method else (0,)
    return [(member(one.name, seed, seeds), seed) for seed in seeds]


def check_trained(config: RunConfig, named: bool) -> None:
    """Raise a TranslocalError where methods can't be had: checkpoints that don't exist, training of an object.

    An object is a model that was given as such, not by name.
    """
    for one in config.compared.trained:
        if not one.method:
            find_model(one.checkpoint)
    to_train = [one.name for one in config.compared.trained if one.method]
    if to_train and not named:
        raise ConfigError(
            f"{to_train[0]} can't be trained: the model is an object",
            allowed="a model by name or folder, or checkpoints: methods name=checkpoint",
            remedy="pass the model's name",
        )


def members(study: Study, data: TrainingData | None, vectors: Vectors, stages: Stages) -> list[Member]:
    """Every trained model of a run, trained now unless it is there already."""
    found = []
    for one in study.config.compared.trained:
        for name, seed in _seeded(study.config, one):
            if one.method:
                assert data is not None
                found.append(_train(study, one, name, seed, data, vectors, stages))
            else:
                found.append(Member(name, one.name, one.checkpoint, {}))
    return found


def _train(
    study: Study, one: TrainedMethod, name: str, seed: int, data: TrainingData, vectors: Vectors, stages: Stages
) -> Member:
    config = study.config
    training = Training(
        training_settings(config.training, one.method, seed),
        load_trainable(config.model, config.device, config.dtype, config.revision or None),
        data,
        KeptVectors.of([vectors["loc"][code] for code in study.languages] if one.keep else ()),
        config.template,
    )
    done = training.into(config.trained_folder / training.name, _Named(stages, f"training {name}"))
    return Member(name, one.name, str(done.merged), done.manifest)


@dataclass(frozen=True)
class _Named:
    """Stages under a name of our own."""

    stages: Stages
    name: str

    def stage(self, name: str, total: int) -> AbstractContextManager[Callable[..., None]]:
        return self.stages.stage(self.name, total)

    def expect(self, seconds: Callable[[], Mapping[str, float]]) -> None:
        """Told by the run, of all its stages."""


def twin(study: Study, one: Member) -> Study:
    """The study of a trained model: the same items, also where the base's corpus leaves some out; no attribution.

    Raises ModelError for a checkpoint that can't be loaded or is of another shape or tokenizer than the base.
    """
    config = study.config
    loaded = load_model(one.place, device=config.device, dtype=config.dtype, n_devices=config.n_devices)
    _check_alike(study, loaded, one)
    loaded = replace(loaded, exposure=study.loaded.exposure)
    parts = Under(study.parts, f"trained/{one.name}")
    config = replace(config, attribution_items=0)
    return replace(study, config=config, loaded=loaded, tokens=Tokens(loaded.model), parts=parts)


def _check_alike(study: Study, loaded: LoadedModel, one: Member) -> None:
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
            f"{one.name} ({one.place}) is no trained version of {study.loaded.name}: {'; '.join(differ)}",
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


def steered(study: Study, one: Member, stages: Stages) -> OnTop:
    """Fit the trained model's own EN and LOC vectors, and choose where they act, as for the base model."""
    own = twin(study, one)
    methods = sought_on_top(own)
    with stages.stage(f"choosing {one.name}", 1 + method_steps(own, methods)) as advance:
        fit = read_fit(own)
        vectors = {name: by for name, by in study_vectors(own, fit).items() if name in ("en", "loc", "wrong_culture")}
        advance("fit")
        rows = search_methods(SplitTasks(own), vectors, methods, advance)
    return OnTop(one, own, fit, vectors, choose(own, methods, rows))


class Beside:
    """Collects what is found in one trained model after another; the base's study, vectors and `located` are given."""

    def __init__(
        self, study: Study, fit: FitResiduals, vectors: Vectors, located: Located, prompts: Prompts, checks: Checks
    ) -> None:
        self.study, self.fit, self.vectors, self.prompts, self.checks = study, fit, vectors, prompts, checks
        self.members: list[Member] = []
        self._located = {BASE: located}
        self._answers: dict[str, LocalAnswers] = {}
        self._mechanism: list[pd.DataFrame] = []

    def add(self, one: Member, kept: Outcomes, folder: Path, stages: Stages) -> Sequence[pd.DataFrame]:
        """Everything about one model; its own tables go into `folder`. Gives its generated answers, if any are made."""
        if BASE not in self._answers:
            with stages.stage("answers in base", local_answer_steps(self.study)) as advance:
                self._answers[BASE] = read_local_answers(self.study, advance)
        folder.mkdir(parents=True)
        found = steered(self.study, one, stages)
        languages, rows = len(self.study.languages), 1 + len(found.chosen)
        with stages.stage(f"scoring {one.name}", 1 + 2 * languages * rows) as advance:
            english = english_scores(found.study, advance)
            self.checks.add_model(english.assign(method=one.name))
            plans = plans_of(found.study, found.vectors, found.chosen)
            sentences = score_sentences(found.study, plans, advance)
            self.checks.add_sentences(sentences.assign(method=sentences["method"].map(found.row)))
            for row, table in found.scored(self.prompts, advance):
                kept.add(row, table)
                self.checks.add(table, english)
        said = []
        if self.study.config.generate:
            with stages.stage(f"generating {one.name}", generated_steps(found.study, rows)) as advance:
                answers = generated_answers(found.study, found.vectors, found.chosen, advance)
            said.append(answers.assign(method=answers["method"].map(found.row)))
        with stages.stage(f"locating {one.name}", locate_steps(found.study)) as advance:
            located = locate(found.study, found.fit, advance)
        with stages.stage(f"answers in {one.name}", local_answer_steps(found.study)) as advance:
            self._answers[one.name] = read_local_answers(found.study, advance)
        with stages.stage(f"mechanism {one.name}", mechanism_steps(self.study)) as advance:
            make = partial(mechanism_table, self.study, found.study, self.vectors, one.name, self.fit, advance)
            self._mechanism.append(found.study.parts.frame("mechanism", make))
        self._write_own(folder, found, located)
        self._located[one.name] = located
        self.members.append(one)
        return said

    def _write_own(self, folder: Path, found: OnTop, located: Located) -> None:
        (folder / "vectors").mkdir()
        save_vectors(folder, found.vectors)
        save_plans(folder, found.study, found.vectors, found.chosen)
        located.write(folder)
        write_csv(folder / "layers.csv", located.layers)

    def write(self, folder: Path, cells: Cells, contrasts: pd.DataFrame) -> list[str]:
        """The tables that compare all models, and what they say in words."""
        config, others = self.study.config, {n: one for n, one in self._located.items() if n != BASE}
        members = groups(config)
        signals = signal_table(self._located[BASE], others, config.bootstrap_draws, config.seed)
        lost = with_probe(
            erasure_table(cells, members, config.seed), self._answers[BASE],
            {name: answers for name, answers in self._answers.items() if name != BASE},
            self.study.resampling, members,
        )  # fmt: skip
        moved = pd.concat(self._mechanism, ignore_index=True)
        write_csv(folder / "signals.csv", signals)
        write_csv(folder / "trained_onsets.csv", onset_comparison(self._located))
        write_csv(folder / "erasure.csv", lost)
        write_csv(folder / "mechanism.csv", moved)
        return [*trained_lines(contrasts, list(members)), *comparison_lines(signals, list(others))]

    def described(self) -> Mapping[str, Any]:
        """What a manifest states about every model."""
        return {one.name: one.described() for one in self.members}
