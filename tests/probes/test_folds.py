import numpy as np
import pytest
from sklearn.model_selection import LeaveOneGroupOut

from probes import group_folds

TRAIN = np.array(["capital", "author", "capital", "food", "author", "food", "food"])
TEST = np.array(["food", "capital", "food", "new"])


def test_one_group_is_left_out_at_a_time():
    folds = group_folds(TRAIN, TEST)
    assert [set(TEST[fold.test]) for fold in folds] == [{"capital"}, {"food"}, {"new"}]
    for fold in folds:
        assert set(TRAIN[fold.train]) == set(TRAIN) - set(TEST[fold.test])
        assert len(fold.train) == np.isin(TRAIN, TRAIN[fold.train]).sum()
    assert sorted(np.concatenate([fold.test for fold in folds])) == [0, 1, 2, 3]


def test_without_test_groups_it_is_scikit_learns_cross_validation():
    expected = list(LeaveOneGroupOut().split(TRAIN, groups=TRAIN))
    for fold, (train, test) in zip(group_folds(TRAIN), expected, strict=True):
        np.testing.assert_array_equal(fold.train, train)
        np.testing.assert_array_equal(fold.test, test)


def test_sets_of_groups_are_left_out_whole():
    groups = np.random.default_rng(0).permutation(np.arange(60) % 10)
    folds = group_folds(groups, groups, n_folds=3)
    assert len(folds) == 3
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.test])
        assert 12 <= len(fold.test) <= 24
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(60))


@pytest.mark.parametrize("n_folds", [None, 3])
def test_folds_ignore_row_order(n_folds):
    groups = np.random.default_rng(1).integers(7, size=40)
    order = np.random.default_rng(2).permutation(40)
    plain, moved = ({frozenset(groups[f.test]) for f in group_folds(g, n_folds=n_folds)} for g in (groups, groups))
    moved = {frozenset(groups[order][f.test]) for f in group_folds(groups[order], n_folds=n_folds)}
    assert plain == moved


def test_folds_refuse_bad_groups():
    with pytest.raises(ValueError, match=r"at least two to leave one out, got only \['food'\]"):
        group_folds(np.array(["food", "food"]))
    with pytest.raises(ValueError, match="n_folds must be between 2 and the number of groups, 3, got 4"):
        group_folds(TRAIN, n_folds=4)
    with pytest.raises(ValueError, match="n_folds must be between 2"):
        group_folds(TRAIN, n_folds=1)
    with pytest.raises(ValueError, match="groups_test has a missing label at row 1"):
        group_folds(TRAIN, np.array(["food", None], dtype=object))
    with pytest.raises(ValueError, match=r"without the groups \['food'\] no training example is left"):
        group_folds(np.array(["food", "food"]), np.array(["food", "author"]))
