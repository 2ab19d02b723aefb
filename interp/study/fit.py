"""Fit every method's vectors on the fit split: one set per language and method, over all layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from interp.data.draws import draw as draw_by_hash
from interp.model.residuals import Residuals
from interp.steering.vectors import SteeringVectors, difference, language_contrast, rescaled, sign_shuffled
from interp.study.prepare import Study
from probes.controls import random_directions

TRANSFER_METHODS = ("en", "third_language", "nonfactual_en")
"""Methods whose layer and strength are chosen for transfer."""

LOCALIZATION_METHODS = ("loc", "loc_contrast", "wrong_culture", "placebo_cue")
"""Methods whose layer and strength are chosen for localization."""

Vectors = Mapping[str, Mapping[str, SteeringVectors]]
"""method -> language -> vectors."""


@dataclass(frozen=True)
class FitResiduals:
    """Residuals of the fit split in every language of the datasets; explicit, wrong and placebo in the scored ones."""

    universal: Mapping[str, Residuals]
    implicit: Mapping[str, Residuals]
    nonfactual: Mapping[str, Residuals]
    explicit: Mapping[str, Residuals]
    wrong: Mapping[str, Residuals]
    placebo: Mapping[str, Residuals]


def read_fit(study: Study) -> FitResiduals:
    """Read what the fitters need, once."""
    every, scored = study.universal.languages, study.languages
    thirds = {code: study.next_language(code) for code in scored}
    return FitResiduals(
        universal={code: study.universal_residuals(code, "fit") for code in every},
        implicit={code: study.cultural_residuals(code, "fit") for code in study.cultural.languages},
        nonfactual={code: study.nonfactual_residuals(code) for code in ("en", *scored)},
        explicit={code: study.cultural_residuals(code, "fit", "explicit", study.culture(code)) for code in scored},
        wrong={code: study.cultural_residuals(code, "fit", "explicit", study.culture(thirds[code])) for code in scored},
        placebo={code: study.cultural_residuals(code, "fit", "placebo") for code in scored},
    )


def fit_vectors(study: Study, fit: FitResiduals) -> Vectors:
    """The vectors of every method and scored language, with provenance."""
    made: dict[str, dict[str, SteeringVectors]] = {m: {} for m in (*TRANSFER_METHODS, *LOCALIZATION_METHODS)}
    for code in study.languages:
        third = study.next_language(code)
        facts, customs = fit.universal, fit.implicit
        others = [other for other in study.cultural.languages if other != code]
        per_layer = {
            "en": difference(facts["en"], facts[code]),
            "third_language": difference(facts[third], facts[code]),
            "nonfactual_en": difference(fit.nonfactual["en"], fit.nonfactual[code]),
            "loc": difference(fit.explicit[code], customs[code]),
            "loc_contrast": language_contrast(
                customs[code], [customs[o] for o in others], facts[code], [facts[o] for o in others]
            ),
            "wrong_culture": difference(fit.wrong[code], customs[code]),
            "placebo_cue": difference(fit.placebo[code], customs[code]),
        }
        cultures = {"loc": study.culture(code), "wrong_culture": study.culture(third)}
        for method, vectors in per_layer.items():
            provenance = {
                "fitter": "language contrast" if method == "loc_contrast" else "mean difference",
                "language": code,
                "culture": cultures.get(method, ""),
                "other_language": third if method == "third_language" else "",
                "universal": study.universal.name,
                "cultural": study.cultural.name,
                "split": "fit",
                "position": "last prompt token",
                "n": facts[code].shape[1] if method in TRANSFER_METHODS else customs[code].shape[1],
                "model": study.loaded.name,
                "fingerprint": study.loaded.fingerprint,
                "processing": study.loaded.processing,
            }
            made[method][code] = SteeringVectors(f"{method}:{code}", vectors, provenance)
    return made


def random_vectors(
    study: Study, fit: FitResiduals, like: Vectors, method: str, n: int
) -> list[dict[str, SteeringVectors]]:
    """`n` draws per language: Gaussian with the covariance of the layer's residuals and the norm of `like[method]`."""
    draws: list[dict[str, SteeringVectors]] = [{} for _ in range(n)]
    for code in study.languages:
        samples = torch.cat([fit.universal[code], fit.implicit[code]], dim=1)[1:].numpy()
        real = like[method][code].vectors
        layers = [
            random_directions(samples[layer], n, float(real[layer].norm()), _seed(study, code, layer, method))
            for layer in range(len(real))
        ]
        for draw in range(n):
            stacked = torch.stack([torch.from_numpy(layer[draw]).float() for layer in layers])
            draws[draw][code] = SteeringVectors(
                f"random-{draw}:{code}", stacked, {"processing": study.loaded.processing}
            )
    return draws


def shuffled_vectors(
    study: Study, fit: FitResiduals, like: Vectors, method: str, n: int
) -> list[dict[str, SteeringVectors]]:
    """`n` refits per language with the two sides of each pair swapped by a coin, at the real vector's norm."""
    draws: list[dict[str, SteeringVectors]] = [{} for _ in range(n)]
    for code in study.languages:
        target, source = (
            (fit.universal["en"], fit.universal[code]) if method == "en" else (fit.explicit[code], fit.implicit[code])
        )
        generator = torch.Generator().manual_seed(_seed(study, code, 0, f"shuffled {method}"))
        for draw in range(n):
            refit = rescaled(sign_shuffled(target, source, generator), like[method][code].vectors)
            draws[draw][code] = SteeringVectors(
                f"shuffled-{draw}:{code}", refit, {"processing": study.loaded.processing}
            )
    return draws


def _seed(study: Study, code: str, layer: int, method: str) -> int:
    return draw_by_hash(2**31, "control", str(study.config.seed), code, str(layer), method)
