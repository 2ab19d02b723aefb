"""The desk: a loaded model, the vectors at hand, and the answers to one question at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from interp.data import Cue, OptionMark, Prompt, Task, continuation, cue_sentence, language, question_text
from interp.errors import ConfigError, ModelError, TranslocalError, nearest
from interp.model.attribution import option_lens
from interp.serve._asking import Ask, HandSteer
from interp.serve._readings import Readings
from interp.steering import Plan, SteeringVectors, check_fits, stream
from interp.study.ask import Study, indistinct, score_tasks

Event = dict[str, Any]
SIDES = ("unsteered", "steered")
Steers = list[dict[str, Any]]


@dataclass
class Desk:
    """Answers questions with a study's model. vectors: name (`loc.ko`) -> vectors.

    chosen: method -> language -> the steers of its plan, as a request has them. heads: language -> (layer, head) of the
    heads that carry the cue, most important first.
    """

    study: Study
    vectors: Mapping[str, SteeringVectors]
    chosen: Mapping[str, Mapping[str, Steers]] = field(default_factory=dict)
    heads: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._readings = Readings(self.study, self.vectors)
        self._items: dict[tuple[str, str, Cue], dict[str, Task]] = {}

    def catalogue(self) -> dict[str, Any]:
        """What can be chosen in the page. shares: name -> share of the residual norm of the vector, by layer."""
        study = self.study
        return {
            "model": study.loaded.name,
            "languages": list(study.languages),
            "cues": {code: self._cue_text(code, "explicit") for code in study.languages},
            "n_layers": study.n_layers,
            "vectors": {name: list(own.layers) for name, own in self.vectors.items()},
            "shares": {name: _shares(own) for name, own in self.vectors.items()},
            "chosen": self.chosen,
            "positions": study.config.positions,
            "normalisation": study.config.normalisation,
        }

    def plan(self, steers: Sequence[HandSteer]) -> Plan:
        """The plan of steers that were set by hand. Raises a TranslocalError for a vector or layer not there."""
        plan = Plan()
        for steer in steers:
            own = self._vectors(steer.vectors)
            plan += own.plan(steer.layer, steer.strength, operator=steer.operator, positions=steer.positions)  # type: ignore[arg-type]
        check_fits(self.study.loaded.model, plan)
        return plan

    def multiples(self, steers: Sequence[HandSteer]) -> list[float]:
        """The strengths of steers as multiples of their vectors."""
        return [self._vectors(steer.vectors).multiple(steer.layer, steer.strength) for steer in steers]

    def task(self, ask: Ask, cue: Cue | None = None) -> Task:
        """What is asked, as the model reads it. cue: in place of the request's. Raises ConfigError if it can't be."""
        code = self._language(ask.language)
        if cue is None and ask.cue != "own":
            cue = ask.cue
        if ask.item is None:
            return self._typed(ask, ask.cue_text if cue is None else self._cue_text(code, cue))
        axis, item = ask.item
        if cue is None:
            raise ConfigError(
                "a question of the run can't have a cue in your own words",
                remedy="choose another cue, or press 'Ask something else'",
            )
        if axis == "universal" and cue != "none":
            raise ConfigError("questions about facts have no cue", remedy="set the cue to none")
        known = self._tasks(axis, code, cue)
        if item not in known:
            raise ConfigError(
                f"item {item!r} is not asked in {code}", allowed="items of the test split that the run scores"
            )
        return known[item]

    def answer(self, ask: Ask) -> Iterator[Event]:
        """What there is to say about a question, event by event. Raises a TranslocalError for what can't be asked."""
        task, plans = self.task(ask), [Plan()]
        if ask.steers:
            plans.append(self.plan(ask.steers))
        if ask.answer == "free":
            yield from self._free(task, plans, ask.max_new_tokens)
        else:
            yield self._options(task, plans)
            yield from _or_lacking(lambda: self._lens(ask, task, plans))
        yield {"event": "projections", "sides": self._projections(task, plans)}
        if heads := self.heads.get(ask.language):
            yield from _or_lacking(
                lambda: {"event": "attention", "heads": self._readings.attention(task.prompt.text, heads)}
            )

    def _options(self, task: Task, plans: Sequence[Plan]) -> Event:
        """Every option with its log-likelihood, its probability among the options, and whether it is chosen."""
        scores = score_tasks(self.study, [task], plans)
        if not np.isfinite(scores.logp).all():
            raise ModelError(
                "the model's log-likelihoods are not finite", remedy="steer more weakly, or with --dtype float32"
            )
        own = np.array([mark.index >= 0 and mark.own for mark in task.marks])
        values = np.where(own, scores.normalised(self.study.config.normalisation), -np.inf)
        weights = np.exp(values - values.max(axis=1, keepdims=True))
        shares = weights / weights.sum(axis=1, keepdims=True)
        sides = [
            {"logp": _told(logp[own]), "share": _told(share[own]), "chosen": (value[own] == value.max()).tolist()}
            for logp, share, value in zip(scores.logp, shares, values, strict=True)
        ]
        return {
            "event": "options",
            "question": task.question,
            "options": [{"text": mark.text, "role": mark.role} for mark in task.marks if mark.own and mark.index >= 0],
            "sides": dict(zip(SIDES, sides, strict=False)),
            "languages": self._answer_language(task, own, scores.logp),
        }

    def _answer_language(
        self, task: Task, own: Bool[np.ndarray, "option"], logp: Float[np.ndarray, "plan option"]
    ) -> dict[str, list[str]] | None:
        """Language of the likeliest of all options per side, where an item's options are scored in every language."""
        listed = np.array([mark.index >= 0 for mark in task.marks])  # not the relation's other answers
        if own[listed].all():
            return None
        likeliest = np.where(listed, logp, -np.inf).argmax(axis=1)
        return {side: sorted(task.marks[place].languages) for side, place in zip(SIDES, likeliest, strict=False)}

    def _lens(self, ask: Ask, task: Task, plans: Sequence[Plan]) -> Event:
        """Logit of every own option's first token after every block, without and with the cue: [layer][option]."""
        asked: dict[str, Task] = {"as asked": task}
        if (
            ask.cue == "none"
            and not (ask.item and ask.item[0] == "universal")
            and self._cue_text(ask.language, "explicit")
        ):
            asked["with the cue"] = self.task(ask, "explicit")
        if ask.cue != "none":
            asked["without the cue"] = self.task(ask, "none")
        found = {}
        for name, one in asked.items():
            kept = [
                ending
                for ending, mark in zip(one.prompt.continuations, one.marks, strict=True)
                if mark.own and mark.index >= 0
            ]
            prompt = replace(one.prompt, continuations=tuple(kept))
            found[name] = {
                side: option_lens(self.study.loaded.model, [prompt], hooks=plan.hooks).round(4).tolist()
                for side, plan in zip(SIDES, plans, strict=False)
            }
        return {"event": "lens", "prompts": found}

    def _projections(self, task: Task, plans: Sequence[Plan]) -> dict[str, dict[str, list[float]]]:
        return {
            side: self._readings.projections(task.prompt.text, task.prompt.language, plan)
            for side, plan in zip(SIDES, plans, strict=False)
        }

    def _free(self, task: Task, plans: Sequence[Plan], most: int) -> Iterator[Event]:
        study = self.study
        stop = None if study.template.render else "\n"
        pieces = stream(
            study.loaded.model, [task.prompt.text] * len(plans), plans, max_new_tokens=most, stop=stop,
            tokens=study.tokens, **study.passes,
        )  # fmt: skip
        for piece in pieces:
            event: Event = {"event": "piece", "side": SIDES[piece.side], "text": piece.text}
            yield event | ({"whole": piece.whole.text, "ended": piece.whole.ended} if piece.whole else {})

    def _typed(self, ask: Ask, cue: str) -> Task:
        code, study = ask.language, self.study
        text = question_text(ask.question.strip(), code, cue.strip(), study.examples(code))
        options = [option.strip() for option in ask.options]
        marks = tuple(OptionMark(option, "other", frozenset({code}), place) for place, option in enumerate(options))
        prompt = study.template.prompt(Prompt("asked", code, text, tuple(continuation(o, code) for o in options)))
        question = language(code).separator.join(part for part in (cue.strip(), ask.question.strip()) if part)
        task = Task("cultural", "none", "asked", prompt, marks, question)
        if reason := indistinct(task, study.tokens):
            raise ConfigError(f"the model can't tell the options apart: {reason}", remedy="word them otherwise")
        return task

    def _tasks(self, axis: str, code: str, cue: Cue) -> dict[str, Task]:
        key = axis, code, cue
        if key not in self._items:
            tasks = (
                self.study.universal_tasks(code, "test", full=True)
                if axis == "universal"
                else self.study.cultural_tasks(code, "test", cue, full=True)
            )
            self._items[key] = {task.prompt.item: task for task in tasks}
        return self._items[key]

    def _cue_text(self, code: str, cue: Cue) -> str:
        """The sentence that names the language's own culture."""
        return cue_sentence(self.study.cultural, code, self.study.culture(code), cue, 0)

    def _language(self, code: str) -> str:
        known = self.study.languages
        if code not in known:
            raise ConfigError(
                f"language {code!r} is not one of this run", allowed=", ".join(known),
                remedy=nearest(code, known, "choose one of these"),
            )  # fmt: skip
        return code

    def _vectors(self, name: str) -> SteeringVectors:
        if name not in self.vectors:
            raise ConfigError(
                f"vector {name!r} is not in this run", allowed=", ".join(self.vectors),
                remedy=nearest(name, self.vectors, "choose one of these"),
            )  # fmt: skip
        return self.vectors[name]


def _or_lacking(read: Callable[[], Event]) -> Iterator[Event]:
    """What is read beside the answer; where this model doesn't allow it, why."""
    try:
        yield read()
    except TranslocalError as error:
        yield {"event": "lacking", "message": str(error)}


def _told(values: Float[np.ndarray, "option"]) -> list[float]:
    return [float(value) for value in values]


def _shares(own: SteeringVectors) -> list[float | None]:
    """Norm of the vector of every layer over the layer's median residual norm; None where that is not known."""
    norms = own.residual_norms
    if norms is None:
        return [None] * len(own.vectors)
    return [
        float(vector.double().norm()) / float(norm) if float(norm) > 0 else None
        for vector, norm in zip(own.vectors, norms, strict=True)
    ]
