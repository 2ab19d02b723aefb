"""Residuals of several languages in which cues name cultures, and prompts without a cue hold one or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from probes._cultures import CultureReading
from probes._linear import LinearProbe
from probes._planted import ResidualNoise
from probes._signals import Sample

LANGUAGES, CULTURES = 6, 9
"""Languages, and the cultures that a cue can name; each language's own is one of them."""

NOISE = ResidualNoise(n_layers=8, n_huge=0)

CUED = 12
"""Cued prompts per language and culture."""

TOPICS, CUSTOMS, ASKED = 21, 108, 54
"""Topics, questions about customs, and how many of them each language asks."""

ENTITIES, FACTS = 182, 285
"""Entities, and questions about facts, which every language asks."""


@dataclass(frozen=True)
class PlantedLanguage:
    """Residuals of one language's prompts: cued (with the culture named), uncued about customs, and about facts."""

    own: int
    cued: Float[np.ndarray, "layer cued d_model"]
    named: Int[np.ndarray, " cued"]
    cultural: Float[np.ndarray, "layer custom d_model"]
    topics: Int[np.ndarray, " custom"]
    universal: Float[np.ndarray, "layer fact d_model"]
    entities: Int[np.ndarray, " fact"]


def plant_cultures(
    onset: int | None, *, snr: float = 1.0, lean: float = 1.0, kind: float = 0.0, seed: int = 0
) -> list[PlantedLanguage]:
    """Draw residuals in which a cue shifts its culture by 3 noise deviations from row 2 on, in every language.

    Without a cue, prompts about customs are shifted to the language's own culture by `snr` from row `onset` on (None:
    never; nothing is there to find). Every language differs from the others by a random vector of `lean` deviations in
    each dimension, so that a probe trained on others has a default in it; prompts about facts differ from those about
    customs by one of `kind` deviations, half of its variance the same in all languages: with it defaults differ between
    the two kinds of prompts. Noise is correlated by 0.9 between neighbouring layers; 30% of its variance are shared
    within a topic or entity, 30% by all languages of a question. Which culture is whose is drawn at random.
    """
    rng = np.random.default_rng(seed)
    scale = NOISE.scale(rng)

    def noise(n: int) -> Float[np.ndarray, "layer n d_model"]:
        return NOISE.draw(rng, n, scale)

    def questions(groups: Int[np.ndarray, " n"]) -> Float[np.ndarray, "layer n d_model"]:
        return np.sqrt(0.3) * (noise(int(groups.max()) + 1)[:, groups] + noise(len(groups)))

    directions = rng.standard_normal((CULTURES, NOISE.d_model)) * scale
    directions /= np.linalg.norm(directions / scale, axis=1, keepdims=True)
    rows = np.arange(NOISE.n_layers)[:, None, None]
    cue = 3.0 * (rows >= 2) * directions
    own_culture = snr * (rows >= (np.inf if onset is None else onset)) * directions
    topics, entities = np.arange(CUSTOMS) % TOPICS, np.arange(FACTS) % ENTITIES
    customs, facts = questions(topics), questions(entities)
    between = np.sqrt(0.5) * kind * noise(1)
    named = np.repeat(np.arange(CULTURES), CUED)
    languages = []
    for own in rng.permutation(CULTURES)[:LANGUAGES].tolist():
        offset = lean * noise(1)
        asked = np.sort(rng.permutation(CUSTOMS)[:ASKED])
        languages.append(
            PlantedLanguage(
                own,
                noise(len(named)) + cue[:, named] + offset,
                named,
                customs[:, asked] + np.sqrt(0.4) * noise(ASKED) + offset + own_culture[:, [own]],
                topics[asked],
                facts + np.sqrt(0.4) * noise(FACTS) + offset + between + np.sqrt(0.5) * kind * noise(1),
                entities,
            )
        )
    return languages


def read_cultures(planted: Sequence[PlantedLanguage]) -> list[CultureReading]:
    """What a probe of each language says that was trained on the cued prompts of all others."""
    names = tuple(f"culture {number}" for number in range(int(planted[0].named.max()) + 1))
    readings = []
    for language in planted:
        others = [other for other in planted if other is not language]
        probe = LinearProbe(n_jobs=1).fit(
            np.concatenate([other.cued for other in others], axis=1), np.concatenate([other.named for other in others])
        )
        cultural, universal = (probe.predict(stack) for stack in (language.cultural, language.universal))
        readings.append(
            CultureReading(language.own, names, Sample(cultural, language.topics), Sample(universal, language.entities))
        )
    return readings
