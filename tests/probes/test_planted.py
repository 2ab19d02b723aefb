import numpy as np
import pytest

from probes import ResidualNoise, plant_residuals


def test_the_shift_has_the_ratio_the_angle_and_the_layers_asked_for():
    planted = plant_residuals(2, 4, snr=2.0, angle=60.0, n=20_000, noise=ResidualNoise(6, 8, n_huge=2))
    u, v = planted.directions
    assert u @ v == pytest.approx(0.5)
    np.testing.assert_allclose(np.linalg.norm(planted.directions, axis=1), 1.0)
    assert (planted.directions[:, :2] == 0).all()
    for task, direction, norm, first, y in (
        (planted.answer, u, planted.norms[0], 2, planted.answer.train.y),
        (planted.culture, v, planted.norms[1], 4, planted.culture.train.y),
    ):
        spread = (task.train.X[0] @ direction).std()
        assert norm / spread == pytest.approx(2.0, rel=0.03)
        shift = task.train.X[:, y == 1].mean(axis=1) - task.train.X[:, y == 0].mean(axis=1)
        np.testing.assert_allclose(shift @ direction, norm * (np.arange(6) >= first), atol=0.1)
        away = shift - np.outer(shift @ direction, direction)
        assert np.abs(away[:, 2:]).max() < 0.1


def test_noise_is_anisotropic_and_carried_on():
    planted = plant_residuals(5, 5, snr=0.0, n=5000, noise=ResidualNoise(n_layers=6, huge=20.0))
    spread = planted.answer.train.X.std(axis=1)
    np.testing.assert_allclose(spread[:, :4], 20.0, rtol=0.05)
    assert spread[:, 4:].min() > 0.48
    assert spread[:, 4:].max() < 2.1
    assert (spread[0, :4] ** 2).sum() / (spread[0] ** 2).sum() > 0.95
    for l_, m in ((0, 1), (3, 4), (0, 2)):
        carried = np.corrcoef(planted.answer.train.X[l_, :, 7], planted.answer.train.X[m, :, 7])[0, 1]
        assert carried == pytest.approx(0.9 ** (m - l_), abs=0.02)


def test_parallel_items_share_their_part_from_the_universal_onset_on():
    planted = plant_residuals(3, 5, snr=1.0, n=20_000, noise=ResidualNoise(6, 8))
    for row in range(6):
        shared = np.corrcoef(planted.english[row, :, 0], planted.answer.test.X[row, :, 0])[0, 1]
        assert shared == pytest.approx(0.2 if row >= 3 else 0.0, abs=0.02)
    apart = (planted.answer.test.X - planted.english).mean(axis=1) @ planted.directions[1]
    np.testing.assert_allclose(apart, planted.norms[1] * (np.arange(6) >= 5), atol=0.05)


def test_a_gradual_shift_rises_in_equal_steps():
    planted = plant_residuals(1, 2, n=20_000, noise=ResidualNoise(6, 8), rise=3)
    y = planted.answer.train.y
    shift = planted.answer.train.X[:, y == 1].mean(axis=1) - planted.answer.train.X[:, y == 0].mean(axis=1)
    rise = np.array([0, 1, 2, 3, 3, 3]) / 3
    np.testing.assert_allclose(shift @ planted.directions[0] / planted.norms[0], rise, atol=0.05)


def test_residuals_follow_the_seed():
    one, same, other = (plant_residuals(3, 5, n=10, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(one.english, same.english)
    assert (one.english != other.english).all()
    assert one.answer.train.X.shape == (12, 10, 32)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"universal": 12}, r"universal must be one of the 12 rows 0..11, got 12"),
        ({"cultural": -1}, "cultural must be one of"),
        ({"snr": -1.0}, "snr must be finite and not negative"),
        ({"angle": 120.0}, "angle must be between 0 and 90"),
        ({"n": 3}, "n must be at least 4"),
        ({"rise": 0}, "rise must be at least 1"),
        ({"noise": ResidualNoise(n_huge=31)}, "n_huge must be between 0 and d_model - 2 = 30"),
        ({"noise": ResidualNoise(huge=0.0)}, "huge must be positive"),
        ({"noise": ResidualNoise(carry=1.0)}, r"carry must be in \[0, 1\)"),
    ],
)
def test_planting_refuses_bad_input(changed, message):
    with pytest.raises(ValueError, match=message):
        plant_residuals(**{"universal": 3, "cultural": 7, **changed})
