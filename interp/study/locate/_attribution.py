"""Which blocks and heads make the difference between right and default, local and US; which option leads by layer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import TypeVar

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.data import Cue, Role, Task
from interp.errors import ModelError, Notice
from interp.model import HookedModel
from interp.model.attribution import (
    Effects,
    Unit,
    contrasts,
    cue_attribution,
    cue_pairs,
    folded,
    logit_attribution,
    option_lens,
    patch_residuals,
    require_bridge,
)
from interp.names import MACRO
from interp.plane import Cells, chosen_share, estimate
from interp.progress import Advance
from interp.study.ask import Study

UNITS: tuple[Unit, ...] = ("component", "head")
KINDS = 4
"""Steps per language: two direct attributions, the cue, patched residuals."""


def attribution_table(study: Study, advance: Advance) -> pd.DataFrame:
    """The rows of `attribution.csv`: per language and kind, on at most `attribution_items` test items.

    Columns: language, contrast (right - wrong, local - reference), then those of `Effects.table`. What the model does
    not allow is left out with a notice: everything where it is a HookedTransformer.
    """
    limit = study.design.attribution_items
    model = study.loaded.model
    if not limit:
        return pd.DataFrame()
    if _allowed(lambda: require_bridge(model)) is None:
        advance("attribution left out", KINDS * len(study.languages))
        return pd.DataFrame()
    pairs = {
        (code, better): contrasts(model, tasks[:limit], better, worse)
        for code in study.languages
        for tasks, better, worse in _kinds(study, code)
    }
    words = [ids for options in pairs.values() for ids in (*options.prompts, options.better, options.worse)]
    folded_model = _allowed(lambda: folded(model, chain(*words)))
    parts: list[pd.DataFrame] = []

    def add(code: str, contrast: str, clusters: Sequence[str], make: Callable[[], Effects]) -> None:
        effects = _allowed(make)
        if effects is not None:
            table = effects.table(np.array(clusters), study.config.bootstrap_draws, study.config.seed)
            parts.append(table.assign(language=code, contrast=contrast))

    for code in study.languages:
        for _, better, worse in _kinds(study, code):
            advance(f"attribution {better} {code}")
            options = pairs[code, better]
            if folded_model is not None and options.prompts:
                given = folded_model, options.prompts, options.better, options.worse
                for unit in UNITS:
                    make = partial(logit_attribution, *given, unit=unit)
                    add(code, f"{better} - {worse}", options.clusters, make)
        advance(f"attribution cue {code}")
        explicit = study.cultural_tasks(code, "test", "explicit")[:limit]
        fillers = [sentence for sentence in study.parallel.sentences if code in sentence]
        cues = cue_pairs(model, study.cultural, study.culture(code), explicit, fillers, study.template)
        if cues.cued:
            make = partial(cue_attribution, model, cues.cued, cues.placebo, cues.control, cues.better, cues.worse)
            add(code, "local - reference", cues.clusters, make)
        advance(f"attribution residual {code}")
        _patched(study, model, code, limit, add)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _kinds(study: Study, code: str) -> tuple[tuple[list[Task], Role, Role], ...]:
    """Prompts of a language with the two roles whose options are told apart."""
    return (
        (study.universal_tasks(code, "test"), "right", "wrong"),
        (study.cultural_tasks(code, "test"), "local", "reference"),
    )


def _patched(study: Study, model: HookedModel, code: str, limit: int, add: Callable[..., None]) -> None:
    """The English prompt's residual in place of the language's, each with its own two options' first tokens."""
    tasks = study.universal_tasks(code, "test")[:limit]
    english = {t.prompt.item: t for t in study.universal_tasks("en", "test", everywhere=True)}
    sources: list[Task] = [english[task.prompt.item] for task in tasks]
    target, source = (contrasts(model, some, "right", "wrong") for some in (tasks, sources))
    # Row numbers of the items that have a contrast in both languages.
    rows = [(row, source.items.index(item)) for row, item in enumerate(target.items) if item in set(source.items)]
    if not rows:
        return
    make = partial(
        patch_residuals, model, [target.prompts[i] for i, _ in rows], [source.prompts[j] for _, j in rows],
        [target.better[i] for i, _ in rows], [target.worse[i] for i, _ in rows],
        [source.better[j] for _, j in rows], [source.worse[j] for _, j in rows],
    )  # fmt: skip
    add(code, "right - wrong", [target.clusters[i] for i, _ in rows], make)


LEADS: dict[str, Role] = {"local": "local", "us": "reference"}
"""Column of `lens.csv` -> the role of the option that leads."""

CUES: tuple[Cue, ...] = ("none", "explicit")


def lens_table(study: Study, advance: Advance) -> pd.DataFrame:
    """The rows of `lens.csv`: per layer (-1: embedding output), language and `macro`, and cue (none, explicit).

    Columns: layer, language, cue, then each with a 95% interval over topics: local and us, the share of cultural test
    prompts whose local (US) option leads if the layer's stream is read by the unembedding (`option_lens`), and lead,
    local minus us, paired by prompt. Options that begin with the same token tie. Empty, with a notice, if the model
    can't be read so.
    """
    parts = []
    for cue in CUES:
        outcomes = []
        for code in study.languages:
            advance(f"lens {code}")
            tasks = study.cultural_tasks(code, "test", cue)
            make = partial(option_lens, study.loaded.model, [task.prompt for task in tasks], **study.passes)
            logits = _allowed(make)
            if logits is None:
                return pd.DataFrame()
            outcomes.append(_leading(tasks, logits))
        cells = Cells(pd.concat(outcomes, ignore_index=True), study.resampling)
        for number, layer in enumerate(cells.methods):
            for language in (*cells.languages, MACRO):
                row: dict[str, object] = {"layer": number - 1, "language": language, "cue": cue}
                for name in (*LEADS, "lead"):
                    share = estimate(cells, [layer], language, name)
                    row |= {name: share.estimate, f"{name}_lo": share.lo, f"{name}_hi": share.hi}
                parts.append(row)
    return pd.DataFrame(parts)


def _leading(tasks: Sequence[Task], logits: Float[np.ndarray, "layer option"]) -> pd.DataFrame:
    """One row per layer and task, with a column per entry of LEADS: the share of its leading options of that role."""
    marks = [mark for task in tasks for mark in task.marks]
    owners = np.repeat(np.arange(len(tasks)), [len(task.marks) for task in tasks])
    own = np.array([mark.index >= 0 and mark.own for mark in marks])
    values = np.where(own, logits, -np.inf)
    shares = {
        name: chosen_share(values, owners, own & np.array([mark.role == role for mark in marks])).ravel()
        for name, role in LEADS.items()
    }
    rows = [(task.axis, task.prompt.language, task.prompt.item, task.cluster) for task in tasks]
    table = pd.DataFrame(rows * len(logits), columns=["axis", "language", "item", "cluster"])
    asked = np.isin(np.arange(len(tasks)), owners[own & np.array([mark.role == "reference" for mark in marks])])
    shares["us"] = np.where(np.tile(asked, len(logits)), shares["us"], np.nan)  # nothing without a US option
    shares["lead"] = shares["local"] - shares["us"]
    return table.assign(method=np.repeat([f"layer {layer}" for layer in range(len(logits))], len(tasks)), **shares)


Result = TypeVar("Result")


def _allowed(make: Callable[[], Result]) -> Result | None:
    """What `make` gives, or None with a notice where the model doesn't allow it."""
    try:
        return make()
    except ModelError as error:
        warnings.warn(f"left out of the analysis: {error}", Notice, stacklevel=2)
        return None
