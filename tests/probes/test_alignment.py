import numpy as np
import pandas as pd
import pytest

from probes import Resampling, alignment_layers, centre, cosine, cosine_margin, debiased_cka, retrieval_top1

GROUPS = np.array(["p", "q", "p", "q", "p", "p", "q", "r", "p"])
LENGTHS = np.array([3, 4, 9, 5, 4, 20, 12, 3, 5])


def parallel(n=9, d=6, layers=3, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((layers, n, d))
    return (
        shared + noise * rng.standard_normal((layers, n, d)) + 5.0,
        shared + noise * rng.standard_normal((layers, n, d)) - 3.0,
    )


def cos(a, b):
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def naive_margin(A, B, groups, lengths):
    out = np.full(A.shape[:2], np.nan)
    for layer in range(A.shape[0]):
        a, b = A[layer] - A[layer].mean(axis=0), B[layer] - B[layer].mean(axis=0)
        for i in range(len(groups)):
            pool = [j for j in range(len(groups)) if j != i and groups[j] == groups[i]]
            if lengths is not None:
                pool = [j for j in pool if abs(lengths[i] - lengths[j]) <= 2] or pool
            if pool:
                mismatched = [cos(a[i], b[j]) for j in pool] + [cos(a[j], b[i]) for j in pool]
                out[layer, i] = cos(a[i], b[i]) - np.mean(mismatched)
    return out


def naive_retrieval(A, B, groups):
    out = np.full(A.shape[:2], np.nan)
    for layer in range(A.shape[0]):
        a, b = A[layer] - A[layer].mean(axis=0), B[layer] - B[layer].mean(axis=0)
        for i in range(len(groups)):
            pool = [j for j in range(len(groups)) if groups[j] == groups[i]]
            if len(pool) > 1:
                out[layer, i] = max(pool, key=lambda j: cos(a[i], b[j])) == i
    return out


@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_margin_matches_a_plain_loop(lengths):
    A, B = parallel()
    np.testing.assert_allclose(cosine_margin(A, B, GROUPS, lengths), naive_margin(A, B, GROUPS, lengths))


def test_lengths_change_the_pool_and_fall_back_to_the_group():
    A, B = parallel()
    plain, by_length = cosine_margin(A, B, GROUPS), cosine_margin(A, B, GROUPS, LENGTHS)
    alone_in_length = np.isin(np.arange(9), [2, 5, 6])
    np.testing.assert_array_equal(by_length[:, alone_in_length], plain[:, alone_in_length])
    assert (np.abs(by_length - plain)[:, [0, 1, 3, 4, 8]] > 1e-6).all()
    assert np.isnan(plain[:, 7]).all()


def test_margin_is_symmetric_and_blind_to_language_offsets_and_scale():
    A, B = parallel()
    margin = cosine_margin(A, B, GROUPS, LENGTHS)
    np.testing.assert_allclose(cosine_margin(B, A, GROUPS, LENGTHS), margin)
    np.testing.assert_allclose(cosine_margin(3.0 * A + 100.0, B - 40.0, GROUPS, LENGTHS), margin)


def test_retrieval_matches_a_plain_loop():
    A, B = parallel(noise=0.8)
    hits = retrieval_top1(A, B, GROUPS)
    np.testing.assert_array_equal(hits, naive_retrieval(A, B, GROUPS))
    assert 0.0 < np.nanmean(hits) < 1.0


def test_retrieval_counts_a_tie_as_a_miss():
    A, _ = parallel(n=4, layers=1)
    A[:, 1] = A[:, 0]
    np.testing.assert_array_equal(retrieval_top1(A, A, np.zeros(4)), [[0.0, 0.0, 1.0, 1.0]])


def test_equal_embeddings_show_no_alignment_for_all_their_rounding():
    same = np.tile(np.random.default_rng(2).standard_normal(16), (1, 43, 1))
    groups = np.arange(43) % 4
    assert (same[0] - same[0].mean(axis=0)).any()
    assert (cosine_margin(same, 3 * same, groups) == 0.0).all()
    assert (retrieval_top1(same, 3 * same, groups) == 0.0).all()
    assert np.isnan(debiased_cka(same, 3 * same)).all()
    assert (centre(same, groups) == 0.0).all()


def test_centre_removes_each_language_mean():
    A, _ = parallel()
    languages = np.array(list("eeefffggg"))
    centred = centre(A, languages)
    for language in "efg":
        rows = languages == language
        np.testing.assert_allclose(centred[:, rows].mean(axis=1), 0.0, atol=1e-12)
        differences = np.diff(A[:, rows], axis=1)
        np.testing.assert_allclose(np.diff(centred[:, rows], axis=1), differences)


def test_cosine_known_answers():
    assert cosine(np.array([1.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(np.sqrt(0.5))
    np.testing.assert_allclose(cosine(np.eye(2), np.array([[0.0, 2.0], [0.0, -1.0]])), [0.0, -1.0])
    np.testing.assert_allclose(cosine(np.eye(3), np.array([0.0, 3.0, 4.0])), [0.0, 0.6, 0.8])
    assert np.isnan(cosine(np.zeros(2), np.ones(2)))
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        cosine(np.ones(2), np.ones(3))


def explicit_cka(x, y):
    n, one = len(x), np.ones((len(x), 1))

    def hsic(k, l_):
        k, l_ = k - np.diag(np.diag(k)), l_ - np.diag(np.diag(l_))
        first = np.trace(k @ l_)
        second = (one.T @ k @ one @ one.T @ l_ @ one).item() / ((n - 1) * (n - 2))
        third = 2 / (n - 2) * (one.T @ k @ l_ @ one).item()
        return (first + second - third) / (n * (n - 3))

    k, l_ = x @ x.T, y @ y.T
    return hsic(k, l_) / np.sqrt(hsic(k, k) * hsic(l_, l_))


def test_cka_matches_the_trace_formula():
    A, B = parallel(n=12, d=5)
    B = B[:, :, :4]
    np.testing.assert_allclose(debiased_cka(A, B), [explicit_cka(a, b) for a, b in zip(A, B, strict=True)])


def test_cka_is_one_for_a_rotated_copy_and_unbiased_for_noise():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((1, 30, 8))
    rotation = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    np.testing.assert_allclose(debiased_cka(x, 4.0 * x @ rotation + 2.0), [1.0])
    a, b = rng.standard_normal((2, 200, 20, 50))
    values = debiased_cka(a, b)
    assert abs(values.mean()) < 0.02
    centred = [x_ - x_.mean(axis=0) for x_ in (a[0], b[0])]
    k, l_ = (c @ c.T for c in centred)
    assert (k * l_).sum() / np.sqrt((k * k).sum() * (l_ * l_).sum()) > 0.4


def planted():
    rng = np.random.default_rng(3)
    n, d, layers = 60, 12, 4
    shared = rng.standard_normal((n, d))
    A, B = rng.standard_normal((2, layers, n, d))
    A[2:] += 3.0 * shared
    B[2:] += 3.0 * shared
    return A, B, np.arange(n) % 6, np.arange(n) // 3


def test_layers_show_where_alignment_was_planted():
    A, B, groups, clusters = planted()
    table = alignment_layers(A, B, groups, clusters, layers=["embed", 0, 1, 2])
    assert table["layer"].tolist() == ["embed", 0, 1, 2]
    late = table["layer"].isin([1, 2])
    for column in ("cosine_margin", "retrieval", "retrieval_back", "cka"):
        assert (table.loc[late, f"{column}_lo"] > 0.5).all()
        assert (table[f"{column}_lo"] <= table[column]).all()
        assert (table[column] <= table[f"{column}_hi"]).all()
    assert (table.loc[~late, "cosine_margin_lo"] < 0.0).all()
    assert (table.loc[~late, "cosine_margin_hi"] > 0.0).all()
    assert (table.loc[~late, "retrieval"] < 0.3).all()
    np.testing.assert_allclose(table["retrieval_chance"], 0.1)
    assert (table.loc[late, "cka"] > 0.6).all()
    assert (table.loc[late, "cka_lo"] > table.loc[late, "cka_control"]).all()
    assert (table.loc[~late, "cka"].abs() < 0.2).all()


def test_layers_report_the_means_of_the_parts():
    A, B = parallel()
    table = alignment_layers(A, B, GROUPS, np.arange(9), lengths=LENGTHS)
    np.testing.assert_allclose(table["cosine_margin"], np.nanmean(naive_margin(A, B, GROUPS, LENGTHS), axis=1))
    np.testing.assert_allclose(table["retrieval"], np.nanmean(naive_retrieval(A, B, GROUPS), axis=1))
    np.testing.assert_allclose(table["cka"], [explicit_cka(a, b) for a, b in zip(A, B, strict=True)])
    assert table["retrieval_chance"].iloc[0] == pytest.approx(2 / 8)
    assert (table["n_items"] == 8).all()
    assert table["layer"].tolist() == [0, 1, 2]


def test_layers_ignore_row_order_and_follow_the_seed():
    A, B, groups, clusters = planted()
    order = np.random.default_rng(4).permutation(len(groups))
    table = alignment_layers(A, B, groups, clusters, resampling=Resampling(200))
    moved = alignment_layers(A[:, order], B[:, order], groups[order], clusters[order], resampling=Resampling(200))
    pd.testing.assert_frame_equal(moved, table)
    other = alignment_layers(A, B, groups, clusters, resampling=Resampling(200, 1))
    assert (other["cosine_margin_lo"] != table["cosine_margin_lo"]).all()


def test_bad_input_is_refused():
    A, B = parallel()
    with pytest.raises(ValueError, match=r"parallel, got shapes \(3, 9, 6\) and \(3, 8, 6\)"):
        cosine_margin(A, B[:, :8], GROUPS)
    with pytest.raises(ValueError, match="alone in its group"):
        retrieval_top1(A, B, np.arange(9))
    with pytest.raises(ValueError, match="lengths must hold a finite number"):
        cosine_margin(A, B, GROUPS, LENGTHS[:4])
    with pytest.raises(ValueError, match="lengths must hold a finite number"):
        cosine_margin(A, B, GROUPS, np.where(LENGTHS > 10, np.nan, LENGTHS))
    with pytest.raises(ValueError, match="groups must hold one label for each of 9"):
        cosine_margin(A, B, GROUPS[:5])
    with pytest.raises(ValueError, match="one name for each of 3 layers, got 2"):
        alignment_layers(A, B, GROUPS, np.arange(9), layers=[0, 1])
    with pytest.raises(ValueError, match="clusters must hold one label"):
        alignment_layers(A, B, GROUPS, np.arange(5))
    with pytest.raises(ValueError, match="at least 4 items, got 3"):
        debiased_cka(A[:, :3], B[:, :3])
    with pytest.raises(ValueError, match="equal layers and items"):
        debiased_cka(A, B[:2])
    with pytest.raises(ValueError, match="languages must hold one label"):
        centre(A, GROUPS[:2])
    A[1, 4, 2] = np.nan
    with pytest.raises(ValueError, match="A has NaN or infinity in layer row 1, example 4"):
        cosine_margin(A, B, GROUPS)
