"""The four probes of every layer, and the signals that onsets are read from."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from interp.data import Split
from interp.errors import Notice
from interp.names import MACRO
from interp.progress import Advance
from interp.study.ask import Study
from interp.study.locate._residuals import Labels, Residuals, Stack, clusters, customs, entities, relations, topics
from interp.study.search import spread
from probes import (
    CultureReading,
    Examples,
    ProbeResult,
    ProbeSettings,
    Resampling,
    Sample,
    Signal,
    group_folds,
    probe_layers,
)  # fmt: skip

SHARED_BY = 3
"""An answer is a class of the answer probe when at least this many fit items have it."""

FOLDS = 3
"""Sets of relations that the probe for universal against cultural questions is tested on without having seen them."""

SHUFFLES = 2
"""Draws of each control."""

PROBES = ("language", "universal", "culture", "answer")


@dataclass(frozen=True)
class Probed:
    """One probe in one language (`macro`: over all): its result, and the clusters of its test examples."""

    probe: str
    language: str
    result: ProbeResult
    clusters: Labels
    baseline_clusters: Labels | None = None

    def signal(self) -> Signal:
        """Correctness against that of shuffled labels."""
        return Signal(self.result.correct, self.clusters, self.result.shuffled_correct)

    def reading(self, own: str) -> CultureReading:
        """What a culture probe says of the language's cultural and universal prompts; `own` is its culture."""
        if self.result.baseline_predicted is None or self.baseline_clusters is None:
            raise ValueError(f"the probe {self.probe} has no baseline, so it is not a culture probe")
        cultures = tuple(str(name) for name in self.result.classes)
        return CultureReading(
            cultures.index(own), cultures,
            Sample(self.result.probability.argmax(axis=2), self.clusters),
            Sample(self.result.baseline_predicted, self.baseline_clusters),
        )  # fmt: skip


def run_probes(
    study: Study, read: Residuals, advance: Advance, only: Sequence[str] = PROBES, split: Split = "test"
) -> list[Probed]:
    """All probes (or `only` some), each fitted on fit and tested on `split`.

    universal: universal or cultural question, relations and topics held out. language: which language is asked in.
    culture: trained on cued prompts of the other languages, tested on whether it reads the own culture from uncued
    ones; its baseline is how often it reads that culture from universal prompts, which hold none. answer: trained in
    English, tested in the language, on answers that at least SHARED_BY fit items share; its labels are shuffled within
    their relation, as knowing the relation is not yet knowing the answer.
    """
    found = []
    if "language" in only:
        advance("probe language")
        found.append(_language(study, read, split))
    by_name = {"universal": _universal, "culture": _culture, "answer": _answer}
    for code in study.languages:
        for name in (name for name in by_name if name in only):
            advance(f"probe {name} {code}")
            one = by_name[name](study, read, code, split)
            if one is not None:
                found.append(one)
    return found


def probe_table(found: Sequence[Probed]) -> pd.DataFrame:
    """The rows of `probes.csv`: columns of `probes.probe_layers`, layer -1 being the embedding output."""
    return pd.concat([p.result.table.assign(probe=p.probe, language=p.language) for p in found], ignore_index=True)


@dataclass(frozen=True)
class _Side:
    """Training or test examples: residuals, labels, clusters, and groups that tell something of the label.

    A group is a relation, topic or item. Where training and test have the same ones, they are the control task's types:
    of a type that training never saw, nothing can be learned, so that such a control would be chance.
    """

    stack: Stack
    labels: Labels
    clusters: Labels
    groups: Labels


def _probe(
    study: Study, name: str, language: str, train: _Side, test: _Side, *,
    typed: bool = False, held_out: bool = False, baseline: Examples | None = None,
) -> Probed:  # fmt: skip
    """`typed`: groups are types of the control task. `held_out`: test groups are scored by probes that saw others."""
    typed = typed and len(set(train.groups)) >= len(set(train.labels))
    result = probe_layers(
        Examples(
            train.stack, train.labels, train.clusters,
            types=train.groups if typed else None, groups=None if held_out else train.groups,
        ),
        Examples(test.stack, test.labels, test.clusters, types=test.groups if typed else None),
        baseline=baseline,
        folds=group_folds(train.groups, test.groups, n_folds=FOLDS) if held_out else None,
        layers=range(-1, len(train.stack) - 1),
        settings=ProbeSettings(n_shuffles=SHUFFLES),
        resampling=Resampling(study.config.bootstrap_draws, study.config.seed),
    )  # fmt: skip
    return Probed(name, language, result, test.clusters, None if baseline is None else np.asarray(baseline.clusters))


def _universal(study: Study, read: Residuals, code: str, tested: Split) -> Probed | None:
    def side(split: Split) -> _Side:
        groups = topics(study, split, code)
        sizes = [len(relations(study, split)), len(groups)]
        return _Side(
            np.concatenate([read.universal[split, code], read.cultural[split, code]], axis=1),
            np.repeat(["universal", "cultural"], sizes),
            np.concatenate([entities(study, split), clusters(study, split, code)]),
            np.concatenate([relations(study, split), groups]),
        )

    train, test = side("fit"), side(tested)
    if not _can_hold_out(train, test):
        text = f"the probe universal is left out in {code}: too few relations or topics to hold out"
        warnings.warn(text, Notice, stacklevel=2)
        return None
    return _probe(study, "universal", code, train, test, held_out=True)


def _can_hold_out(train: _Side, test: _Side) -> bool:
    """Whether there are FOLDS sets of groups, and both classes to train on whichever of them is held out."""
    if len({*train.groups, *test.groups}) < FOLDS:
        return False
    folds = group_folds(train.groups, test.groups, n_folds=FOLDS)
    return all(len(set(train.labels[fold.train])) == len(set(train.labels)) for fold in folds)


def _language(study: Study, read: Residuals, tested: Split) -> Probed:
    codes = study.universal.languages

    def side(split: Split) -> _Side:
        kept = list(spread(len(entities(study, split)), study.design.located))
        return _Side(
            np.concatenate([read.universal[split, code][:, kept] for code in codes], axis=1),
            np.repeat(codes, len(kept)),
            np.tile(entities(study, split)[kept], len(codes)),
            np.tile(relations(study, split)[kept], len(codes)),
        )

    return _probe(study, "language", MACRO, side("fit"), side(tested), typed=True)


def _culture(study: Study, read: Residuals, code: str, tested: Split) -> Probed | None:
    others = [other for other in study.cultural.languages if other != code]
    blocks = [(other, culture) for other in others for culture in study.cultural.cultures]
    if not blocks:
        return None
    sizes = [read.cued[block].shape[1] for block in blocks]
    train = _Side(
        np.concatenate([read.cued[block] for block in blocks], axis=1),
        np.repeat([culture for _, culture in blocks], sizes),
        np.concatenate([clusters(study, "fit", other)[:n] for (other, _), n in zip(blocks, sizes, strict=True)]),
        np.concatenate([customs(study, "fit", other)[:n] for (other, _), n in zip(blocks, sizes, strict=True)]),
    )
    test = read.cultural[tested, code]
    own = np.repeat([study.culture(code)], test.shape[1])
    side = _Side(test, own, clusters(study, tested, code), customs(study, tested, code))
    facts = read.universal[tested, code]
    baseline = Examples(facts, np.repeat([study.culture(code)], facts.shape[1]), entities(study, tested))
    return _probe(study, "culture", code, train, side, baseline=baseline)


def _answer(study: Study, read: Residuals, code: str, tested: Split) -> Probed | None:
    labels = {
        split: [f"{item.relation}/{item.options[item.answer]['en']}" for item in study.universal_items(split)]
        for split in ("fit", tested)
    }
    shared = {label for label in labels["fit"] if labels["fit"].count(label) >= SHARED_BY}

    def side(split: Split, asked: str) -> _Side:
        kept = np.array([i for i, label in enumerate(labels[split]) if label in shared], dtype=int)
        return _Side(
            read.universal[split, asked][:, kept], np.array(labels[split])[kept],
            entities(study, split)[kept], relations(study, split)[kept],
        )  # fmt: skip

    train, test = side("fit", "en"), side(tested, code)
    if len(shared) < 2 or len(set(test.clusters)) < 2:
        return None
    return _probe(study, "answer", code, train, test)
