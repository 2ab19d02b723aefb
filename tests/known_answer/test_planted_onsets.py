"""Onsets planted in residuals are found by the probes, the alignment and the onset rule of real models."""

import pandas as pd
import pytest

from probes import locate_planted, plant_residuals, recovery_curve, recovery_runs
from probes.recovery import HEADLINE, as_markdown, planted_rows, summary

SNR, ANGLE, N = HEADLINE


def test_a_clear_plant_is_found_and_told_from_none():
    found = locate_planted(plant_residuals(3, 7, snr=2.0, seed=1), seed=1)
    assert (found.universal.layer, found.cultural.layer, found.difference.estimate) == (3, 7, 4)
    assert found.verdict == "separate"
    assert found.signals.keys() == {"answer", "alignment", "culture"}
    together = locate_planted(plant_residuals(5, 5, snr=2.0, seed=2), seed=2)
    assert (together.universal.layer, together.cultural.layer, together.verdict) == (5, 5, "no separation")
    assert locate_planted(plant_residuals(5, 5, snr=0.0, seed=3), seed=3).verdict == "no onset"


def test_rows_are_planted_apart_in_either_order_or_together():
    apart = [planted_rows("apart", seed) for seed in range(300)]
    assert {abs(a - b) for a, b in apart} == {3, 4, 5, 6, 7}
    assert 0.4 < sum(a < b for a, b in apart) / 300 < 0.6
    assert all(a == b for a, b in (planted_rows("together", seed) for seed in range(50)))


def test_the_summary_counts_what_was_not_found_against_the_method():
    runs = recovery_runs("apart", snr=1.0, angle=60.0, n=200, seeds=range(10_000, 10_003), n_draws=200)
    runs.loc[0, ["verdict", "universal_error", "universal_covered"]] = ["no onset", float("nan"), False]
    runs.loc[1, "cultural_error"] = 2
    found = summary(runs)
    assert found["runs"] == 3
    assert found["found"] == found["a_within_1"] == found["b_within_1"] == pytest.approx(2 / 3)
    assert found["both_within_1"] == pytest.approx(1 / 3)
    assert found["a_covered"] == found["b_covered"] == 1.0


def test_the_curve_holds_the_grid_and_its_checks(monkeypatch):
    monkeypatch.setattr("probes.recovery.recovery_runs", lambda layout, seeds, **cell: seeds)
    monkeypatch.setattr("probes.recovery.summary", lambda runs: {"runs": len(runs)})
    table = recovery_curve(1, 2)
    assert len(table) == 36 + 4
    assert not table.duplicated(["layout", "snr", "angle", "n", "rise"]).any()
    many = table.loc[table["runs"] == 2, ["layout", "snr"]]
    assert many.values.tolist() == [["apart", 1], ["together", 1], ["apart", 0]]


def test_the_printed_curve_has_a_line_per_cell():
    runs = recovery_runs("apart", snr=0.0, angle=60.0, n=50, seeds=[10_000], n_draws=100)
    cell = {"layout": "apart", "snr": 0.0, "angle": 60.0, "n": 50, "rise": 1}
    head, rule, line = as_markdown(pd.DataFrame([cell | summary(runs)])).splitlines()
    assert head.count("|") == rule.count("|") == line.count("|") == 12
    assert line.startswith("| apart | 0 | 60 | 50 | 1 | 1 | 0 | 0 / 0 / 0 | 0 / 0 |")
    assert line.endswith("| - / - / - | - / - / - |")


@pytest.mark.slow
def test_the_headline_cell_keeps_its_word():
    apart = summary(recovery_runs("apart", snr=SNR, angle=ANGLE, n=N, seeds=range(200)))
    assert apart["a_within_1"] >= 0.95
    assert apart["b_within_1"] >= 0.95
    together = summary(recovery_runs("together", snr=SNR, angle=ANGLE, n=N, seeds=range(200)))
    assert together["no_separation"] >= 0.95
    for found in (apart, together):
        for name in ("a", "b", "b-a"):
            assert found[f"{name}_covered"] >= 0.93
            assert found[f"{name}_width"] <= 2
    nothing = summary(recovery_runs("apart", snr=0.0, angle=ANGLE, n=N, seeds=range(200)))
    assert nothing["found"] <= 0.05
