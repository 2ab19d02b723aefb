"""Logit differences: prompts with the first tokens of two options each, and cues of equal length in front of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interp.data import CulturalSet, Role, Task, Text, draw, question_text
from interp.model import HookedModel, LoadedModel, hooked
from interp.model.attribution._bridge import last_logits, require_bridge
from interp.model.read import Ids, Template, Tokens


@dataclass(frozen=True)
class Contrasts:
    """Prompts with the first tokens of two options each; `dropped` names the items whose two first tokens are one.

    prompts: token ids up to the two first tokens; those that options share with the prompt, as scoring has them.
    """

    prompts: tuple[Ids, ...]
    better: tuple[int, ...]
    worse: tuple[int, ...]
    items: tuple[str, ...]
    clusters: tuple[str, ...]
    dropped: tuple[str, ...]


@dataclass(frozen=True)
class CuePairs:
    """Contrasts with a culture's cue, a placebo and a wrong culture's cue, the three of equal length in tokens.

    `unmatched` names the items for which no placebo or no wrong culture's cue has the length of the cue.
    """

    cued: tuple[Ids, ...]
    placebo: tuple[Ids, ...]
    control: tuple[Ids, ...]
    better: tuple[int, ...]
    worse: tuple[int, ...]
    items: tuple[str, ...]
    clusters: tuple[str, ...]
    unmatched: tuple[str, ...]


def contrasts(
    model: HookedModel | LoadedModel, tasks: Sequence[Task], better: Role, worse: Role, batch_size: int = 64
) -> Contrasts:
    """The first tokens of the options of two roles, in the prompt's language.

    If a role has several options, the one whose first token has the highest logit is taken. Raises ValueError for a
    task without an option of a role, and ModelError for a model that is not a TransformerBridge.
    """
    model = hooked(model)
    tokens = Tokens(require_bridge(model))
    encoded = [tokens.split(task.prompt.text, task.prompt.continuations) for task in tasks]
    endings = [ids for _, ids in encoded]
    firsts = [
        (_first_tokens(ids, task, better), _first_tokens(ids, task, worse))
        for ids, task in zip(endings, tasks, strict=True)
    ]
    prompts = [context for context, _ in encoded]
    usable: list[int] = []
    pairs: list[tuple[int, int]] = []
    for i, logits in enumerate(last_logits(model, prompts, [[*a, *b] for a, b in firsts], batch_size)):
        a, b = firsts[i]
        liked = dict(zip([*a, *b], logits.tolist(), strict=True))
        first = max(a, key=lambda token: (liked[token], -token))
        if rest := [token for token in b if token != first]:
            usable.append(i)
            pairs.append((first, max(rest, key=lambda token: (liked[token], -token))))
    return Contrasts(
        prompts=tuple(prompts[i] for i in usable),
        better=tuple(first for first, _ in pairs),
        worse=tuple(second for _, second in pairs),
        items=tuple(tasks[i].prompt.item for i in usable),
        clusters=tuple(tasks[i].cluster for i in usable),
        dropped=tuple(task.prompt.item for i, task in enumerate(tasks) if i not in set(usable)),
    )


def _first_tokens(endings: Sequence[Ids], task: Task, role: Role) -> list[int]:
    own = [ids for mark, ids in zip(task.marks, endings, strict=True) if mark.role == role and mark.own]
    if not own:
        raise ValueError(f"item {task.prompt.item!r} has no option of role {role!r}; choose another role")
    return [ids[0] for ids in own]


def cue_pairs(
    model: HookedModel,
    dataset: CulturalSet,
    culture: str,
    tasks: Sequence[Task],
    fillers: Sequence[Text] = (),
    template: Template | None = None,
) -> CuePairs:
    """The local and the reference option of explicitly cued `tasks`, all in one language, with cues of equal length.

    A placebo is one of the dataset's or, where none fits, one of `fillers` (sentences that name no place); the control
    is the cue of another culture, not the reference. Which of those that fit is drawn by hash. `template` is what the
    tasks' prompts went through. Errors as `contrasts`.
    """
    contrast = contrasts(model, tasks, "local", "reference")
    tokens, frame = Tokens(model), template or Template()
    items = {item.key: item for item in dataset.items}
    prompts = {task.prompt.item: task.prompt for task in tasks}
    wrong = [dataset.cues[c] for c in dataset.cultures if c not in (culture, dataset.reference)]

    def fitting(row: int, sentences: Sequence[Text], what: str) -> Ids | None:
        key, length = contrast.items[row], len(contrast.prompts[row])
        code, endings = prompts[key].language, prompts[key].continuations
        question = items[key].questions[code]
        texts = [frame.text(question_text(question, code, sentence[code])) for sentence in sentences]
        able = [ids for text in texts if len(ids := tokens.split(text, endings)[0]) == length]
        return able[draw(len(able), what, key, code)] if able else None

    rows: list[tuple[int, Ids, Ids]] = []
    for row in range(len(contrast.items)):
        placebo = fitting(row, dataset.placebos, "placebo") or fitting(row, fillers, "filler")
        control = fitting(row, wrong, "wrong cue")
        if placebo and control:
            rows.append((row, placebo, control))
    matched = {row for row, _, _ in rows}
    return CuePairs(
        cued=tuple(contrast.prompts[row] for row, _, _ in rows),
        placebo=tuple(placebo for _, placebo, _ in rows),
        control=tuple(control for _, _, control in rows),
        better=tuple(contrast.better[row] for row, _, _ in rows),
        worse=tuple(contrast.worse[row] for row, _, _ in rows),
        items=tuple(contrast.items[row] for row, _, _ in rows),
        clusters=tuple(contrast.clusters[row] for row, _, _ in rows),
        unmatched=tuple(key for row, key in enumerate(contrast.items) if row not in matched),
    )
