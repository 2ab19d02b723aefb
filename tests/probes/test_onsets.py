import numpy as np
import pytest
from scipy import stats

from probes import Resampling, Signal, find_onset, mean_intervals, resample, simultaneous_band, step_onset


def profile_signal(profile, n=200, carry=0.7, size=1, seed=0, spread=1.0):
    """Examples around `profile`, their noise shared by neighbouring layers and, in clusters of `size`, by neighbours."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((len(profile), n // size))
    for row in range(1, len(profile)):
        noise[row] = carry * noise[row - 1] + np.sqrt(1 - carry**2) * noise[row]
    return Signal(np.asarray(profile)[:, None] + spread * np.repeat(noise, size, axis=1), np.arange(n) // size)


STEP = [0.0] * 5 + [0.5] * 7


@pytest.mark.parametrize(
    ("profile", "row"),
    [
        (STEP, 5),
        ([0.3] * 4, 0),
        ([0.0] * 3 + [0.3], 3),
        ([0.1, 0.1, 0.1, 1.0, 1.0], 3),  # a leak below half of what follows
        ([0.6, 1.0, 1.0], 0),
        ([0.0, 0.9, 0.0, 0.0, 1.0, 1.0, 1.0], 4),  # a blip, gone for good
        ([0.0, 0.0, 1.0, 1.0, 1.0, 0.0], 2),  # a signal that ends before the last layers do
        ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], 2),
        ([-1.0, 0.0, -0.5], 3),
        ([0.5, -2.0, 0.25], 2),
    ],
)
def test_a_step_is_found_where_the_profile_passes_half(profile, row):
    assert step_onset(np.array(profile)) == row


def test_step_onset_is_the_least_squares_step_of_each_profile():
    profiles = np.random.default_rng(0).standard_normal((40, 3, 6)) + 0.3
    for cell in np.ndindex(40, 3):
        x, fits = profiles[cell], {6: (profiles[cell] ** 2).sum()}
        for row in range(6):
            design = (np.arange(6) >= row).astype(float)[:, None]
            height = np.linalg.lstsq(design, x, rcond=None)[0][0]
            if height > 0:
                fits[row] = ((x - height * design[:, 0]) ** 2).sum()
        assert step_onset(profiles)[cell] == min(fits, key=fits.__getitem__)


def test_equal_fits_give_the_first_row_whatever_the_rounding():
    tied = np.array([0.2, 0.0, 0.0, 0.2])  # all four layers fit as well as the last alone
    jitter = 1e-15 * np.random.default_rng(0).standard_normal((100, 4))
    assert (step_onset(tied + jitter) == 0).all()


def test_the_band_of_independent_layers_is_sidaks_and_of_equal_layers_the_plain_one():
    rng = np.random.default_rng(1)
    wide = rng.standard_normal((10, 1000))
    for values, number in ((wide, 10), (np.repeat(wide[:1], 10, axis=0), 1)):
        found = simultaneous_band(values, np.arange(1000), resampling=Resampling(8000))
        error = values.std(axis=1) / np.sqrt(1000)
        reach = stats.norm.ppf((1 + 0.95 ** (1 / number)) / 2)
        np.testing.assert_allclose((found.hi - found.estimate) / error, reach, rtol=0.05)
        np.testing.assert_allclose(found.hi - found.estimate, found.estimate - found.lo)


def test_the_band_holds_all_layers_at_once_and_pointwise_intervals_do_not():
    band = pointwise = 0
    for seed in range(200):
        signal = profile_signal(STEP, n=240, carry=0.5, size=3, seed=seed)
        found = simultaneous_band(signal.values, signal.clusters, resampling=Resampling(400, seed))
        band += ((found.lo <= STEP) & (found.hi >= STEP)).all()
        plain = mean_intervals(signal.values.T, signal.clusters, n_draws=400, seed=seed)
        pointwise += ((plain.lo <= STEP) & (plain.hi >= STEP)).all()
    # Nominal 0.95, of 80 clusters; 200 runs have an error of 0.015.
    assert 0.91 <= band / 200 <= 0.98
    assert pointwise / 200 < 0.85


def test_a_layer_that_does_not_vary_has_a_band_of_no_width():
    values = np.stack([np.ones(30), np.random.default_rng(2).standard_normal(30)])
    found = simultaneous_band(values, np.arange(30))
    assert (found.lo[0], found.hi[0]) == (1.0, 1.0)
    assert found.lo[1] < found.estimate[1] < found.hi[1]


def test_an_onset_is_found_with_its_control_taken_off_example_by_example():
    signal = profile_signal(STEP, n=400)
    shared = 20.0 * np.random.default_rng(3).standard_normal(signal.values.shape)
    found = find_onset({"x": Signal(signal.values + shared, signal.clusters, shared)})
    assert (found.layer, found.lo, found.hi, found.firm) == (5, 5, 5, 5)
    assert found.p == 1 / 2001
    assert find_onset({"x": signal}) == found


def test_several_signals_set_in_with_the_last_of_them():
    early, late = profile_signal([0.0] * 2 + [0.5] * 6, n=500), profile_signal([0.0] * 5 + [0.5] * 3, n=500, seed=1)
    alone, both = find_onset({"late": late}), find_onset({"early": early, "late": late})
    assert both.layer == alone.layer == 5
    nothing = profile_signal([0.0] * 8, n=500, seed=4)
    weak = find_onset({"late": late, "nothing": nothing})
    assert (weak.layer, weak.lo, weak.hi, weak.firm) == (None, None, None, None)
    assert weak.p == find_onset({"nothing": nothing}).p > 0.05


def test_rows_are_named_by_layers():
    found = find_onset({"x": profile_signal(STEP, n=400)}, layers=range(-1, 11))
    assert (found.layer, found.firm) == (4, 4)


def test_no_excess_is_found_in_one_of_twenty():
    false = sum(
        find_onset({"x": profile_signal([0.0] * 12, n=60, seed=s)}, resampling=Resampling(400, s)).layer is not None
        for s in range(300)
    )
    assert 0.02 <= false / 300 <= 0.08


def test_a_signal_below_its_control_is_no_onset():
    found = find_onset({"x": profile_signal([-0.5] * 6)})
    assert found.layer is None
    assert found.p > 0.9


@pytest.mark.parametrize(
    ("profile", "row"),
    [
        (STEP, 5),
        ([0.0] * 4 + [0.15, 0.32, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], 5),
        ([0.0] * 3 + [0.5] * 6 + [0.3, 0.1, 0.0], 3),
        ([0.1] * 6 + [0.5] * 6, 6),
        ([0.0] * 10 + [0.5] * 2, 10),
    ],
)
def test_intervals_cover_the_onset_of_steep_gradual_leaky_and_passing_signals(profile, row):
    assert step_onset(np.array(profile)) == row
    covered = near = 0
    for seed in range(100):
        found = find_onset({"x": profile_signal(profile, n=150, size=2, seed=seed)}, resampling=Resampling(300, seed))
        covered += found.layer is not None and found.lo <= row <= found.hi
        near += found.layer is not None and abs(found.layer - row) <= 1
    assert covered >= 93
    assert near >= 80


def test_the_onset_does_not_move_with_the_number_of_examples_as_the_firm_one_does():
    profile = [0.05] * 4 + [0.2, 0.8] + [1.0] * 4
    few, many = (find_onset({"x": profile_signal(profile, n=n, spread=1.5)}) for n in (100, 8000))
    assert few.layer == many.layer == 5
    assert many.hi == 5
    assert few.firm > many.firm == 0


def test_clusters_widen_what_repeated_examples_would_narrow():
    once = profile_signal(STEP, n=60)
    tenfold = Signal(np.repeat(once.values, 10, axis=1), np.repeat(once.clusters, 10))
    assert find_onset({"x": tenfold}) == find_onset({"x": once})
    apart = Signal(tenfold.values, np.arange(600))
    narrow, wide = (simultaneous_band(s.values, s.clusters) for s in (apart, tenfold))
    assert (wide.hi - wide.lo > 2.5 * (narrow.hi - narrow.lo)).all()


def test_one_label_is_one_cluster_in_all_signals():
    signal = profile_signal(STEP, n=80)
    part = Signal(signal.values[:, 20:], signal.clusters[20:])
    found = resample({"whole": signal, "again": signal, "part": part}, 300, 0)
    np.testing.assert_array_equal(found["whole"].draws, found["again"].draws)
    shared = np.corrcoef(found["whole"].draws[:, 0], found["part"].draws[:, 0])[0, 1]
    assert shared > 0.7


def test_onsets_ignore_row_order_and_follow_the_seed():
    signal = profile_signal(STEP, n=90, size=3, spread=2.5)
    order = np.random.default_rng(5).permutation(90)
    moved = Signal(signal.values[:, order], signal.clusters[order])
    assert find_onset({"x": moved}) == find_onset({"x": signal})
    assert find_onset({"x": signal}, resampling=Resampling(seed=1)).p != find_onset({"x": signal}).p


def test_missing_values_are_left_out():
    signal = profile_signal(STEP, n=300)
    gaps = signal.values.copy()
    gaps[3, ::7] = np.nan
    gaps[:, 0] = np.nan
    found = resample({"x": Signal(gaps, signal.clusters)}, 50, 0)["x"]
    np.testing.assert_allclose(found.estimate, np.nanmean(gaps, axis=1))
    assert np.isfinite(found.draws).all()
    rare = np.full((1, 40), np.nan)
    rare[0, :2] = 2.0
    assert (resample({"x": Signal(rare, np.arange(40))}, 200, 0)["x"].draws == 2.0).all()
    rare[0, 1] = np.nan
    with pytest.raises(ValueError, match="single cluster in layer row 0"):
        resample({"x": Signal(rare, np.arange(40))}, 200, 0)


VALUES = np.zeros((3, 4))
ONE_CLUSTER = np.array([[0.0, 0.0, 0.0, 0.0], [-1.0, -2.0, np.nan, np.nan]])


@pytest.mark.parametrize(
    ("signals", "options", "message"),
    [
        ({}, {}, "signals is empty"),
        ({"x": Signal(np.zeros(4), np.arange(4))}, {}, r"'x' must be \[layer, example\].*\(4,\)"),
        ({"x": Signal(VALUES, np.arange(3))}, {}, "clusters of signal 'x'.*each of 4 rows"),
        ({"x": Signal(VALUES, np.zeros(4))}, {}, "'x' has a single cluster"),
        ({"x": Signal(VALUES, np.arange(4), np.zeros((3, 5)))}, {}, r"'x' and its control.*\(3, 4\) and \(3, 5\)"),
        ({"x": Signal(np.where(np.arange(4) == 2, np.inf, VALUES), np.arange(4))}, {}, "infinite in layer row 0, example 2"),
        ({"x": Signal(np.full((3, 4), np.nan), np.arange(4))}, {}, "no value in layer row 0"),
        ({"x": Signal(ONE_CLUSTER, np.array([0, 0, 1, 1]))}, {}, "'x' has values of a single cluster in layer row 1"),
        ({"x": Signal(VALUES, np.arange(4)), "y": Signal(VALUES[:2], np.arange(4))}, {}, "same layers.*'x': 3, 'y': 2"),
        ({"x": Signal(VALUES, np.arange(4)), "y": Signal(VALUES, np.array(list("abcd")))}, {}, "labels of one kind"),
        ({"x": Signal(VALUES, np.arange(4))}, {"layers": [0, 2, 4]}, r"3 consecutive numbers.*\[0, 2, 4\]"),
        ({"x": Signal(VALUES, np.arange(4))}, {"layers": [0, 1]}, "3 consecutive numbers"),
        ({"x": Signal(VALUES, np.arange(4))}, {"resampling": Resampling(level=95)}, "level must lie"),
    ],
)  # fmt: skip
def test_onsets_refuse_bad_input(signals, options, message):
    with pytest.raises(ValueError, match=message):
        find_onset(signals, **options)
