import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from probes import Options, read_options

WIDTH, LAYERS, PLANTED = 12, 3, 2


def planted_options(n, seed, strength=4.0, sizes=(2, 3, 4)):
    """Noise, a large shift that an item's options share, and from layer PLANTED on a direction in the right option."""
    rng = np.random.default_rng(seed)
    items = np.repeat(np.arange(n), rng.choice(sizes, size=n))
    right = np.zeros(len(items), dtype=bool)
    for item in range(n):
        right[rng.choice(np.flatnonzero(items == item))] = True
    stack = rng.standard_normal((LAYERS, len(items), WIDTH))
    stack += 20 * rng.standard_normal((LAYERS, n, WIDTH))[:, items]
    direction = np.random.default_rng(99).standard_normal(WIDTH)
    stack[PLANTED:, right] += strength * direction / np.linalg.norm(direction)
    return Options(stack, items, right)


def rearranged(options, order):
    return Options(options.stack[:, order], options.items[order], options.right[order])


def centred(options, layer):
    found = options.stack[layer].copy()
    for item in np.unique(options.items):
        found[options.items == item] -= found[options.items == item].mean(axis=0)
    return found


def test_choices_are_those_of_a_plain_scikit_learn_loop():
    fit, held = planted_options(60, 0, strength=1.5), planted_options(80, 1, strength=1.5)
    found = read_options(fit, {"held": held}, n_shuffles=0, C=0.3)["held"]
    assert found.shuffled.shape == (0, LAYERS, 80)
    for layer in range(LAYERS):
        scaler = StandardScaler().fit(centred(fit, layer))
        model = LogisticRegression(C=0.3, max_iter=2000).fit(scaler.transform(centred(fit, layer)), fit.right)
        p = model.predict_proba(scaler.transform(centred(held, layer)))[:, 1]
        for place, item in enumerate(found.items):
            options = np.flatnonzero(held.items == item)
            assert found.correct[layer, place] == held.right[options[np.argmax(p[options])]]
    assert 0.5 < found.correct[PLANTED].mean() < 1.0  # neither all nor nothing, so that the comparison tells


def test_all_is_read_where_it_is_planted_and_nothing_elsewhere_or_from_shuffled_labels():
    fit, held = planted_options(300, 0, 20.0, sizes=(4,)), planted_options(400, 1, 20.0, sizes=(4,))
    found = read_options(fit, {"held": held, "fit": fit}, n_shuffles=6)
    assert found["held"].correct[PLANTED].all()
    assert found["fit"].correct[PLANTED].all()
    error = np.sqrt(0.25 * 0.75 / 400)
    assert (np.abs(found["held"].correct[:PLANTED].mean(axis=1) - 0.25) < 4 * error).all()
    # Shuffled labels give a random direction: all right or all wrong where a direction is planted, chance elsewhere.
    assert (np.abs(found["held"].shuffled[:, :PLANTED].mean(axis=2) - 0.25) < 4 * error).all()
    assert len({tuple(draw) for draw in found["held"].shuffled[:, 0].tolist()}) == 6


def test_what_an_items_options_share_is_not_read():
    fit, held = planted_options(40, 0), planted_options(40, 1)
    shift = 7 * np.random.default_rng(5).standard_normal((LAYERS, 40, WIDTH))
    moved = Options(held.stack + shift[:, held.items], held.items, held.right)
    found = read_options(fit, {"held": held, "moved": moved}, n_shuffles=1)
    np.testing.assert_array_equal(found["held"].correct, found["moved"].correct)
    np.testing.assert_array_equal(found["held"].shuffled, found["moved"].shuffled)


def test_order_and_names_of_fit_options_change_no_choice():
    fit, held = planted_options(50, 0, 1.5), planted_options(50, 1, 1.5)
    first = read_options(fit, {"held": held}, n_shuffles=2)["held"]
    order = np.random.default_rng(2).permutation(len(fit.items))
    other = rearranged(fit, order)
    other = Options(other.stack, np.array([f"item {49 - item}" for item in other.items]), other.right)
    second = read_options(other, {"held": held}, n_shuffles=2, n_jobs=1)["held"]
    np.testing.assert_array_equal(first.correct, second.correct)
    np.testing.assert_array_equal(first.shuffled, second.shuffled)


def test_items_are_told_in_the_order_of_their_first_option():
    fit, held = planted_options(50, 0, 1.5), planted_options(50, 1, 1.5)
    first = read_options(fit, {"held": held}, n_shuffles=1)["held"]
    order = np.random.default_rng(3).permutation(len(held.items))
    mixed = rearranged(held, order)
    second = read_options(fit, {"held": mixed}, n_shuffles=1)["held"]
    assert second.items.tolist() == list(dict.fromkeys(mixed.items.tolist()))
    np.testing.assert_array_equal(second.correct, first.correct[:, second.items])
    np.testing.assert_array_equal(second.shuffled, first.shuffled[:, :, second.items])


def test_options_that_tie_count_a_third_each_wherever_the_right_one_stands():
    fit, held = planted_options(50, 0), planted_options(20, 1, sizes=(3,))
    same = np.repeat(held.stack[:, ::3], 3, axis=1)
    for place in range(3):
        right = np.arange(60) % 3 == place
        found = read_options(fit, {"held": Options(same, held.items, right)}, n_shuffles=0)["held"]
        np.testing.assert_array_equal(found.correct, np.full((LAYERS, 20), 1 / 3))


def test_what_cannot_be_read_is_refused():
    fit, held = planted_options(20, 0), planted_options(20, 1)
    none = Options(fit.stack, fit.items, fit.right & (fit.items != 3))
    with pytest.raises(ValueError, match=r"item .*3.* of fit has .* options, 0 of them right"):
        read_options(none, {"held": held})
    single = np.array([*fit.items[:-1], 99])
    with pytest.raises(ValueError, match="of held"):
        read_options(fit, {"held": Options(fit.stack, single, fit.right)})
    with pytest.raises(ValueError, match="booleans"):
        read_options(fit, {"held": Options(held.stack, held.items, held.right.astype(int))})
    with pytest.raises(ValueError, match="equal layers and widths"):
        read_options(fit, {"held": Options(held.stack[:2], held.items, held.right)})
    with pytest.raises(ValueError, match="n_shuffles"):
        read_options(fit, {"held": held}, n_shuffles=-1)
    with pytest.raises(ValueError, match="C must be"):
        read_options(fit, {"held": held}, C=0.0)
