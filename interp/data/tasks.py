"""Which prompts measure what: the axis, the cue, and the role and language of every option."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from interp.data.items import CulturalSet, Split, Text, UniversalItem, UniversalSet
from interp.data.prompts import Prompt, continuation, question_text

Axis = Literal["universal", "cultural"]
Role = Literal["right", "wrong", "candidate", "local", "reference", "other"]
Cue = Literal["none", "explicit", "placebo"]
Counts = Callable[[Axis, str, str], bool]
"""(axis, item, language) -> whether the item is scored in the language."""


@dataclass(frozen=True)
class OptionMark:
    """What an option is: its role, the languages it is written in (several where its text is the same in them)."""

    text: str
    role: Role
    languages: frozenset[str]
    index: int


@dataclass(frozen=True)
class Task:
    """A prompt with its marks, one per continuation; `cluster` is what intervals resample."""

    axis: Axis
    cue: Cue
    cluster: str
    prompt: Prompt
    marks: tuple[OptionMark, ...]


def _task(
    axis: Axis,
    cue: Cue,
    cluster: str,
    item: str,
    code: str,
    text: str,
    options: Sequence[tuple[Text, Role]],
    written: Sequence[str],
) -> Task:
    """Options rendered in each of the languages `written`; equal texts are one continuation."""
    marks: dict[str, OptionMark] = {}
    for index, (option, role) in enumerate(options):
        for other in written:
            known = marks.get(option[other])
            if known is None:
                marks[option[other]] = OptionMark(option[other], role, frozenset({other}), index)
            elif known.index == index:
                marks[option[other]] = OptionMark(known.text, role, known.languages | {other}, index)
    endings = tuple(_ending(mark, code) for mark in marks.values())
    return Task(axis, cue, cluster, Prompt(item, code, text, endings), tuple(marks.values()))


def _ending(mark: OptionMark, code: str) -> str:
    """The option behind a prompt in `code`: with its separator, or the option language's own."""
    return continuation(mark.text, code if code in mark.languages else min(mark.languages))


def universal_tasks(
    dataset: UniversalSet, code: str, split: Split, counts: Counts, *, full: bool = False
) -> list[Task]:
    """Universal items asked in `code`.

    `full` adds the options in every language of the dataset (for "found" and for the answer's language) and
    the relation's other answers in `code` (role `candidate`).
    """
    tasks = []
    for item in dataset.items:
        if item.split != split or not counts("universal", item.key, code):
            continue
        options: list[tuple[Text, Role]] = [
            (option, "right" if i == item.answer else "wrong") for i, option in enumerate(item.options)
        ]
        task = _task(
            "universal",
            "none",
            item.cluster,
            item.key,
            code,
            question_text(item.question(code), code),
            options,
            dataset.languages if full else (code,),
        )
        tasks.append(_with_candidates(task, item, code) if full else task)
    return tasks


def _with_candidates(task: Task, item: UniversalItem, code: str) -> Task:
    known = {mark.text for mark in task.marks}
    extra = [c[code] for c in item.candidates if c[code] not in known]
    marks = [OptionMark(text, "candidate", frozenset({code}), -1) for text in dict.fromkeys(extra)]
    prompt = task.prompt
    endings = (*prompt.continuations, *(continuation(mark.text, code) for mark in marks))
    return Task(
        task.axis, task.cue, task.cluster, Prompt(prompt.item, code, prompt.text, endings), (*task.marks, *marks)
    )


def cultural_tasks(
    dataset: CulturalSet,
    code: str,
    culture: str,
    split: Split,
    counts: Counts,
    cue: Cue = "none",
    *,
    full: bool = False,
) -> list[Task]:
    """Cultural items asked in `code` and scored for `culture`, implicitly or behind its cue.

    Items where the culture shares an answer with the reference culture are left out. `full` adds the options
    in every language of the dataset.
    """
    tasks = []
    for number, item in enumerate(dataset.items):
        if item.split != split or not counts("cultural", item.key, code):
            continue
        chosen = item.options(culture, dataset.reference, code, dataset.option_count)
        if chosen is None:
            continue
        roles: list[Role] = ["other"] * len(chosen.keys)
        roles[chosen.local], roles[chosen.reference] = "local", "reference"
        sentence = cue_sentence(dataset, code, culture, cue, number)
        tasks.append(
            _task(
                "cultural",
                cue,
                item.topic,
                item.key,
                code,
                question_text(item.questions[code], code, sentence),
                [(item.names[key], role) for key, role in zip(chosen.keys, roles, strict=True)],
                dataset.languages if full else (code,),
            )
        )
    return tasks


def cue_sentence(dataset: CulturalSet, code: str, culture: str, cue: Cue, number: int) -> str:
    """The sentence in front of the question: none, the culture's cue, or one of the placebos in turn."""
    if cue == "none":
        return ""
    if cue == "explicit":
        return dataset.cues[culture][code]
    return dataset.placebos[number % len(dataset.placebos)][code]


def everything(axis: Axis, item: str, code: str) -> bool:
    """Count every item in every language."""
    return True
