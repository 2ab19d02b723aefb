"""Vectors made of known rows of a dictionary are taken apart again; noise is told beside them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import orthogonal_mp

from probes import decompose

ROWS, WIDTH = 400, 64


@pytest.fixture
def dictionary() -> np.ndarray:
    rows = np.random.default_rng(0).standard_normal((ROWS, WIDTH)) * np.linspace(0.1, 3, ROWS)[:, None]
    rows[7] = 0
    return rows.astype(np.float32)


def unit(row: np.ndarray) -> np.ndarray:
    return row.astype(float) / np.linalg.norm(row)


def test_a_sum_of_rows_is_taken_apart(dictionary: np.ndarray) -> None:
    parts = {5: 3.0, 77: -2.0, 300: 0.5}
    vector = sum(size * unit(dictionary[row]) for row, size in parts.items())
    found = decompose(vector, dictionary, 3)
    assert dict(zip(found.rows.tolist(), found.coefficients.tolist(), strict=True)) == pytest.approx(parts, abs=1e-5)
    assert found.explained[-1] == pytest.approx(1)
    assert (np.diff(found.explained) > 0).all()
    assert found.cosines[0] == pytest.approx(unit(dictionary[5]) @ unit(vector), abs=1e-6)


def test_shares_are_those_of_least_squares(dictionary: np.ndarray) -> None:
    vector = np.random.default_rng(5).standard_normal(WIDTH)
    found = decompose(vector, dictionary, 6, draws=40)
    for count, share in enumerate(found.explained, start=1):
        rows = dictionary[found.rows[:count]].astype(float).T
        left = vector - rows @ np.linalg.lstsq(rows, vector, rcond=None)[0]
        assert share == pytest.approx(1 - left @ left / (vector @ vector), abs=1e-6)
    # noise is explained as noise is
    assert found.explained == pytest.approx(found.explained_random, abs=0.1)
    scaled = decompose(10 * vector, 3 * dictionary, 6, draws=40)
    np.testing.assert_array_equal(scaled.rows, found.rows)
    np.testing.assert_allclose(scaled.coefficients, 10 * found.coefficients, rtol=1e-5)


def test_what_is_not_allowed(dictionary: np.ndarray) -> None:
    for vector, most in (
        (np.zeros(WIDTH), 3),
        (np.ones(WIDTH - 1), 3),
        (np.ones(WIDTH), 0),
        (np.ones(WIDTH), WIDTH + 1),
    ):
        with pytest.raises(ValueError, match=r"decomposed|most is"):
            decompose(vector, dictionary, most)


def test_rows_are_those_that_scikit_learn_takes(dictionary: np.ndarray) -> None:
    vector = np.random.default_rng(9).standard_normal(WIDTH)
    found = decompose(vector, dictionary, 8, draws=1)
    usable = np.flatnonzero(np.linalg.norm(dictionary, axis=1) > 0)
    units = np.stack([unit(dictionary[row]) for row in usable])
    path = orthogonal_mp(units.T, vector, n_nonzero_coefs=8)
    assert set(found.rows.tolist()) == set(usable[np.flatnonzero(path)].tolist())
    order = np.argsort(found.rows)
    np.testing.assert_allclose(found.coefficients[order], path[path != 0], rtol=1e-6)


def test_a_wide_dictionary_needs_no_memory_of_its_width_squared() -> None:
    rows = np.random.default_rng(3).standard_normal((60_000, 8)).astype(np.float32)
    assert decompose(rows[41], rows, 2, draws=1).rows[0] == 41
