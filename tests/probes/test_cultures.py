"""What a probe says of prompts that hold no culture is no cultural onset; what it says of those that do, is."""

from itertools import product

import numpy as np
import pytest

from probes import CultureReading, Sample, Signal, find_onset, resample, wrong_assignments, wrong_pairs
from probes._planted_cultures import plant_cultures
from probes._signals import ENOUGH_CASES
from probes.culture_recovery import KINDS, LEANS, culture_runs, summary

NAMES = ("a", "b", "c", "d")


def reading(own, cultural, universal):
    """One layer; the share of examples that are given each culture, of 100 customs and 200 facts."""
    samples = [
        Sample(np.repeat(np.arange(4), np.array(shares) * n // 100)[None], np.arange(n) // 5)
        for shares, n in ((cultural, 100), (universal, 200))
    ]
    return CultureReading(own, NAMES, *samples)


def test_a_default_of_the_probe_is_its_baseline():
    default = reading(1, (10, 80, 10, 0), (10, 80, 0, 10)).signal()
    assert default.excess.tolist() == [0.0]
    assert find_onset({"culture": default}).layer is None
    assert find_onset({"culture": Signal(default.values, default.clusters, np.full((1, 100), 0.25))}).layer == 0
    read = reading(1, (10, 80, 10, 0), (20, 30, 20, 30)).signal()
    assert read.excess == pytest.approx([0.5])
    assert find_onset({"culture": read}).layer == 0


def test_wrong_pairs_are_all_that_do_not_belong_together():
    readings = [reading(0, (70, 10, 10, 10), (25, 25, 25, 25)), reading(2, (10, 20, 60, 10), (10, 20, 30, 40))]
    np.testing.assert_allclose(wrong_pairs(readings).excess[:, 0], [-0.15, -0.15, -0.15, 0, 0, -0.3], atol=1e-12)


def test_wrong_assignments_are_all_others_and_languages_of_one_culture_share_one():
    readings = [reading(0, (70, 10, 10, 10), (25, 25, 25, 25)), reading(2, (10, 20, 60, 10), (10, 20, 30, 40))]
    first, second = (r.excess[:, 0] for r in readings)
    others = [(first[i] + second[j]) / 2 for i, j in product(range(4), range(4)) if i != j and (i, j) != (0, 2)]
    np.testing.assert_allclose(sorted(wrong_assignments(readings).excess[:, 0]), sorted(others))
    shared = [readings[0], reading(0, (40, 20, 20, 20), (25, 25, 25, 25))]
    cases = wrong_assignments(shared).excess[:, 0]
    np.testing.assert_allclose(cases, np.mean([r.excess[1:, 0] for r in shared], axis=0))


def test_p_is_the_rank_among_enough_cases_and_else_that_of_the_draws_unless_a_case_is_as_far():
    six = [reading(k % 4, np.roll((70, 10, 10, 10), k % 4), (25, 25, 25, 25)) for k in range(7)]
    chance = wrong_pairs(six)
    assert len(chance.excess) == 21 >= ENOUGH_CASES
    signal = six[0].signal()
    assert resample({"c": signal}, 200, 0, {"c": chance})["c"].p_value() == pytest.approx(1 / 22)
    alone = resample({"c": signal}, 200, 0, {"c": wrong_pairs(six[:1])})["c"]
    assert alone.p_value() == pytest.approx(1 / 201)
    moved = reading(0, (45, 55, 0, 0), (25, 25, 25, 25))
    few = resample({"c": moved.signal()}, 200, 0, {"c": wrong_pairs([moved])})["c"]
    assert few.p_value() == pytest.approx(1 / 3)


def test_languages_count_alike_whatever_their_number_of_questions():
    """A default in the language with more customs, and none in the other, is nothing when both kinds are averaged."""
    many = Signal(np.ones((1, 90)), np.arange(90), baseline=Sample(np.ones((1, 50)), np.arange(50)))
    few = Signal(np.zeros((1, 10)), np.arange(10), baseline=Sample(np.zeros((1, 50)), np.arange(50)))
    assert resample({"c": [many, few]}, 50, 0)["c"].estimate.tolist() == [0.0]


def test_readings_must_share_their_cultures():
    other = CultureReading(0, ("a", "b"), *(Sample(np.zeros((1, 4), dtype=int), np.arange(4)) for _ in range(2)))
    with pytest.raises(ValueError, match="the same two or more cultures"):
        wrong_pairs([reading(0, (70, 10, 10, 10), (25, 25, 25, 25)), other])


def test_planted_cultures_repeat_with_their_seed_and_hold_a_culture_from_its_row_on():
    plain, again, held = (plant_cultures(onset, snr=3.0, seed=1) for onset in (None, None, 4))
    for first, second, third in zip(plain, again, held, strict=True):
        np.testing.assert_array_equal(first.cultural, second.cultural)
        moved = np.linalg.norm((third.cultural - first.cultural).mean(axis=1), axis=1)
        assert (moved[:4] == 0).all()
        assert (moved[4:] > 1).all()


def test_a_planted_culture_is_found_in_its_row_and_a_default_is_not():
    held, empty = (culture_runs(onset, snr=3.0, lean=0.5, seeds=[0, 1], n_draws=200) for onset in (4, None))
    assert summary(held, 4)["macros_within_1"] == 1.0
    assert summary(held, 4)["languages_within_1"] >= 0.75
    assert summary(empty, None)["languages_found"] <= 0.25  # of 12, one in twenty
    assert summary(empty, None)["languages_without"] > 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("lean", "kind"), product(LEANS, KINDS))
def test_no_culture_is_found_in_one_of_twenty(lean, kind):
    """60 draws of six languages. Shares have errors of 0.011 (languages) and 0.028 (macros); bounds are three of them."""
    found = summary(culture_runs(None, lean=lean, kind=kind, seeds=range(60)), None)
    print(f"\nlean {lean}, kind {kind}: {found}")
    assert 0.05 - 0.034 <= found["languages_found"] <= 0.05 + 0.034
    assert found["macros_found"] <= 0.05 + 0.085
    assert found["languages_without"] > 0.1
