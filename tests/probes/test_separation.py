import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from probes import Resampling, Signal, a_priori_layers, find_onset, find_separation, intersection_layer


def step_signal(first, n=300, n_layers=10, height=0.5, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n_layers, n)) + height * (np.arange(n_layers) >= first)[:, None]
    return Signal(values, np.arange(n) // 2, 0.1 * rng.standard_normal((n_layers, n)))


def sides(a, b, n=300, seed=0):
    universal = {"answer": step_signal(a, n, seed=seed), "alignment": step_signal(max(a - 2, 0), n, seed=seed + 1)}
    return universal, {"culture": step_signal(b, n, seed=seed + 2)}


def test_onsets_apart_are_separate_in_either_order():
    for a, b in ((3, 7), (7, 3)):
        found = find_separation(*sides(a, b))
        assert (found.universal.layer, found.cultural.layer, found.difference.estimate) == (a, b, b - a)
        assert found.difference.lo <= b - a <= found.difference.hi
        assert found.verdict == "separate"
        assert found.signals["alignment"].layer == a - 2
        assert found.signals["answer"].layer == a


def test_onsets_together_are_not_separate():
    verdicts = [
        find_separation(*sides(4, 4, n=120, seed=10 * s), resampling=Resampling(300, s)).verdict for s in range(60)
    ]
    assert verdicts.count("separate") <= 3
    assert verdicts.count("no separation") >= 55


def test_a_side_without_signal_has_no_onset():
    universal, _ = sides(3, 7)
    found = find_separation(universal, {"culture": step_signal(3, height=0.0, seed=9)})
    assert found.verdict == "no onset"
    assert found.universal.layer == 3
    assert found.cultural.layer is None
    assert np.isnan([found.difference.estimate, found.difference.lo, found.difference.hi]).all()


def test_the_sides_are_resampled_independently():
    one = step_signal(5, n=80, height=0.4)
    found = find_separation({"a": one}, {"b": one}, resampling=Resampling(500))
    assert found.difference.estimate == 0
    assert found.difference.lo < found.difference.hi


def test_layers_has_the_band_of_every_signal():
    universal, cultural = sides(3, 7)
    found = find_separation(universal, cultural, layers=range(-1, 9))
    assert found.universal.layer == 2
    assert found.layers.columns.tolist() == ["signal", "layer", "excess", "lo", "hi", "exceeds"]
    assert found.layers["signal"].unique().tolist() == ["answer", "alignment", "culture"]
    rows = found.layers[found.layers["signal"] == "culture"].set_index("layer")
    np.testing.assert_allclose(rows["excess"], (cultural["culture"].values - cultural["culture"].control).mean(axis=1))
    assert rows.index.tolist() == list(range(-1, 9))
    assert rows["exceeds"].tolist() == (rows["lo"] > 0).tolist() == [False] * 7 + [True] * 3
    pd.testing.assert_frame_equal(find_separation(universal, cultural, layers=range(-1, 9)).layers, found.layers)


def test_a_side_agrees_with_its_own_onset_up_to_the_draws():
    universal, cultural = sides(3, 7)
    alone = find_onset(universal)
    found = find_separation(universal, cultural).universal
    assert (found.layer, found.lo, found.hi) == (alone.layer, alone.lo, alone.hi)


def test_separation_refuses_bad_input():
    universal, cultural = sides(3, 7)
    with pytest.raises(ValueError, match=r"both sides have \['answer'\]"):
        find_separation(universal, {"answer": cultural["culture"]})
    with pytest.raises(ValueError, match=r"same layers.*'culture': 9"):
        find_separation(universal, {"culture": step_signal(3, n_layers=9)})
    with pytest.raises(ValueError, match="signals is empty"):
        find_separation(universal, {})
    with pytest.raises(ValueError, match="10 consecutive numbers"):
        find_separation(universal, cultural, layers=range(9))


def test_a_priori_layers_are_the_best_but_the_last():
    answer = np.array([0.1, 0.6, 0.6, 0.2, 0.9])
    selectivity = np.array([0.0, 0.5, 0.4, 0.3, 0.9])
    cosine = np.array([0.0, -0.9, 0.5, 0.0, 0.0])
    found = a_priori_layers(answer, selectivity, cosine)
    assert (found.layer_en, found.layer_loc) == (1, 2)  # 0.5 * 0.19 < 0.4 * 0.75; block 4 is the last
    assert a_priori_layers(answer, selectivity, np.zeros(5)).layer_loc == 1
    assert a_priori_layers(answer, -selectivity, cosine).layer_loc is None


@pytest.mark.parametrize(
    ("answer", "selectivity", "cosine", "message"),
    [
        ([0.1, 0.2], [0.1, 0.2], [0.1], r"2 or more blocks.*'cosine': \(1,\)"),
        ([0.1], [0.1], [0.1], "2 or more blocks"),
        ([0.1, 0.2], [0.1, np.nan], [0.1, 0.2], "selectivity must be finite, got nan at block 1"),
    ],
)
def test_a_priori_layers_refuse_bad_input(answer, selectivity, cosine, message):
    with pytest.raises(ValueError, match=message):
        a_priori_layers(np.array(answer), np.array(selectivity), np.array(cosine))


def mixed(shared, seed=0):
    """Vectors of five languages, each layer with another weight of what they share."""
    rng = np.random.default_rng(seed)
    common, own = rng.standard_normal((1, 1, 400)), rng.standard_normal((len(shared), 5, 400))
    weight = np.asarray(shared)[:, None, None]
    return 3.0 + weight * common + (1 - weight) * own


def test_the_shared_part_is_that_of_the_first_principal_component():
    vectors = mixed([0.0, 0.3, 0.5, 0.9])
    found = intersection_layer(vectors)
    for layer, share in zip(vectors, found.share, strict=True):
        oracle = PCA().fit(StandardScaler().fit_transform(layer.T)).explained_variance_ratio_[0]
        assert share == pytest.approx(oracle)


def test_the_intersection_is_where_shared_and_own_variance_balance():
    found = intersection_layer(mixed([0.9, 0.7, 0.4, 0.1, 0.4]))
    assert found.layer == 2
    assert found.share[2] == pytest.approx(0.5, abs=0.1)
    assert intersection_layer(mixed([0.9, 0.7, 0.4])).layer == 1  # the last block is no candidate


def test_the_intersection_refuses_bad_input():
    with pytest.raises(ValueError, match="2 blocks and 2 languages"):
        intersection_layer(np.zeros((3, 1, 4)))
    vectors = mixed([0.1, 0.2])
    vectors[1, 3] = 7.0
    with pytest.raises(ValueError, match="constant at block 1, language 3"):
        intersection_layer(vectors)
    vectors[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity in layer row 0"):
        intersection_layer(vectors)
