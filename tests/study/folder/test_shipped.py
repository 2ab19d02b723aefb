"""What the README says of the shipped organism, measured again on test by the default run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from interp.progress import Bars
from interp.study.config import RunConfig
from interp.study.run import run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(RunConfig(out=str(tmp_path_factory.mktemp("runs") / "full")), Bars(quiet=True)).folder


@pytest.fixture(scope="module")
def macro(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "plane.csv").query("language == 'macro'").set_index("method")


@pytest.fixture(scope="module")
def contrasts(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(folder / "contrasts.csv").query("language == 'macro'")
    return table.set_index(["metric", "method", "against"])


def test_base_leaves_room_on_both_axes(macro: pd.DataFrame) -> None:
    assert macro.loc["base", "transfer_lo"] > macro.loc["base", "chance"]
    for metric in ("transfer", "localization"):
        assert 0.35 < macro.loc["base", metric] < 0.85


@pytest.mark.parametrize("against", ["base", "wrong_culture", "placebo_cue"])
def test_loc_raises_localization_beyond_its_controls(contrasts: pd.DataFrame, against: str) -> None:
    assert contrasts.loc[("localization", "loc", against), "lo"] > 0


@pytest.mark.parametrize("against", ["base", "nonfactual_en"])
def test_en_raises_transfer(contrasts: pd.DataFrame, against: str) -> None:
    assert contrasts.loc[("transfer", "en", against), "lo"] > 0


def test_en_costs_localization(contrasts: pd.DataFrame) -> None:
    assert contrasts.loc[("localization", "en", "base"), "hi"] < 0


def test_surgical_raises_localization_without_ens_loss(contrasts: pd.DataFrame) -> None:
    assert contrasts.loc[("localization", "surgical", "base"), "lo"] > 0
    assert contrasts.loc[("localization", "surgical", "en"), "lo"] > 0


def test_real_vectors_beat_their_controls(folder: Path) -> None:
    controls = pd.read_csv(folder / "controls.csv").query("language == 'macro'")
    for metric, method in (("transfer", "en"), ("localization", "loc")):
        for _, draws in controls[controls["metric"] == metric].groupby("control"):
            assert draws[f"beaten_by_{method}"].iloc[0] >= 18
