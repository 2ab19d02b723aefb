"""The four probes of every layer, and the signals that onsets are read from."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from interp.data import Split
from interp.errors import Notice
from interp.names import MACRO
from interp.progress import Advance
from interp.study.ask import Study
from interp.study.locate._residuals import (
    CUED_PER_CULTURE,
    Labels,
    Residuals,
    Stack,
    answers,
    clusters,
    customs,
    entities,
    relations,
    topics,
)
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
    probed: list[Probed | None] = []
    if "language" in only:
        advance("probe language")
        probed.append(_language(study, read, split))
    by_name = {"universal": _universal, "culture": _culture, "answer": _answer}
    for code in study.languages:
        for name in (name for name in by_name if name in only):
            advance(f"probe {name} {code}")
            probed.append(by_name[name](study, read, code, split))
    return [probe for probe in probed if probe is not None]


def probe_table(probed: Sequence[Probed]) -> pd.DataFrame:
    """The rows of `probes.csv`: columns of `probes.probe_layers`, layer -1 being the embedding output."""
    return pd.concat([p.result.table.assign(probe=p.probe, language=p.language) for p in probed], ignore_index=True)


def probe_sizes(study: Study) -> list[tuple[int, int, float]]:
    """(training examples, classes, fits of that size) of every probe of `run_probes`, per layer.

    Fits: labels, their shuffles and two online codes; the language probe also has control tasks, and the probe that
    holds relations out fits two thirds of the examples three times.
    """
    facts, languages = len(study.universal_items("fit")), len(study.universal.languages)
    items = {code: len(study.cultural_items(code, "fit")) for code in study.cultural.languages}
    cultures = len(study.cultural.cultures)
    cued = sum(min(CUED_PER_CULTURE, n) for n in items.values()) * cultures
    labelled, coded = 1.0 + SHUFFLES, 2.0
    read = min(facts, study.design.located or facts)
    sizes = [(read * languages, languages, labelled + SHUFFLES + coded)]
    for code in study.languages:
        own = min(CUED_PER_CULTURE, items[code]) * cultures
        sizes += [
            (facts + items[code], 2, labelled * (FOLDS - 1) + coded),
            (cued - own, cultures, labelled + coded),
            (facts, len(_shared_answers(study)), labelled + coded),
        ]
    return [(examples, classes, fits) for examples, classes, fits in sizes if examples > classes > 1]


@dataclass(frozen=True)
class _Grouped:
    """Examples whose groups are known: residuals, labels, clusters, and groups that tell something of the label.

    A group is a relation, topic or item. Where training and test have the same ones, they are the control task's types:
    of a type that training never saw, nothing can be learned, so that such a control would be chance.
    """

    stack: Stack
    labels: Labels
    clusters: Labels
    groups: Labels


def _probe(
    study: Study, name: str, language: str, train: _Grouped, test: _Grouped, *,
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
    def examples(split: Split) -> _Grouped:
        groups = topics(study, split, code)
        sizes = [len(relations(study, split)), len(groups)]
        return _Grouped(
            np.concatenate([read.universal[split, code], read.cultural[split, code]], axis=1),
            np.repeat(["universal", "cultural"], sizes),
            np.concatenate([entities(study, split), clusters(study, split, code)]),
            np.concatenate([relations(study, split), groups]),
        )

    train, test = examples("fit"), examples(tested)
    if not _can_hold_out(train, test):
        text = f"the probe `universal` is left out in {code}: there are too few relations or topics to hold out"
        warnings.warn(text, Notice, stacklevel=2)
        return None
    return _probe(study, "universal", code, train, test, held_out=True)


def _can_hold_out(train: _Grouped, test: _Grouped) -> bool:
    """Whether there are FOLDS sets of groups, and both classes to train on whichever of them is held out."""
    if len({*train.groups, *test.groups}) < FOLDS:
        return False
    folds = group_folds(train.groups, test.groups, n_folds=FOLDS)
    return all(len(set(train.labels[fold.train])) == len(set(train.labels)) for fold in folds)


def _language(study: Study, read: Residuals, tested: Split) -> Probed:
    codes = study.universal.languages

    def examples(split: Split) -> _Grouped:
        places = list(spread(len(entities(study, split)), study.design.located))
        return _Grouped(
            np.concatenate([read.universal[split, code][:, places] for code in codes], axis=1),
            np.repeat(codes, len(places)),
            np.tile(entities(study, split)[places], len(codes)),
            np.tile(relations(study, split)[places], len(codes)),
        )

    return _probe(study, "language", MACRO, examples("fit"), examples(tested), typed=True)


def _culture(study: Study, read: Residuals, code: str, tested: Split) -> Probed | None:
    others = [other for other in study.cultural.languages if other != code]
    blocks = [(other, culture) for other in others for culture in study.cultural.cultures]
    if not blocks:
        return None
    sizes = [read.cued[block].shape[1] for block in blocks]
    train = _Grouped(
        np.concatenate([read.cued[block] for block in blocks], axis=1),
        np.repeat([culture for _, culture in blocks], sizes),
        np.concatenate([clusters(study, "fit", other)[:n] for (other, _), n in zip(blocks, sizes, strict=True)]),
        np.concatenate([customs(study, "fit", other)[:n] for (other, _), n in zip(blocks, sizes, strict=True)]),
    )
    test = read.cultural[tested, code]
    own = np.repeat([study.culture(code)], test.shape[1])
    uncued = _Grouped(test, own, clusters(study, tested, code), customs(study, tested, code))
    facts = read.universal[tested, code]
    baseline = Examples(facts, np.repeat([study.culture(code)], facts.shape[1]), entities(study, tested))
    return _probe(study, "culture", code, train, uncued, baseline=baseline)


def _answer(study: Study, read: Residuals, code: str, tested: Split) -> Probed | None:
    shared = _shared_answers(study)

    def examples(split: Split, asked: str) -> _Grouped:
        labels = answers(study, split)
        places = np.flatnonzero(np.isin(labels, shared))
        return _Grouped(
            read.universal[split, asked][:, places], labels[places],
            entities(study, split)[places], relations(study, split)[places],
        )  # fmt: skip

    train, test = examples("fit", "en"), examples(tested, code)
    if len(shared) < 2 or len(set(test.clusters)) < 2:
        return None
    return _probe(study, "answer", code, train, test)


def _shared_answers(study: Study) -> list[str]:
    """Answers that at least SHARED_BY fit items have: the classes of the answer probe."""
    counts = Counter(answers(study, "fit").tolist())
    return [answer for answer, count in counts.items() if count >= SHARED_BY]
