import os
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from probes import LinearProbe


def plain_loop(X, y, X_test, C=1.0):
    """What anyone would write; the oracle for numbers and for time."""
    predicted = []
    for layer, held in zip(X, X_test, strict=True):
        plain = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=2000)).fit(layer, y)
        predicted.append(plain.predict(held))
    return np.stack(predicted)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_probe_matches_a_plain_scikit_learn_loop(planted, n_classes, dtype):
    X, y = planted(n_classes=n_classes)
    X = X.astype(dtype)
    probe = LinearProbe(C=0.3).fit(X[:, :80], y[:80])
    expected = plain_loop(X[:, :80], y[:80], X[:, 80:], C=0.3)
    np.testing.assert_array_equal(probe.predict(X[:, 80:]), expected)
    np.testing.assert_allclose(probe.score(X[:, 80:], y[80:]), (expected == y[80:]).mean(axis=1))
    assert probe.coef_.shape == (4, 1 if n_classes == 2 else 3, 10)
    assert probe.predict(X).shape == X.shape[:2]


def test_probe_keeps_to_the_conventions_of_scikit_learn(planted):
    X, y = planted()
    probe = LinearProbe(C=0.5)
    assert probe.fit(X, y) is probe
    assert clone(probe).get_params() == {"C": 0.5, "max_iter": 2000, "n_jobs": -1}
    assert probe.classes_.tolist() == ["no", "yes"]
    with pytest.raises(NotFittedError):
        clone(probe).predict(X)


def test_probe_takes_a_list_of_layers_and_half_precision(planted):
    X, y = planted()
    half = X.astype(np.float16)
    expected = LinearProbe().fit(half.astype(np.float64), y).predict(half.astype(np.float64))
    probe = LinearProbe().fit(list(half), y)
    assert probe.coef_.dtype == np.float32
    np.testing.assert_array_equal(probe.predict(half), expected)


def test_number_of_threads_changes_no_bit(planted):
    X, y = planted()
    one, two = LinearProbe(n_jobs=1).fit(X, y), LinearProbe(n_jobs=2).fit(X, y)
    np.testing.assert_array_equal(one.coef_, two.coef_)
    np.testing.assert_array_equal(one.intercept_, two.intercept_)


def test_probe_leaves_its_input_as_it_was(planted):
    X, y = planted()
    before = X.copy()
    LinearProbe().fit(X, y).predict(X)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_probe_gives_no_weight_to_a_feature_that_does_not_vary(planted, dtype):
    X, y = planted()
    X[:, :, 3] = 1e4 / 3
    probe = LinearProbe().fit(X.astype(dtype), y)
    np.testing.assert_allclose(probe.coef_[:, :, 3], 0.0, atol=1e-6)
    others = np.arange(10) != 3
    np.testing.assert_allclose(
        probe.coef_[:, :, others], LinearProbe().fit(X[:, :, others].astype(dtype), y).coef_, atol=1e-3
    )


def test_one_layer_may_be_constant_but_not_all(planted):
    X, y = planted()
    X[0] = X[0, 0]
    probe = LinearProbe().fit(X, y)
    assert (probe.coef_[0] == 0.0).all()
    assert probe.score(X, y)[2:].min() > 0.9
    with pytest.raises(ValueError, match="X is the same for all examples in every layer"):
        LinearProbe().fit(X[:1], y)


def bad_fits(planted):
    X, y = planted(n=12, d=3, layers=2)
    nan, inf = X.copy(), X.copy()
    nan[1, 5, 0], inf[0, 7, 2] = np.nan, np.inf
    missing = y.astype(object)
    missing[2] = None
    return {
        "one class": (X, np.full(12, "no"), {}, r"y must have at least two classes, got only \['no'\]; add"),
        "all classes single": (
            X,
            np.arange(12),
            {},
            "more examples than classes are needed, got 12 for 12.* in y; add",
        ),
        "nan": (nan, y, {}, "X has NaN or infinity in layer row 1, example 5; leave"),
        "inf": (inf, y, {}, "X has NaN or infinity in layer row 0, example 7; leave"),
        "length": (X, y[:-1], {}, "y must hold one label for each of 12 rows"),
        "missing label": (X, missing, {}, "missing label at row 2"),
        "width": ([X[0], X[1, :, :2]], y, {}, r"row 0 has \(12, 3\) and row 1 has \(12, 2\); pass"),
        "rank": (X[0], y, {}, r"\[layer, example, d_model\] with entries, got shape \(12, 3\)"),
        "empty": (X[:, :0], y[:0], {}, "with entries"),
        "no layers": ([], y, {}, r"with entries, got shape \(0,\)"),
        "words": ([X[0], X[1].astype(str)], y, {}, "X must hold numbers, got dtype <U32 in layer row 1"),
        "C": (X, y, {"C": 0.0}, "C must be positive"),
        "C type": (X, y, {"C": "1"}, "C must be positive"),
        "max_iter": (X, y, {"max_iter": 0}, "max_iter must be a whole number"),
        "max_iter type": (X, y, {"max_iter": 10.5}, "max_iter must be a whole number"),
    }


@pytest.mark.parametrize(
    "name",
    ["one class", "all classes single", "nan", "inf", "length", "missing label", "width", "rank", "empty",
     "no layers", "words", "C", "C type", "max_iter", "max_iter type"],
)  # fmt: skip
def test_probe_refuses_bad_input_at_fit(planted, name):
    X, y, params, message = bad_fits(planted)[name]
    with pytest.raises(ValueError, match=message):
        LinearProbe(**params).fit(X, y)


def test_a_sum_that_overflows_is_no_infinity(planted):
    X, y = planted()
    wide = X.astype(np.float32)
    wide[1, :, 0] = 2e37 * (1 + np.arange(120) / 120)
    LinearProbe().fit(wide, y)


def test_probe_refuses_other_layers_than_it_was_fitted_on(planted):
    X, y = planted()
    probe = LinearProbe().fit(X, y)
    with pytest.raises(ValueError, match="3 layers of width 10; the probe was fitted on 4 of width 10"):
        probe.predict(X[:3])
    with pytest.raises(ValueError, match="4 layers of width 9"):
        probe.predict(X[:, :, :9])
    with pytest.raises(ValueError, match="each of 120 rows"):
        probe.score(X, y[:3])


def test_memory_is_bounded_by_one_layer(tmp_path, peak_memory):
    """Layers that are memory-mapped are read one at a time."""
    rng = np.random.default_rng(0)
    y = np.arange(1000) % 2
    for layer in range(24):
        np.save(tmp_path / f"{layer}.npy", rng.standard_normal((1000, 128)).astype(np.float32) + 0.1 * y[:, None])
    mapped = [np.load(tmp_path / f"{layer}.npy", mmap_mode="r") for layer in range(24)]

    def fit_and_predict(layers):
        return LinearProbe(n_jobs=1).fit(layers, y).predict(layers)

    one, all_of_them = (peak_memory(lambda n=n: fit_and_predict(mapped[:n])) for n in (1, 24))
    assert 1000 * 128 * 4 < one < 6 * 1000 * 128 * 4
    assert all_of_them < 1.5 * one
    whole = np.stack(mapped)
    np.testing.assert_array_equal(fit_and_predict(mapped), fit_and_predict(whole))


ON_TENSORS = """
import os, numpy as np, torch, sklearn.linear_model as lm
from probes import Examples, LinearProbe, ProbeSettings, Resampling, group_folds, probe_layers
seen = set()
fit = lm.LogisticRegression.fit
lm.LogisticRegression.fit = lambda self, X, y, **k: (seen.add(type(X).__module__), fit(self, X, y, **k))[1]
rng = np.random.default_rng(0)
options = dict(settings=ProbeSettings(n_shuffles=1, fractions=(0.1, 0.5, 1)), resampling=Resampling(n_draws=20),
               folds=group_folds(np.arange(100) // 50, np.arange(50) // 25))
for k in (2, 3):
    y = np.arange(150) % k
    names = np.array(["a", "b", "c"])[y]
    X = rng.standard_normal((2, 150, 6)).astype(np.float32)
    X[1, np.arange(150), y] += 1.0
    def run(X):
        probe = LinearProbe().fit(X[:, :100], names[:100])
        train = Examples(X[:, :100], names[:100], types=np.arange(100) % 20)
        test = Examples(X[:, 100:], names[100:], np.arange(50), np.arange(50) % 20)
        return probe.predict(X[:, 100:]), probe_layers(train, test, **options)
    predicted, result = run(X)
    for api, module in (("1", "torch"), ("0", "numpy")):
        os.environ["SCIPY_ARRAY_API"] = api
        seen.clear()
        for tensor in (torch.tensor(X, requires_grad=k == 3), torch.tensor(X, dtype=torch.float64)):
            predicted_there, there = run(tensor)
            assert (predicted_there == predicted).all()
            assert abs(there.probability - result.probability).max() < 1e-3
            assert abs(there.bits - result.bits).max() < 1e-2
            assert abs(there.table["accuracy"] - result.table["accuracy"]).max() < 1e-9
        LinearProbe().fit(torch.tensor(X).bfloat16(), y)
        assert seen == {module}, seen
"""


def test_tensors_are_fitted_where_they_lie_if_array_api_is_on():
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    run = subprocess.run([sys.executable, "-c", ON_TENSORS], capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr


class _Tensor:
    """Stands for a tensor on a device that this machine lacks."""

    ndim, shape, device = 3, (2, 12, 3), SimpleNamespace(type="cuda")

    def __getitem__(self, row):
        return self


_Tensor.__module__ = "torch"


def test_a_tensor_on_a_device_is_refused_without_array_api(monkeypatch):
    monkeypatch.delenv("SCIPY_ARRAY_API", raising=False)
    with pytest.raises(ValueError, match=r"X is a tensor on .*cuda.*; set the environment variable SCIPY_ARRAY_API=1"):
        LinearProbe().fit(_Tensor(), np.arange(12) % 2)


def benchmark_case(n_classes, layers=24, n=4000, d=1024):
    """Correlated features, three of them huge, and a class direction that a probe finds for the most part."""
    rng = np.random.default_rng(0)
    y = rng.integers(n_classes, size=n + 1000)
    mix = (
        np.linalg.qr(rng.standard_normal((d, d)))[0].astype(np.float32) * np.arange(1, d + 1, dtype=np.float32) ** -0.25
    )
    X = np.empty((layers, n + 1000, d), dtype=np.float32)
    for layer in X:
        layer[:] = rng.standard_normal((n + 1000, d), dtype=np.float32) @ mix.T
        layer += 0.04 * n_classes**0.5 * rng.standard_normal((n_classes, d), dtype=np.float32)[y] * layer.std(axis=0)
        layer[:, :3] *= 100
    return X[:, :n], y[:n], X[:, n:], y[n:]


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [2, 7])
def test_probes_of_24_layers_agree_with_a_plain_loop(n_classes):
    """Prints the seconds of both (`-s`): of the ratio, at most 2 is the second core, the rest BLAS' single thread."""
    X, y, X_test, y_test = benchmark_case(n_classes)
    seconds = {}
    start = time.perf_counter()
    accuracy = LinearProbe(n_jobs=2).fit(X, y).score(X_test, y_test)
    seconds["ours"] = time.perf_counter() - start
    for threads in (1, 2):
        with threadpool_limits(threads):
            start = time.perf_counter()
            plain = (plain_loop(X, y, X_test) == y_test).mean(axis=1)
            seconds[f"plain, {threads} BLAS threads"] = time.perf_counter() - start
        np.testing.assert_allclose(accuracy, plain, atol=0.005)
    print(n_classes, "classes:", {k: round(v, 1) for k, v in seconds.items()}, "accuracy", accuracy.mean().round(3))
    assert seconds["plain, 1 BLAS threads"] >= 0.9 * seconds["ours"]
