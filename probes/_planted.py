"""Residuals with a planted answer: a universal direction from one layer on, a culture direction from another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from probes._examples import Examples


@dataclass(frozen=True)
class PlantedTask:
    """Training and test examples (residuals and binary labels) for a probe. Each test example is its own cluster."""

    train: Examples
    test: Examples


@dataclass(frozen=True)
class Planted:
    """The residuals from `plant_residuals`, with the planted truth.

    answer: trained in English, tested in another language. english: the answer's test items in English, parallel to
    answer.test.X. culture: trained on explicit prompts, tested on implicit ones. directions: unit vectors of the
    universal and of the culture shift, and norms: the lengths of the full shifts.
    """

    answer: PlantedTask
    english: Float[np.ndarray, "layer test d_model"]
    culture: PlantedTask
    directions: Float[np.ndarray, "2 d_model"]
    norms: Float[np.ndarray, "2"]


@dataclass(frozen=True)
class ResidualNoise:
    """Gaussian noise that resembles a residual stream: dimensions differ in size, and layers are correlated.

    n_layers, d_model: sizes of the stream. n_huge: number of leading dimensions with the standard deviation `huge`; the
    others' are log-uniform in [0.5, 2]. carry: correlation of neighbouring layers.
    """

    n_layers: int = 12
    d_model: int = 32
    n_huge: int = 4
    huge: float = 20.0
    carry: float = 0.9

    def scale(self, rng: np.random.Generator) -> Float[np.ndarray, " d_model"]:
        """Standard deviation of each dimension."""
        scale = np.exp(rng.uniform(-np.log(2.0), np.log(2.0), self.d_model))
        scale[: self.n_huge] = self.huge
        return scale

    def draw(
        self, rng: np.random.Generator, n: int, scale: Float[np.ndarray, " d_model"]
    ) -> Float[np.ndarray, "layer n d_model"]:
        """Noise of `n` examples."""
        drawn = rng.standard_normal((self.n_layers, n, self.d_model))
        for row in range(1, self.n_layers):
            drawn[row] = self.carry * drawn[row - 1] + np.sqrt(1.0 - self.carry**2) * drawn[row]
        return drawn * scale


def plant_residuals(
    universal: int,
    cultural: int,
    *,
    snr: float = 1.0,
    angle: float = 60.0,
    n: int = 200,
    rise: int = 1,
    noise: ResidualNoise = ResidualNoise(),
    seed: int = 0,
) -> Planted:
    """Draw residuals with a universal direction from row `universal` on and a culture direction from row `cultural` on.

    Every set has `n` examples. The two directions are random, at an angle of `angle` degrees, and lie outside the huge
    dimensions of the noise, where a shift of the same ratio would stand out in all others.

    The two classes differ by a shift of norm `snr` x the noise's standard deviation along the direction, reached in
    equal steps over `rise` layers (1: at once). Each direction also disturbs the other's task: universal content varies
    in cultural prompts, and all prompts of the other language differ from English by the culture shift. A single
    direction can't create alignment, because items with the same answer share it. Therefore parallel items share the
    fraction snr²/(4 + snr²) of their noise's variance from row `universal` on, the fraction that the shift has along
    its direction.

    Raises ValueError for a row outside the layers, or another parameter out of range.
    """
    for name, row in (("universal", universal), ("cultural", cultural)):
        if not 0 <= row < noise.n_layers:
            raise ValueError(f"{name} must be one of the {noise.n_layers} rows 0..{noise.n_layers - 1}, got {row}")
    most_huge = noise.d_model - 2
    for name, value, fits, demand in (
        ("snr", snr, 0 <= snr < np.inf, "finite and not negative"),
        ("angle", angle, 0 <= angle <= 90, "between 0 and 90 degrees"),
        ("n", n, n >= 4, "at least 4"),
        ("rise", rise, rise >= 1, "at least 1"),
        ("n_huge", noise.n_huge, 0 <= noise.n_huge <= most_huge, f"between 0 and d_model - 2 = {most_huge}"),
        ("huge", noise.huge, 0 < noise.huge < np.inf, "positive and finite"),
        ("carry", noise.carry, 0 <= noise.carry < 1, "in [0, 1)"),
    ):
        if not fits:
            raise ValueError(f"{name} must be {demand}, got {value}")
    rng = np.random.default_rng(seed)
    scale = noise.scale(rng)
    directions = np.zeros((2, noise.d_model))
    basis = np.linalg.qr(rng.standard_normal((noise.d_model - noise.n_huge, 2)))[0].T
    turn = np.deg2rad(angle)
    directions[:, noise.n_huge :] = basis[0], np.cos(turn) * basis[0] + np.sin(turn) * basis[1]
    norms = snr * np.linalg.norm(directions * scale, axis=1)
    onset = np.array([[universal], [cultural]])
    strength = np.clip((np.arange(noise.n_layers) - onset + 1) / rise, 0.0, 1.0)
    steps = strength[:, :, None, None] * (norms[:, None] * directions)[:, None, None, :]

    def drawn() -> Float[np.ndarray, "layer n d_model"]:
        return noise.draw(rng, n, scale)

    def labels() -> Int[np.ndarray, " n"]:
        return rng.permutation(np.arange(n) % 2)

    def shift(kind: int, y: Int[np.ndarray, " n"] | int) -> Float[np.ndarray, "layer n d_model"]:
        return steps[kind] * (np.broadcast_to(y, n)[:, None] - 0.5)

    y_train, y_test = labels(), labels()
    content = (strength[0] * snr) ** 2
    part = (content / (4.0 + content))[:, None, None]
    shared = np.sqrt(part) * drawn()
    own = np.sqrt(1.0 - part)
    items = np.arange(n)
    answer = PlantedTask(
        Examples(drawn() + shift(0, y_train) + shift(1, 0), y_train),
        Examples(own * drawn() + shared + shift(0, y_test) + shift(1, 1), y_test, items),
    )
    english = own * drawn() + shared + shift(0, y_test) + shift(1, 0)
    cued, implied = labels(), labels()
    culture = PlantedTask(
        Examples(drawn() + shift(0, labels()) + shift(1, cued), cued),
        Examples(drawn() + shift(0, labels()) + shift(1, implied), implied, items),
    )
    return Planted(answer, english, culture, directions, norms)
