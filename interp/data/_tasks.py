"""Which prompts measure what: the axis, the cue, and the role and language of every option."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from interp.data._items import SPLITS, CulturalSet, Split, Text, UniversalItem, UniversalSet
from interp.data._languages import language
from interp.data._prompts import Prompt, continuation, question_text
from interp.errors import DataError

Axis = Literal["universal", "sensitive", "cultural"]
"""`sensitive`: universal items that need cultural knowledge, reported apart."""

Role = Literal["right", "wrong", "candidate", "local", "reference", "other"]
Cue = Literal["none", "explicit", "placebo"]
NORMALISATIONS = ("bytes", "sum", "mean", "pmi", "letter", "sentence")
"""What a choice may go by: log-likelihood per byte, in all, or per token; minus that after a neutral prompt (pmi); of
the option's letter, over all rotations of the list; per token of the whole sentence with the option in its blank."""

Counts = Callable[[Axis, str, str], bool]
"""(axis, item, language) -> whether the item is scored in the language."""


@dataclass(frozen=True)
class OptionMark:
    """The role of an option, and the languages it is written in (several if its text is the same in them).

    The choice is made among the `own` options, which are written in the language of the question, or in English if the
    item's answers lack a text in that language. The other options show what the model would say in another language.
    """

    text: str
    role: Role
    languages: frozenset[str]
    index: int
    own: bool = True


@dataclass(frozen=True)
class Task:
    """A prompt with one mark per continuation. Intervals resample whole `cluster`s.

    `question` is the prompt's text without examples and without the word for "Answer:"; `sentence`, where the source
    has one, holds BLANK in the answer's place. `relation` is that of a universal item.
    """

    axis: Axis
    cue: Cue
    cluster: str
    prompt: Prompt
    marks: tuple[OptionMark, ...]
    question: str = ""
    sentence: str = ""
    relation: str = ""


def _marked(
    code: str, options: Sequence[tuple[Text, Role]], written: str, others: Sequence[str]
) -> tuple[tuple[OptionMark, ...], tuple[str, ...]]:
    """Options rendered in `written` (their own texts, which come first) and in each of `others`, with endings.

    Texts of one option that are equal are one; those of different options stay apart, so that no option is lost.
    """
    marks: dict[tuple[str, int], OptionMark] = {}
    for other in dict.fromkeys((written, *others)):
        for index, (option, role) in enumerate(options):
            key = option[other], index
            known = marks.get(key) or OptionMark(option[other], role, frozenset(), index, other == written)
            marks[key] = replace(known, languages=known.languages | {other})
    return tuple(marks.values()), tuple(_ending(mark, code) for mark in marks.values())


def _ending(mark: OptionMark, code: str) -> str:
    """The option after a prompt in `code`: with its separator, or the option language's own."""
    return continuation(mark.text, code if code in mark.languages else min(mark.languages))


def universal_tasks(
    dataset: UniversalSet,
    code: str,
    split: Split,
    counts: Counts,
    *,
    full: bool = False,
    sensitive: bool = False,
    examples: str = "",
) -> list[Task]:
    """Tasks of universal items asked in `code`; with `sensitive`, of those that need cultural knowledge.

    `full` adds the options in every language of the dataset (for the "found" metric and the answer's language) and the
    relation's other answers in `code` (role `candidate`). `examples` precede every prompt.
    """
    axis: Axis = "sensitive" if sensitive else "universal"
    tasks = []
    for item in dataset.items:
        if item.split != split or item.sensitive != sensitive or not counts("universal", item.key, code):
            continue
        options: list[tuple[Text, Role]] = [
            (option, "right" if i == item.answer else "wrong") for i, option in enumerate(item.options)
        ]
        marks, endings = _marked(code, options, code, dataset.languages if full else ())
        question = item.question(code)
        prompt = Prompt(item.key, code, question_text(question, code, examples=examples), endings)
        sentence = item.sentences.get(code, "")
        task = Task(axis, "none", item.cluster, prompt, marks, question, sentence, item.relation)
        tasks.append(_with_candidates(task, item, code) if full else task)
    return tasks


def _with_candidates(task: Task, item: UniversalItem, code: str) -> Task:
    known = {mark.text for mark in task.marks if mark.own}
    extra = [c[code] for c in item.candidates if c[code] not in known]
    marks = [OptionMark(text, "candidate", frozenset({code}), -1) for text in dict.fromkeys(extra)]
    endings = (*task.prompt.continuations, *(continuation(mark.text, code) for mark in marks))
    return replace(task, prompt=replace(task.prompt, continuations=endings), marks=(*task.marks, *marks))


def cultural_tasks(
    dataset: CulturalSet,
    code: str,
    culture: str,
    split: Split,
    counts: Counts,
    cue: Cue = "none",
    *,
    full: bool = False,
    examples: str = "",
) -> list[Task]:
    """Tasks of cultural items asked in `code` and scored for `culture`, without a cue or after its cue.

    Items that are not asked in `code`, or where the culture shares an answer with the reference culture, are left out.
    `full` adds the options in every language in which all of them have a text.
    """
    tasks = []
    for number, item in enumerate(dataset.items):
        if item.split != split or code not in item.questions or not counts("cultural", item.key, code):
            continue
        chosen = item.options(culture, dataset.reference, code, dataset.option_count)
        if chosen is None:
            continue
        roles: list[Role] = ["other"] * len(chosen.keys)
        roles[chosen.local] = "local"
        if chosen.reference is not None:
            roles[chosen.reference] = "reference"
        sentence = cue_sentence(dataset, code, culture, cue, number)
        options = [(item.names[key], role) for key, role in zip(chosen.keys, roles, strict=True)]
        able = [other for other in dataset.languages if full and all(other in text for text, _ in options)]
        marks, endings = _marked(code, options, chosen.written, able)
        text = question_text(item.questions[code], code, sentence, examples)
        question = language(code).separator.join(part for part in (sentence, item.questions[code]) if part)
        tasks.append(Task("cultural", cue, item.cluster, Prompt(item.key, code, text, endings), marks, question))
    return tasks


def cue_sentence(dataset: CulturalSet, code: str, culture: str, cue: Cue, number: int) -> str:
    """The sentence before the question: none, the culture's cue, or one of the placebos in turn."""
    if cue == "none":
        return ""
    if cue == "explicit":
        return dataset.cues[culture][code]
    return dataset.placebos[number % len(dataset.placebos)][code]


def everything(axis: Axis, item: str, code: str) -> bool:
    """Count every item in every language."""
    return True


def _check_asked(dataset: UniversalSet | CulturalSet, code: str, split: Split) -> None:
    """Raise DataError for a split that no dataset has, or a language that this one lacks."""
    if split not in SPLITS:
        raise DataError(f"split {split!r} is unknown", allowed=", ".join(SPLITS))
    if code not in dataset.languages:
        raise DataError(f"dataset {dataset.name!r} has no language {code!r}", allowed=", ".join(dataset.languages))


def prompts(dataset: UniversalSet | CulturalSet, code: str, split: Split = "dev") -> list[Prompt]:
    """The prompts of a split in one language, with their own options; cultural ones for the language's own culture.

    Raises DataError for an unknown split, or a language that the dataset lacks.
    """
    _check_asked(dataset, code, split)
    if isinstance(dataset, UniversalSet):
        return [task.prompt for task in universal_tasks(dataset, code, split, everything)]
    return [task.prompt for task in cultural_tasks(dataset, code, dataset.own_culture[code], split, everything)]


def texts(dataset: UniversalSet | CulturalSet, code: str, split: Split = "fit") -> list[str]:
    """The prompt text of every item of a split in one language. Lists of languages that have all items are parallel.

    Raises DataError for an unknown split, or a language that the dataset lacks.
    """
    _check_asked(dataset, code, split)
    if isinstance(dataset, UniversalSet):
        return [question_text(item.question(code), code) for item in dataset.items if item.split == split]
    asked = (item for item in dataset.items if item.split == split and code in item.questions)
    return [question_text(item.questions[code], code) for item in asked]
