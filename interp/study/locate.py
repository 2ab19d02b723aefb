"""Per layer: what a linear probe reads, how well parallel prompts align, how EN and LOC lie to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from interp.data.items import Split, UniversalItem
from interp.model.residuals import Residuals
from interp.study.choose import Advance
from interp.study.fit import Vectors
from interp.study.prepare import Study
from probes.alignment import alignment_layers, cosine
from probes.layers import probe_layers

PROBES = ("universal", "language", "culture", "answer")
SHARED_BY = 3
"""An answer is a class of the answer probe when at least this many fit items have it."""

CUED_PER_CULTURE = 12
"""How many fit items per culture and language train the cued-culture probe."""


@dataclass(frozen=True)
class ProbeResiduals:
    """Residuals of implicit prompts per split and language, and of cued fit prompts per language and culture."""

    universal: Mapping[tuple[str, str], Residuals]
    cultural: Mapping[tuple[str, str], Residuals]
    cued: Mapping[tuple[str, str], Residuals]


def read_probe_residuals(study: Study, advance: Advance) -> ProbeResiduals:
    """Read fit and test prompts of every language, and cued fit prompts of every culture."""
    codes = study.universal.languages
    universal, cultural, cued = {}, {}, {}
    for code in codes:
        for split in ("fit", "test"):
            advance(f"residuals {code}")
            universal[split, code] = study.universal_residuals(code, split)
            cultural[split, code] = study.cultural_residuals(code, split)
        for culture in study.cultural.cultures:
            advance(f"residuals {code} {culture}")
            cued[code, culture] = study.cultural_residuals(code, "fit", "explicit", culture)[:, :CUED_PER_CULTURE]
    return ProbeResiduals(universal, cultural, cued)


def _items(study: Study, split: Split) -> list[UniversalItem]:
    return [item for item in study.universal.items if item.split == split]


def run_probes(study: Study, read: ProbeResiduals, advance: Advance) -> pd.DataFrame:
    """One row per probe, language and layer (row `layer` -1 is the embedding output); columns as `probe_layers`.

    universal: universal or cultural question. language: which language is asked in (all languages, 7 classes).
    culture: trained on cued prompts of the other languages, tested on whether it reads the own culture from
    uncued ones. answer: trained in English, tested in the language.
    """
    parts = [_language_probe(study, read, advance)]
    for code in study.languages:
        for name, probe in (("universal", _universal_probe), ("culture", _culture_probe), ("answer", _answer_probe)):
            advance(f"probe {name}:{code}")
            found = probe(study, read, code)
            if found is not None:
                parts.append(found.assign(probe=name, language=code))
    return pd.concat(parts, ignore_index=True)


def _probe(
    study: Study,
    train: np.ndarray,
    y_train: Sequence[str],
    test: np.ndarray,
    y_test: Sequence[str],
    clusters: Sequence[str],
) -> pd.DataFrame:
    return probe_layers(
        train, np.array(y_train), test, np.array(y_test), clusters_test=np.array(clusters),
        layers=range(-1, train.shape[0] - 1), n_shuffles=1,
        n_draws=study.config.bootstrap_draws, seed=study.config.seed,
    ).table  # fmt: skip


def _clusters(study: Study) -> tuple[list[str], list[str]]:
    entities = [item.cluster for item in _items(study, "test")]
    topics = [item.topic for item in study.cultural.items if item.split == "test"]
    return entities, topics


def _universal_probe(study: Study, read: ProbeResiduals, code: str) -> pd.DataFrame:
    parts = [(read.universal["fit", code], "universal"), (read.cultural["fit", code], "cultural")]
    tests = [(read.universal["test", code], "universal"), (read.cultural["test", code], "cultural")]
    entities, topics = _clusters(study)
    return _probe(
        study,
        np.concatenate([r.numpy() for r, _ in parts], axis=1),
        [label for r, label in parts for _ in range(r.shape[1])],
        np.concatenate([r.numpy() for r, _ in tests], axis=1),
        [label for r, label in tests for _ in range(r.shape[1])],
        [*entities, *topics],
    )


def _language_probe(study: Study, read: ProbeResiduals, advance: Advance) -> pd.DataFrame:
    advance("probe language")
    codes = study.universal.languages
    entities, _ = _clusters(study)
    train = np.concatenate([read.universal["fit", code].numpy() for code in codes], axis=1)
    test = np.concatenate([read.universal["test", code].numpy() for code in codes], axis=1)
    y_train = [code for code in codes for _ in range(read.universal["fit", code].shape[1])]
    y_test = [code for code in codes for _ in range(read.universal["test", code].shape[1])]
    return _probe(study, train, y_train, test, y_test, entities * len(codes)).assign(probe="language", language="macro")


def _culture_probe(study: Study, read: ProbeResiduals, code: str) -> pd.DataFrame:
    others = [other for other in study.cultural.languages if other != code]
    cultures = study.cultural.cultures
    blocks = [(read.cued[other, culture], culture) for other in others for culture in cultures]
    _, topics = _clusters(study)
    test = read.cultural["test", code]
    return _probe(
        study,
        np.concatenate([r.numpy() for r, _ in blocks], axis=1),
        [culture for r, culture in blocks for _ in range(r.shape[1])],
        test.numpy(),
        [study.culture(code)] * test.shape[1],
        topics,
    )


def _answer_probe(study: Study, read: ProbeResiduals, code: str) -> pd.DataFrame | None:
    def labels(split: Split) -> list[str]:
        return [f"{item.relation}/{item.options[item.answer]['en']}" for item in _items(study, split)]

    train_labels, test_labels = labels("fit"), labels("test")
    shared = {label for label in train_labels if train_labels.count(label) >= SHARED_BY}
    keep = [i for i, label in enumerate(train_labels) if label in shared]
    kept = [i for i, label in enumerate(test_labels) if label in shared]
    if len(shared) < 2 or len(kept) < 2:
        return None
    entities, _ = _clusters(study)
    return _probe(
        study,
        read.universal["fit", "en"].numpy()[:, keep],
        [train_labels[i] for i in keep],
        read.universal["test", code].numpy()[:, kept],
        [test_labels[i] for i in kept],
        [entities[i] for i in kept],
    )


def run_alignment(study: Study, read: ProbeResiduals, advance: Advance) -> pd.DataFrame:
    """Cosine margin, retrieval and CKA of English and each language, per layer, universal and cultural apart."""
    entities, topics = _clusters(study)
    relations = [item.relation for item in _items(study, "test")]
    parts = []
    for code in study.languages:
        advance(f"alignment {code}")
        for axis, source, groups, clusters in (
            ("universal", read.universal, relations, entities),
            ("cultural", read.cultural, topics, topics),
        ):
            english, own = source["test", "en"].numpy(), source["test", code].numpy()
            table = alignment_layers(
                english, own, np.array(groups), np.array(clusters), layers=range(-1, len(own) - 1),
                n_draws=study.config.bootstrap_draws, seed=study.config.seed,
            )  # fmt: skip
            parts.append(table.assign(axis=axis, language=code))
    return pd.concat(parts, ignore_index=True)


def directions(study: Study, vectors: Vectors) -> pd.DataFrame:
    """Cosine of EN and LOC per layer and language."""
    rows = []
    for code in study.languages:
        en, loc = vectors["en"][code].vectors.numpy(), vectors["loc"][code].vectors.numpy()
        for layer, value in enumerate(cosine(en, loc)):
            rows.append({"layer": layer, "language": code, "cos_en_loc": float(value)})
    return pd.DataFrame(rows)
