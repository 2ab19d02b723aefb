import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from probes.intervals import paired_interval
from probes.linear import LinearProbe, probe_layers


def planted(n=120, d=10, layers=4, first=2, n_classes=2, seed=0):
    """Noise, with a direction per class added from layer `first` on."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % n_classes)
    X = rng.standard_normal((layers, n, d)) * rng.uniform(0.1, 10.0, size=d)
    X[first:] += 2.5 * X[0].std(axis=0) * np.linalg.qr(np.random.default_rng(99).standard_normal((d, d)))[0][y]
    return X, np.array(["no", "yes", "maybe"])[y]


@pytest.fixture(scope="module")
def case():
    X, y = planted()
    return {"X_train": X[:, :70], "y_train": y[:70], "X_test": X[:, 70:], "y_test": y[70:]} | {
        "clusters_test": np.arange(50) // 2,
        "types_train": np.arange(70) % 20,
        "types_test": np.arange(50) % 20,
    }


@pytest.fixture(scope="module")
def table(case):
    return probe_layers(**case, n_draws=500)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probe_matches_a_plain_scikit_learn_loop(n_classes):
    X, y = planted(n_classes=n_classes)
    probe = LinearProbe(C=0.3).fit(X[:, :80], y[:80])
    for layer in range(len(X)):
        plain = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=2000)).fit(X[layer, :80], y[:80])
        np.testing.assert_array_equal(probe.predict(X[:, 80:])[layer], plain.predict(X[layer, 80:]))
        assert probe.score(X[:, 80:], y[80:])[layer] == pytest.approx(plain.score(X[layer, 80:], y[80:]))
    assert probe.coef_.shape == (4, 1 if n_classes == 2 else 3, 10)
    assert probe.predict(X).shape == X.shape[:2]


def test_probe_keeps_to_the_conventions_of_scikit_learn():
    X, y = planted()
    probe = LinearProbe(C=0.5)
    assert probe.fit(X, y) is probe
    assert clone(probe).get_params() == {"C": 0.5, "max_iter": 2000}
    assert probe.classes_.tolist() == ["no", "yes"]
    with pytest.raises(NotFittedError):
        clone(probe).predict(X)


def test_probe_takes_a_list_of_layers_and_half_precision():
    X, y = planted()
    half = X.astype(np.float16)
    expected = LinearProbe().fit(half.astype(np.float64), y).predict(half.astype(np.float64))
    np.testing.assert_array_equal(LinearProbe().fit(list(half), y).predict(half), expected)


def test_probe_bears_a_feature_that_does_not_vary():
    X, y = planted()
    X[:, :, 3] = 0.1
    predicted = LinearProbe().fit(X, y).predict(X)
    assert (predicted[2:] == y).mean() > 0.9


def bad_fits():
    X, y = planted(n=12, d=3, layers=2)
    nan, inf = X.copy(), X.copy()
    nan[1, 5, 0], inf[0, 7, 2] = np.nan, np.inf
    missing = y.astype(object)
    missing[2] = None
    return {
        "one class": (X, np.full(12, "no"), {}, r"at least two classes, got only \['no'\]"),
        "all classes single": (X, np.arange(12), {}, "more examples than classes are needed, got 12 for 12"),
        "nan": (nan, y, {}, "NaN or infinity in layer row 1, example 5"),
        "inf": (inf, y, {}, "NaN or infinity in layer row 0, example 7"),
        "length": (X, y[:-1], {}, "each of 12 rows"),
        "missing label": (X, missing, {}, "missing label at row 2"),
        "width": ([X[0], X[1, :, :2]], y, {}, r"row 0 has \(12, 3\) and row 1 has \(12, 2\)"),
        "rank": (X[0], y, {}, r"\[layer, example, d_model\]"),
        "empty": (X[:, :0], y[:0], {}, "with entries"),
        "C": (X, y, {"C": 0.0}, "C must be positive"),
        "C type": (X, y, {"C": "1"}, "C must be positive"),
        "max_iter": (X, y, {"max_iter": 0}, "max_iter must be a whole number"),
        "max_iter type": (X, y, {"max_iter": 10.5}, "max_iter must be a whole number"),
    }


@pytest.mark.parametrize("name", bad_fits())
def test_probe_refuses_bad_input_at_fit(name):
    X, y, params, message = bad_fits()[name]
    with pytest.raises(ValueError, match=message):
        LinearProbe(**params).fit(X, y)


def test_probe_refuses_other_layers_than_it_was_fitted_on():
    X, y = planted()
    probe = LinearProbe().fit(X, y)
    with pytest.raises(ValueError, match="3 layers of width 10; the probe was fitted on 4 of width 10"):
        probe.predict(X[:3])
    with pytest.raises(ValueError, match="4 layers of width 9"):
        probe.predict(X[:, :, :9])
    with pytest.raises(ValueError, match="each of 120 rows"):
        probe.score(X, y[:3])


def test_layers_show_where_the_direction_was_planted(table):
    assert table["layer"].tolist() == [0, 1, 2, 3]
    early, late = table.iloc[:2], table.iloc[2:]
    assert (late["accuracy"] > 0.85).all()
    assert (late["gain_lo"] > 0.2).all()
    assert (late["selectivity_lo"] > 0.2).all()
    assert (late["control_selectivity_lo"] > 0.2).all()
    assert early["accuracy"].between(0.25, 0.75).all()
    assert table["shuffled"].between(0.3, 0.7).all()
    assert table["control_task"].between(0.3, 0.7).all()
    assert table.loc[0, ["gain", "gain_lo", "gain_hi"]].tolist() == [0.0, 0.0, 0.0]


def test_columns_agree_with_scikit_learn_and_with_each_other(case, table):
    predicted = LinearProbe().fit(case["X_train"], case["y_train"]).predict(case["X_test"])
    truth = case["y_test"]
    np.testing.assert_allclose(table["accuracy"], (predicted == truth).mean(axis=1))
    np.testing.assert_allclose(table["balanced_accuracy"], [balanced_accuracy_score(truth, p) for p in predicted])
    np.testing.assert_allclose(table["selectivity"], table["accuracy"] - table["shuffled"])
    np.testing.assert_allclose(table["control_selectivity"], table["accuracy"] - table["control_task"])
    np.testing.assert_allclose(table["gain"], table["accuracy"] - table["accuracy"][0])
    right = (predicted == truth).astype(float)
    oracle = paired_interval(right[3], right[0], case["clusters_test"], n_draws=500)
    assert (table["gain_lo"][3], table["gain_hi"][3]) == pytest.approx((oracle.lo, oracle.hi))
    classes, counts = np.unique(case["y_train"], return_counts=True)
    assert table["chance"][0] == (truth == classes[counts.argmax()]).mean()
    assert table[["n_train", "n_test", "n_classes"]].iloc[0].tolist() == [70, 50, 2]


def test_a_control_task_that_can_be_memorised_lowers_selectivity():
    """Where each type has a feature of its own, random labels per type are learned too."""
    rng = np.random.default_rng(5)
    types = rng.permutation(np.arange(120) % 12)
    X = 3.0 * np.eye(12)[types][None] + 0.1 * rng.standard_normal((1, 120, 12))
    y = types % 2
    found = probe_layers(
        X[:, :60], y[:60], X[:, 60:], y[60:], clusters_test=types[60:], types_train=types[:60], types_test=types[60:]
    )
    assert found["accuracy"][0] == 1.0
    assert found["control_task"][0] == 1.0
    assert found["selectivity"][0] > 0.2
    assert found["control_selectivity"][0] == 0.0


def test_without_types_there_is_no_control_task(case):
    plain = {k: v for k, v in case.items() if not k.startswith("types")}
    found = probe_layers(**plain, n_shuffles=1, n_draws=50, layers=["embed", "a", "b", "c"])
    assert found[["control_task", "control_selectivity", "control_selectivity_lo"]].isna().all(axis=None)
    assert found.drop(columns=[c for c in found if c.startswith("control")]).notna().all(axis=None)
    assert found["layer"].tolist() == ["embed", "a", "b", "c"]


def test_result_ignores_row_order_and_follows_the_seed(case):
    rng = np.random.default_rng(6)
    train, test = rng.permutation(70), rng.permutation(50)
    moved = {
        k: v[:, train if "train" in k else test] if k.startswith("X") else v[train if "train" in k else test]
        for k, v in case.items()
    }
    found, again, other = (
        probe_layers(**data, n_shuffles=1, n_draws=200, seed=seed) for data, seed in [(case, 0), (moved, 0), (case, 1)]
    )
    pd.testing.assert_frame_equal(again, found)
    assert (other["shuffled"] != found["shuffled"]).any()
    assert (other["control_task"] != found["control_task"]).any()
    assert (other["accuracy_lo"] != found["accuracy_lo"]).any()
    pd.testing.assert_series_equal(other["accuracy"], found["accuracy"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_test": np.repeat(["yes", "never seen"], 25)}, r"training never saw.*'never seen'"),
        ({"types_test": None}, "both types_train and types_test"),
        ({"types_train": np.zeros(70)}, "2 classes needs as many types"),
        ({"types_test": np.zeros(3)}, "types_test must hold one label for each of 50"),
        ({"clusters_test": np.zeros(49)}, "clusters_test must hold one label for each of 50"),
        ({"n_shuffles": 0}, "n_shuffles must be at least 1"),
        ({"layers": [0, 1]}, "layers names 2 rows, but there are 4"),
        ({"y_train": np.full(70, "yes"), "y_test": np.full(50, "yes")}, "at least two classes"),
    ],
)
def test_probe_layers_refuse_bad_input(case, change, message):
    with pytest.raises(ValueError, match=message):
        probe_layers(**case | {"n_draws": 10} | change)


def test_probe_layers_name_the_array_with_nan(case):
    broken = case["X_test"].copy()
    broken[2, 9, 0] = np.nan
    with pytest.raises(ValueError, match="X_test has NaN or infinity in layer row 2, example 9"):
        probe_layers(**case | {"X_test": broken})
