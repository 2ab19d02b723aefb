"""The main signs of the page about Gemma, from the weights up in one language: no part of the run's own pipeline decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from interp.model import LoadedModel
from interp.steering import Plan, SteeringVectors, difference
from interp.study.ask import Study, choices, prepare, score_tasks
from interp.study.config import RunConfig

pytestmark = [pytest.mark.real, pytest.mark.slow]
TABLES = Path(__file__).parents[2] / "docs" / "gemma3-270m" / "atlas"
DEEP, SHALLOW = 16, 4


@pytest.fixture(scope="module")
def study(gemma: LoadedModel) -> Study:
    return prepare(RunConfig(languages=("es",), design="medium", normalisation="sum"), gemma)


@pytest.fixture(scope="module")
def localization(study: Study) -> dict[int, np.ndarray]:
    """Block -> change of every customs question's localization under EN at strength 1 after that block."""
    english, spanish = (study.read(study.universal_texts(code, "fit")) for code in ("en", "es"))
    en = SteeringVectors("en", difference(english, spanish))
    tasks = study.cultural_tasks("es", "test")
    plans = [Plan(), *(en.plan(block, 1.0, positions="last") for block in (SHALLOW, DEEP))]
    local = choices(tasks, score_tasks(study, tasks, plans), "local", "sum")
    return dict(zip((SHALLOW, DEEP), local[1:] - local[0], strict=True))


def test_en_at_depth_costs_localization(study: Study, localization: dict[int, np.ndarray]) -> None:
    clusters = np.unique([task.cluster for task in study.cultural_tasks("es", "test")], return_inverse=True)[1]
    sums, counts = (np.bincount(clusters, weights) for weights in (localization[DEEP], None))
    drawn = np.random.default_rng(0).integers(0, len(counts), (2000, len(counts)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    assert np.quantile(means, 0.975) < -0.03
    assert localization[DEEP].mean() < localization[SHALLOW].mean()


def test_the_page_has_these_numbers(localization: dict[int, np.ndarray]) -> None:
    rows = pd.read_csv(TABLES / "layers.csv").query("language == 'es'").set_index("layer")
    for block, changes in localization.items():
        assert changes.mean() == pytest.approx(rows.loc[block, "d_localization_en"], abs=0.021)  # one item
