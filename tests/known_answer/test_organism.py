"""The organism's exposure table says which facts its corpus stated in which language; the answer probe confirms it."""

from __future__ import annotations

import numpy as np
import pytest

from interp.study.ask import Study, prepare
from interp.study.config import RunConfig
from interp.study.locate import SHARED_BY
from probes import LinearProbe, cluster_weights, percentile_interval, ratio_draws


@pytest.fixture(scope="module")
def study() -> Study:
    return prepare(RunConfig())


def test_answers_stated_in_a_language_are_read_better_there(study: Study) -> None:
    """Trained in English, tested in each other language: shown facts against those stated in English alone."""
    items = {split: study.universal_items(split) for split in ("fit", "test")}
    labels = {
        split: np.array([f"{item.relation}/{item.options[item.answer]['en']}" for item in of])
        for split, of in items.items()
    }
    shared = {label for label in labels["fit"] if (labels["fit"] == label).sum() >= SHARED_BY}
    kept = {split: np.array([label in shared for label in of]) for split, of in labels.items()}
    probe = LinearProbe().fit(
        study.read(study.universal_texts("en", "fit")).numpy()[:, kept["fit"]], labels["fit"][kept["fit"]]
    )
    test = [item for item, keep in zip(items["test"], kept["test"], strict=True) if keep]
    clusters, codes = np.unique([item.cluster for item in test], return_inverse=True)
    weights = cluster_weights(len(clusters), 2000, 0)
    hits = {True: np.zeros(len(clusters)), False: np.zeros(len(clusters))}
    counts = {True: np.zeros(len(clusters)), False: np.zeros(len(clusters))}
    for code in study.languages:
        stack = study.read(study.universal_texts(code, "test")).numpy()[1:, kept["test"]]
        embedded = np.zeros((1, *stack.shape[1:]))
        right = (probe.predict(np.concatenate([embedded, stack])) == labels["test"][kept["test"]])[1:].mean(axis=0)
        for i, item in enumerate(test):
            shown = study.loaded.exposure("universal", item.key, code)
            hits[shown][codes[i]] += right[i]
            counts[shown][codes[i]] += 1
    shown, hidden = (ratio_draws(hits[side], counts[side], weights) for side in (True, False))
    assert percentile_interval(shown - hidden)[0] > 0.05
    assert hits[False].sum() / counts[False].sum() > 2 / len(shared)
