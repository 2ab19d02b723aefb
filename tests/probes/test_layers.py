from dataclasses import FrozenInstanceError, replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from probes import (
    Examples,
    Fold,
    LinearProbe,
    ProbeSettings,
    Resampling,
    group_folds,
    paired_interval,
    probe_layers,
)
from probes._intervals import difference_intervals
from probes._measures import MEASURES

ONE = ProbeSettings(n_shuffles=1)
FEW = Resampling(n_draws=50)


def split(planted, **options):
    X, y = planted(**options)
    return {
        "train": Examples(X[:, :70], y[:70], types=np.arange(70) % 20),
        "test": Examples(X[:, 70:], y[70:], np.arange(50) // 2, np.arange(50) % 20),
    }


def without_types(case):
    return {name: replace(examples, types=None) for name, examples in case.items()}


@pytest.fixture(scope="module")
def case(planted):
    return split(planted)


@pytest.fixture(scope="module")
def result(case):
    return probe_layers(**case, resampling=Resampling(n_draws=500))


@pytest.fixture(scope="module")
def table(result):
    return result.table


def test_layers_show_where_the_direction_was_planted(table):
    assert table["layer"].tolist() == [0, 1, 2, 3]
    early, late = table.iloc[:2], table.iloc[2:]
    assert (late["accuracy"] > 0.85).all()
    assert (late["auc_lo"] > 0.88).all()
    assert (late["brier_hi"] < 0.2).all()
    assert (late["gain_lo"] > 0.2).all()
    assert (late["selectivity_lo"] > 0.2).all()
    assert (late["control_selectivity_lo"] > 0.2).all()
    assert (late["compression_lo"] > 1.2).all()
    assert late["beats_control"].all()
    assert not early["beats_control"].any()
    assert early["accuracy"].between(0.25, 0.75).all()
    assert early["auc"].between(0.25, 0.75).all()
    assert (early["compression"] < 1.0).all()
    assert (table["shuffled_compression"] < 1.0).all()
    assert table["shuffled"].between(0.3, 0.7).all()
    assert table["control_task"].between(0.3, 0.7).all()
    assert table.loc[0, ["gain", "gain_lo", "gain_hi"]].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_columns_agree_with_scikit_learn(planted, n_classes):
    case = split(planted, n_classes=n_classes)
    found = probe_layers(**case, settings=ONE, resampling=FEW)
    train, test, truth = case["train"], case["test"].X, case["test"].y
    for layer, row in found.table.iterrows():
        plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        plain.fit(train.X[layer], train.y)
        predicted, probability = (f(test[layer]) for f in (plain.predict, plain.predict_proba))
        np.testing.assert_array_equal(found.correct[layer], predicted == truth)
        np.testing.assert_allclose(found.probability[layer], probability, atol=1e-9)
        assert row["accuracy"] == pytest.approx(plain.score(test[layer], truth))
        assert row["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, predicted))
        assert row["brier"] == pytest.approx(brier_score_loss(truth, probability, scale_by_half=True))
        scores = probability[:, 1] if n_classes == 2 else probability
        assert row["auc"] == pytest.approx(roc_auc_score(truth, scores, multi_class="ovr"))
    assert found.classes.tolist() == plain.classes_.tolist()


def test_columns_agree_with_each_other(case, result, table):
    assert [c for c in table if c.endswith(("_lo", "_hi"))] == [f"{c}_{end}" for c in MEASURES for end in ("lo", "hi")]
    for name in (name for name in MEASURES if name != "baseline"):
        assert (table[f"{name}_lo"] <= table[name] + 1e-12).all(), name
        assert (table[name] <= table[f"{name}_hi"] + 1e-12).all(), name
    np.testing.assert_allclose(table["selectivity"], table["accuracy"] - table["shuffled"], atol=1e-12)
    np.testing.assert_allclose(table["control_selectivity"], table["accuracy"] - table["control_task"], atol=1e-12)
    np.testing.assert_allclose(table["gain"], table["accuracy"] - table["accuracy"][0], atol=1e-12)
    np.testing.assert_allclose(table["compression"], 1.0 / table["bits"])
    assert (table["shuffled_q95"] >= table["shuffled"] - 1e-12).all()
    assert (table["control_task_q95"] >= table["control_task"] - 1e-12).all()
    classes, counts = np.unique(case["train"].y, return_counts=True)
    assert table["chance"][0] == (case["test"].y == classes[counts.argmax()]).mean()
    assert table[["n_train", "n_test", "n_classes", "n_folds"]].iloc[0].tolist() == [70, 50, 2, 1]


def test_intervals_are_paired_and_follow_from_the_examples(case, result, table):
    clusters = case["test"].clusters
    pairs = {
        "gain": (result.correct[3], result.correct[0]),
        "selectivity": (result.correct[3], result.shuffled_correct[3]),
        "control_selectivity": (result.correct[3], result.control_correct[3]),
    }
    for name, (a, b) in pairs.items():
        oracle = paired_interval(a, b, clusters, n_draws=500)
        expected = (oracle.estimate, oracle.lo, oracle.hi)
        assert tuple(table.loc[3, [name, f"{name}_lo", f"{name}_hi"]]) == pytest.approx(expected), name
    np.testing.assert_allclose(table["bits"], result.bits.mean(axis=1))
    assert result.bits.shape == (4, 70)
    assert result.probability.shape == (4, 50, 2)
    with pytest.raises(FrozenInstanceError):
        result.table = None


def test_both_controls_must_be_beaten(planted):
    """Where each type has a feature of its own, random labels per type are learned too."""
    rng = np.random.default_rng(5)
    types = rng.permutation(np.arange(120) % 12)
    X = 3.0 * np.eye(12)[types][None] + 0.1 * rng.standard_normal((1, 120, 12))
    y = types % 2
    data = {
        "train": Examples(X[:, :60], y[:60], types=types[:60]),
        "test": Examples(X[:, 60:], y[60:], types[60:], types[60:]),
    }
    found = probe_layers(**data).table
    assert found["accuracy"][0] == 1.0
    assert found["control_task"][0] == 1.0
    assert found["selectivity_lo"][0] > 0.1
    assert found["control_selectivity"][0] == 0.0
    assert not found["beats_control"][0]
    assert probe_layers(**without_types(data)).table["beats_control"][0]


def relation_alone(n=400, seed=0):
    """Answers of two relations, of unequal frequency; residuals hold the relation and nothing else."""
    rng = np.random.default_rng(seed)
    relations = rng.permutation(np.arange(n) % 2)
    answers = np.where(relations, 10, 0) + np.where(rng.random(n) < 0.7, 0, rng.integers(1, 3, n))
    return 5.0 * np.eye(8)[relations][None] + 0.1 * rng.standard_normal((2, n, 8)), answers, relations


def test_labels_shuffled_within_relations_keep_what_the_relation_tells():
    X, y, relations = relation_alone()
    train, test = Examples(X[:, :200], y[:200]), Examples(X[:, 200:], y[200:], np.arange(200))
    everywhere, within = (
        probe_layers(replace(train, groups=groups), test, resampling=Resampling(n_draws=200)).table
        for groups in (None, relations[:200])
    )
    alone = np.mean(y[200:] == np.where(relations[200:], 10, 0))  # the most frequent answer of each relation
    np.testing.assert_allclose(within["shuffled"], alone, atol=0.05)
    assert (everywhere["shuffled"] < alone - 0.2).all()
    assert everywhere["beats_control"].all()
    assert not within["beats_control"].any()
    assert (within["shuffled_compression"] > everywhere["shuffled_compression"] + 0.1).all()


def test_the_baseline_is_how_often_other_examples_get_the_label(planted):
    X, y = planted()
    train, test = Examples(X[:, :70], y[:70]), Examples(X[:, 70:], np.full(50, "yes"), np.arange(50) // 2)
    base = Examples(X[:, :40] - 1.0, np.full(40, "yes"), np.arange(40) // 4)
    found = probe_layers(train, test, baseline=base, resampling=Resampling(n_draws=300))
    probe = LinearProbe().fit(train.X, train.y)
    said = probe.predict(base.X)
    np.testing.assert_array_equal(found.classes[found.baseline_predicted], said)
    np.testing.assert_allclose(found.table["baseline"], (said == "yes").mean(axis=1))
    oracle = difference_intervals(found.correct.T, test.clusters, (said == "yes").T, base.clusters, n_draws=300)
    np.testing.assert_allclose(found.table["selectivity"], found.correct.mean(axis=1) - (said == "yes").mean(axis=1))
    np.testing.assert_allclose(found.table[["selectivity_lo", "selectivity_hi"]].T, [oracle.lo, oracle.hi])
    moved = Examples(base.X[:, ::-1], base.y, base.clusters[::-1])
    again = probe_layers(train, test, baseline=moved, resampling=Resampling(n_draws=300))
    pd.testing.assert_frame_equal(again.table, found.table, check_exact=True)
    np.testing.assert_array_equal(again.baseline_predicted[:, ::-1], found.baseline_predicted)


def test_a_default_class_does_not_beat_its_baseline():
    """All test labels are the class that the probe gives to everything."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((2, 100, 5)), np.arange(100) % 4
    X += np.eye(5)[y] * 3
    far = rng.standard_normal((2, 160, 5)) + np.array([8.0, 0, 0, 0, 0])
    data = Examples(X, y), Examples(far[:, :60], np.zeros(60, int), np.arange(60))
    assert probe_layers(*data).table["beats_control"].all()
    base = Examples(far[:, 60:], np.zeros(100, int), np.arange(100))
    assert not probe_layers(*data, baseline=base).table["beats_control"].any()


def test_without_types_there_is_no_control_task(case):
    found = probe_layers(**without_types(case), settings=ONE, resampling=FEW, layers=["embed", "a", "b", "c"])
    assert found.control_correct is None
    assert found.table.filter(like="control_").isna().all(axis=None)
    assert found.table.filter(like="baseline").isna().all(axis=None)
    empty = [c for c in found.table if c.startswith(("control", "baseline"))]
    assert found.table.drop(columns=empty).notna().all(axis=None)
    assert found.table["layer"].tolist() == ["embed", "a", "b", "c"]


def test_one_cluster_has_no_interval_and_beats_nothing(case):
    one_cluster = replace(case["test"], clusters=np.zeros(50))
    found = probe_layers(case["train"], one_cluster, settings=ONE, resampling=FEW).table
    bounds = [f"{c}_{end}" for c in MEASURES[:10] for end in ("lo", "hi")]
    assert found[bounds].isna().all(axis=None)
    assert not found["beats_control"].any()


def test_auc_says_why_it_is_missing(case):
    test = case["test"]
    yes = test.y == "yes"
    one_class = Examples(test.X[:, yes], test.y[yes], test.clusters[yes], test.types[yes])
    found = probe_layers(case["train"], one_class, settings=ONE, resampling=FEW).table
    assert found[["auc", "auc_lo", "auc_hi"]].isna().all(axis=None)
    assert (found["auc_note"] == "1 of 2 classes not in test").all()
    np.testing.assert_allclose(found["balanced_accuracy"], found["accuracy"])
    full = probe_layers(**case, settings=ONE, resampling=FEW).table
    assert (full["auc_note"] == "").all()


def test_result_ignores_row_order_and_threads_and_follows_the_seed(case):
    rng = np.random.default_rng(6)
    train, test = rng.permutation(70), rng.permutation(50)
    case = case | {"train": replace(case["train"], clusters=np.arange(70) // 2)}
    folds = group_folds(np.arange(70) // 18, np.arange(50) % 4)
    moved = {
        name: Examples(
            case[name].X[:, order], *(getattr(case[name], part)[order] for part in ("y", "clusters", "types"))
        )
        for name, order in (("train", train), ("test", test))
    }
    moved_folds = [Fold(np.argsort(train)[f.train], np.argsort(test)[f.test]) for f in folds[::-1]]
    draws, settings = Resampling(n_draws=200), ProbeSettings(n_shuffles=2)
    first = probe_layers(**case, folds=folds, settings=settings, resampling=draws)
    again = probe_layers(**moved, folds=moved_folds, settings=replace(settings, n_jobs=1), resampling=draws)
    other = probe_layers(**case, folds=folds, settings=settings, resampling=draws._replace(seed=1))
    pd.testing.assert_frame_equal(again.table, first.table, check_exact=True)
    for name, order in (("correct", test), ("shuffled_correct", test), ("control_correct", test), ("bits", train)):
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name)[:, order])
    np.testing.assert_array_equal(again.probability, first.probability[:, test])
    for column in ("shuffled", "control_task", "accuracy_lo", "bits"):
        assert (other.table[column] != first.table[column]).any(), column
    pd.testing.assert_series_equal(other.table["accuracy"], first.table["accuracy"])


def test_folds_score_each_example_by_the_probe_that_left_its_group_out(case):
    groups = np.arange(70) % 5, np.arange(50) % 5
    train, test = case.values()
    found = probe_layers(train, test, folds=group_folds(*groups), settings=ONE, resampling=FEW)
    for group in range(5):
        kept, held = groups[0] != group, groups[1] == group
        probe = LinearProbe().fit(train.X[:, kept], train.y[kept])
        right = probe.predict(test.X[:, held]) == test.y[held]
        np.testing.assert_array_equal(found.correct[:, held], right)
    assert found.table[["n_folds", "n_train"]].iloc[0].tolist() == [5, 56]


def test_what_only_marks_a_relation_is_not_found_when_it_is_left_out():
    """Universal against cultural, each relation and topic with a direction of its own: nothing carries over."""
    rng = np.random.default_rng(2)
    groups = rng.permutation(np.arange(240) % 12)
    kind = np.where(groups < 6, "universal", "cultural")
    own = 8.0 * np.eye(40)[groups]
    shared = own + 8.0 * np.eye(40)[20 + (groups < 6)]
    X = np.stack([own, shared]) + rng.standard_normal((2, 240, 40))
    examples = Examples(X[:, ::2], kind[::2]), Examples(X[:, 1::2], kind[1::2], groups[1::2])
    draws = Resampling(n_draws=200)
    within = probe_layers(*examples, resampling=draws)
    left_out = probe_layers(*examples, folds=group_folds(groups[::2], groups[1::2]), resampling=draws)
    assert (within.table["accuracy"] > 0.95).all()
    assert left_out.table["accuracy"][0] < 0.6
    assert left_out.table["accuracy"][1] > 0.95
    assert left_out.table["beats_control"].tolist() == [False, True]


def test_a_fold_may_lack_a_class_that_it_is_not_asked_for(planted):
    case = split(planted, n_classes=3)
    held = case["test"].y != "maybe"
    kept = np.flatnonzero(case["train"].y != "maybe")
    folds = [Fold(kept, np.flatnonzero(held)), Fold(np.arange(70), np.flatnonzero(~held))]
    found = probe_layers(**without_types(case), folds=folds, settings=ONE, resampling=FEW)
    assert (found.probability[:, held][:, :, found.classes == "maybe"] == 0.0).all()
    np.testing.assert_allclose(found.probability.sum(axis=2), 1.0)


def test_a_constant_embedding_carries_nothing_and_hurts_nothing(case):
    train, test = (replace(examples, X=examples.X.copy()) for examples in case.values())
    train.X[0] = test.X[0] = 0.3
    found = probe_layers(train, test, settings=ONE, resampling=FEW)
    assert found.table["auc"][0] == 0.5
    assert found.table["accuracy"][0] == pytest.approx(found.table["chance"][0])
    with pytest.raises(ValueError, match="X of train is the same for all examples in every layer"):
        probe_layers(replace(train, X=train.X[:1]), replace(test, X=test.X[:1]))


def test_memory_is_bounded_by_one_layer_of_training_and_test(tmp_path, peak_memory):
    rng = np.random.default_rng(0)
    y = np.arange(300) % 2
    for layer in range(10):
        np.save(tmp_path / f"{layer}.npy", rng.standard_normal((300, 512)).astype(np.float32) + 0.2 * y[:, None])
    mapped = [np.load(tmp_path / f"{layer}.npy", mmap_mode="r") for layer in range(10)]
    options = {"settings": ProbeSettings(n_shuffles=1, n_jobs=1), "resampling": Resampling(n_draws=20)}

    def probe(n):
        return probe_layers(Examples(mapped[:n], y), Examples(mapped[:n], y, np.arange(300) // 50), **options)

    one, ten = (peak_memory(lambda n=n: probe(n)) for n in (1, 10))
    assert ten < one + 3 * 300 * 512 * 4


BAD_EXAMPLES = [
    (
        {"test": {"y": np.repeat(["yes", "never seen"], 25)}},
        r"y of test.*training never saw.*'never seen'.*leave those",
    ),
    ({"test": {"types": None}}, "the types of both train and test"),
    ({"train": {"types": np.zeros(70)}}, "2 classes needs as many types"),
    ({"test": {"types": np.zeros(3)}}, "types of test must hold one label for each of 50"),
    ({"test": {"clusters": np.zeros(49)}}, "clusters of test must hold one label for each of 50"),
    ({"test": {"clusters": None}}, r"test has no clusters; .* or np.arange\(50\) if each is its own"),
    ({"train": {"clusters": np.zeros(49)}}, "clusters of train must hold one label for each of 70"),
    ({"train": {"clusters": np.zeros(70)}}, "the first cluster drawn fills all 70 examples"),
    (
        {"train": {"y": np.full(70, "yes")}, "test": {"y": np.full(50, "yes")}},
        "y of train must have at least two classes",
    ),
    ({"train": {"groups": np.zeros(3)}}, "groups of train must hold one label for each of 70"),
]


@pytest.mark.parametrize(("change", "message"), BAD_EXAMPLES)
def test_probe_layers_refuse_bad_examples(case, change, message):
    examples = {name: replace(some, **change.get(name, {})) for name, some in case.items()}
    with pytest.raises(ValueError, match=message):
        probe_layers(**examples, settings=ONE, resampling=FEW)


ASKED = {"y": np.full(3, "yes"), "clusters": np.zeros(3)}
BAD_OPTIONS = [
    ({"settings": ProbeSettings(n_shuffles=0)}, "n_shuffles must be at least 1"),
    ({"layers": [0, 1]}, "one name for each of 4 layers, got 2"),
    ({"settings": ProbeSettings(fractions=(0.5, 0.2, 1.0))}, "fractions must rise from above 0 to 1"),
    ({"folds": [Fold(np.arange(70), np.arange(49))]}, "each test example once, but example 49 is in 0"),
    ({"folds": [Fold(np.arange(71), np.arange(50))]}, r"folds\[0\] must hold row numbers of the 70 training examples"),
    ({"folds": [Fold(np.arange(0), np.arange(50))]}, r"folds\[0\] must hold row numbers of the 70 training examples"),
    ({"folds": [Fold(np.arange(1), np.arange(50))]}, "a fold trains on the classes .* it needs two classes"),
    ({"baseline": Examples(np.zeros((4, 3, 10)), np.full(3, "x"), np.zeros(3))}, "y of the baseline has .*never saw"),
    ({"baseline": Examples(np.zeros((4, 3, 10)), np.full(3, "yes"))}, "the baseline has no clusters"),
    ({"baseline": Examples(np.zeros((3, 3, 10)), **ASKED)}, "X of train and X of the baseline must have equal layers"),
    ({"baseline": Examples(np.zeros((4, 3, 10)), **ASKED), "folds": []}, "leave out folds or"),
    ({"settings": ProbeSettings(C=-1.0)}, "C must be positive"),
    ({"resampling": Resampling(level=1.0)}, "level must lie strictly between 0 and 1"),
]


@pytest.mark.parametrize(("change", "message"), BAD_OPTIONS)
def test_probe_layers_refuse_bad_options(case, change, message):
    with pytest.raises(ValueError, match=message):
        probe_layers(**case, **{"settings": ONE, "resampling": FEW} | change)


def test_probe_layers_name_the_array_that_is_wrong(case):
    train, test = case.values()
    broken = test.X.copy()
    broken[2, 9, 0] = broken[2, 20, 0] = np.nan
    with pytest.raises(ValueError, match="X of test has NaN or infinity in layer row 2, example 9"):
        probe_layers(train, replace(test, X=broken))
    with pytest.raises(ValueError, match=r"equal layers and widths, got shapes \(4, 70, 10\) and \(4, 50, 9\)"):
        probe_layers(train, replace(test, X=test.X[:, :, :9]))
    with pytest.raises(
        ValueError, match=r"X of test must have one shape.*row 0 has \(50, 10\) and row 3 has \(50, 9\)"
    ):
        probe_layers(train, replace(test, X=[*test.X[:3], test.X[3, :, :9]]))
