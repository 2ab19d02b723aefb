import numpy as np
import pandas as pd
import pytest
from scipy.linalg import subspace_angles

from probes import Resampling, angle_layers, cluster_sums, cluster_weights, cosine, direction_layers
from probes._subspace import _refit_cosines, _squares

D = 24
SCALE = np.where(np.arange(D) < 3, 10.0, 1.0)


def pairs(rng, means, n=120, size=2, noise=0.3):
    """Paired differences [layer, pair, d] around `means` [layer, d], half of their noise shared in a cluster."""
    clusters = np.arange(n) // size
    shape = (len(means), n, D)
    drawn = rng.standard_normal(shape) + rng.standard_normal(shape)[:, clusters]
    return np.asarray(means)[:, None] + noise * SCALE * drawn / np.sqrt(2), clusters


def at_angle(degrees, first=5):
    u, v = np.zeros(D), np.zeros(D)
    u[first] = 1.0
    v[[first, first + 1]] = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return u, v


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    u, v = at_angle(60)
    en, clusters_en = pairs(rng, [0 * u, 4 * u, 4 * u])
    loc, clusters_loc = pairs(rng, [0 * v, 4 * v, 2 * u], n=90, size=3)
    residuals = SCALE * rng.standard_normal((3, 150, D))
    return {"en": en, "loc": loc, "residuals": residuals, "clusters_en": clusters_en, "clusters_loc": clusters_loc}


@pytest.fixture(scope="module")
def table(case):
    return direction_layers(**case, resampling=Resampling(400))


def test_estimates_are_those_of_the_mean_differences(case, table):
    en, loc = case["en"].mean(axis=1), case["loc"].mean(axis=1)
    scale = np.median(np.linalg.norm(case["residuals"], axis=2), axis=1)
    np.testing.assert_allclose(table["cosine"], cosine(en, loc))
    np.testing.assert_allclose(table["en_norm"], np.linalg.norm(en, axis=1) / scale)
    np.testing.assert_allclose(table["loc_norm"], np.linalg.norm(loc, axis=1) / scale)
    assert table["layer"].tolist() == [0, 1, 2]
    assert (table["n_en"] == 120).all()
    assert (table["n_loc"] == 90).all()


def test_refits_from_inner_products_are_the_refits_written_out(case):
    fit = cluster_sums(case["loc"][1], case["clusters_loc"])
    weights = cluster_weights(30, 25, seed=3)
    gram = fit.sums @ fit.sums.T
    for draw, norm, found in zip(
        weights,
        np.sqrt(_squares(gram, weights)) / (weights @ fit.counts[:, 0]),
        _refit_cosines(gram, weights, np.ones((1, 30))),
        strict=True,
    ):
        rows = np.concatenate([np.flatnonzero(case["clusters_loc"] == c) for c in np.repeat(np.arange(30), draw)])
        refit = case["loc"][1, rows].mean(axis=0)
        assert norm == pytest.approx(np.linalg.norm(refit))
        assert found == pytest.approx(cosine(refit, case["loc"][1].mean(axis=0)))


def test_planted_directions_stand_out_and_noise_does_not(table):
    noise, apart, equal = (row for _, row in table.iterrows())
    assert apart["cosine_lo"] < 0.5 < apart["cosine_hi"]
    assert apart["cosine_hi"] - apart["cosine_lo"] < 0.25
    assert equal["cosine"] > 0.95
    assert equal["cosine_p"] < apart["cosine_p"]
    for side in ("en", "loc"):
        assert apart[f"{side}_norm_p"] == apart[f"{side}_stability_p"] == 1 / 201
        assert apart[f"{side}_norm"] > 2 * apart[f"{side}_norm_null"]
        assert apart[f"{side}_stability"] > apart[f"{side}_stability_q05"] > 0.9
        assert apart[f"{side}_stability_null"] < 0.93
        assert noise[f"{side}_norm_p"] > 0.05
        assert noise[f"{side}_stability_p"] > 0.05
        assert noise[f"{side}_stability"] < 0.9


def test_intervals_cover_the_planted_cosine_and_the_fitted_norm_follows_the_noise():
    u, v = at_angle(60)
    covered = np.zeros(3)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        en, clusters = pairs(rng, [5 * u])
        loc, _ = pairs(rng, [3 * v])
        residuals = np.ones((1, 2, D)) + rng.standard_normal((1, 2, D))
        scale = np.median(np.linalg.norm(residuals, axis=2))
        found = direction_layers(
            en, loc, residuals, clusters_en=clusters, clusters_loc=clusters, n_null=1, resampling=Resampling(300, seed)
        ).iloc[0]
        truths = {"cosine": 0.5, "en_norm": 5 / scale, "loc_norm": 3 / scale}
        covered += [found[f"{name}_lo"] <= truth <= found[f"{name}_hi"] for name, truth in truths.items()]
    # Nominal 0.95, of 60 clusters; the norm of a fitted vector has the noise in it, which shows in the shorter one.
    assert (covered >= [89, 89, 85]).all(), covered


def test_random_directions_in_the_residuals_covariance_are_the_null(case):
    few = {**case, "en": SCALE * np.random.default_rng(1).standard_normal((3, 2, D)), "clusters_en": np.arange(2)}
    found = direction_layers(**few, n_null=2000, resampling=Resampling(20))
    isotropic = direction_layers(
        **{**few, "residuals": case["residuals"] / SCALE}, n_null=2000, resampling=Resampling(20)
    )
    assert (isotropic["cosine_null_hi"] < 0.5).all()
    assert (found["cosine_null_hi"] > 0.8).all()  # three of the dimensions hold nearly all variance
    np.testing.assert_allclose(found["cosine_null_hi"], -found["cosine_null_lo"], atol=0.1)


def test_p_of_the_cosine_is_even_for_random_directions():
    p = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        residuals = SCALE * rng.standard_normal((1, 100, D))
        en, loc = (np.repeat(SCALE * rng.standard_normal((1, 1, D)), 2, axis=1) for _ in range(2))
        found = direction_layers(
            en,
            loc,
            residuals,
            clusters_en=np.arange(2),
            clusters_loc=np.arange(2),
            n_null=60,
            resampling=Resampling(2, seed),
        )
        p.append(found["cosine_p"].item())
    np.testing.assert_allclose(np.quantile(p, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.11)


def spans(case):
    """Three EN vectors, one dependent on the others, and two LOC vectors."""
    en = [case["en"], case["en"] + 3 * at_angle(0, first=9)[0], 2 * case["en"] + 3 * at_angle(0, first=9)[0]]
    loc = [case["loc"], case["loc"] + 3 * at_angle(0, first=11)[0]]
    clusters = {"clusters_en": [case["clusters_en"]] * 3, "clusters_loc": [case["clusters_loc"]] * 2}
    return {"en": en, "loc": loc, "residuals": case["residuals"], **clusters}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_angles_are_scipys_and_dependent_vectors_add_none(case, dtype):
    given = spans(case)
    given["en"] = [x.astype(dtype) for x in given["en"]]
    given["en"][2] = given["en"][0] + given["en"][1]
    found = angle_layers(**given, n_null=20, resampling=Resampling(20), layers=["a", "b", "c"])
    assert found["layer"].tolist() == ["a", "b", "c"]
    assert (found["rank_en"] == 2).all()
    assert (found["rank_loc"] == 2).all()
    for row in range(3):
        en, loc = (np.stack([x[row].mean(axis=0) for x in given[side]], axis=1) for side in ("en", "loc"))
        oracle = np.rad2deg(subspace_angles(en[:, :2], loc))[::-1]
        np.testing.assert_allclose(found.loc[row, ["angle_1", "angle_2"]].astype(float), oracle, rtol=1e-4)


def test_planted_angles_are_covered_and_close_spans_stand_out(case):
    u, v = at_angle(60)
    w, x = at_angle(90, first=9)
    covered = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        en = [pairs(rng, [5 * u])[0], pairs(rng, [5 * w])[0]]
        loc = [pairs(rng, [5 * v])[0], pairs(rng, [5 * x])[0]]
        clusters = [np.arange(120) // 2] * 2
        found = angle_layers(
            en,
            loc,
            case["residuals"][:1],
            clusters_en=clusters,
            clusters_loc=clusters,
            n_null=20,
            resampling=Resampling(100, seed),
        ).iloc[0]
        covered += found["angle_1_lo"] <= 60 <= found["angle_1_hi"]
    assert covered >= 35
    same = angle_layers([en[0]], [en[0]], case["residuals"][:1], clusters_en=clusters[:1], clusters_loc=clusters[:1])
    assert same["angle_1"].item() == pytest.approx(0, abs=1e-4)
    assert same["angle_1_p"].item() == 1 / 201
    assert same["angle_1_null_lo"].item() > 1


def test_one_label_is_one_cluster_in_all_vectors_of_a_side(case):
    en, clusters = case["en"], case["clusters_en"]
    twice = angle_layers(
        [en, en],
        [case["loc"]],
        case["residuals"],
        clusters_en=[clusters] * 2,
        clusters_loc=[case["clusters_loc"]],
        resampling=Resampling(50),
    )
    once = angle_layers(
        [en],
        [case["loc"]],
        case["residuals"],
        clusters_en=[clusters],
        clusters_loc=[case["clusters_loc"]],
        resampling=Resampling(50),
    )
    # Refitted on other draws, the second copy would span a dimension of its own.
    pd.testing.assert_frame_equal(twice.filter(regex="angle_1(_lo|_hi)?$"), once.filter(regex="angle_1(_lo|_hi)?$"))


def test_vectors_of_zero_have_no_direction(case):
    still = {**case, "en": np.zeros_like(case["en"])}
    found = direction_layers(**still, n_null=20, resampling=Resampling(20))
    columns = ["cosine", "cosine_lo", "cosine_hi", "cosine_p", "en_stability", "en_stability_p"]
    assert found[columns].isna().all(axis=None)
    assert (found["en_norm"] == 0).all()
    assert found["loc_stability"].notna().all()
    given = {**spans(case), "en": [still["en"]], "clusters_en": [case["clusters_en"]]}
    assert angle_layers(**given).columns.tolist() == ["layer", "rank_en", "rank_loc"]


def test_tables_ignore_row_order_and_follow_the_seed(case, table):
    order = np.random.default_rng(2).permutation(120)
    moved = {
        **case,
        "en": case["en"][:, order],
        "clusters_en": case["clusters_en"][order],
        "residuals": case["residuals"][:, ::-1],
    }
    pd.testing.assert_frame_equal(direction_layers(**moved, resampling=Resampling(400)), table)
    other = direction_layers(**case, resampling=Resampling(400, 1))
    assert (other["cosine_lo"] != table["cosine_lo"]).all()
    given = spans(case)
    first = angle_layers(**given, n_null=20, resampling=Resampling(20))
    pd.testing.assert_frame_equal(angle_layers(**given, n_null=20, resampling=Resampling(20)), first)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"en": np.zeros((2, 120, D))}, r"equal layers and widths.*'en': \(2, 24\)"),
        ({"loc": np.zeros((3, 90, 5))}, r"equal layers and widths.*'loc': \(3, 5\)"),
        ({"en": np.full((3, 120, D), np.nan)}, "en has NaN or infinity in layer row 0, example 0"),
        ({"clusters_en": np.arange(4)}, "clusters_en must hold one label for each of 120 rows"),
        ({"clusters_loc": np.zeros(90)}, "clusters_loc has a single cluster"),
        ({"residuals": np.ones((3, 10, D))}, "residuals of layer 0 give no random directions"),
        ({"layers": [1]}, "one name for each of 3 layers, got 1"),
        ({"n_null": 0}, "must be at least 1, got 2000 and 0"),
    ],
)
def test_directions_refuse_bad_input(case, changed, message):
    with pytest.raises(ValueError, match=message):
        direction_layers(**{**case, **changed})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"en": [], "clusters_en": []}, "at least one vector's differences each, got 0 and 2"),
        ({"clusters_loc": [np.arange(90)]}, "clusters_loc must have an entry for each of 2 vectors, got 1"),
        ({"loc": [np.zeros((3, 90, D)), np.zeros((3, 90, 5))]}, r"'loc\[1\]': \(3, 5\)"),
    ],
)
def test_angles_refuse_bad_input(case, changed, message):
    with pytest.raises(ValueError, match=message):
        angle_layers(**{**spans(case), **changed})
