"""Fit every method's vectors on the fit split: one set per language and method, over all layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float

from interp.data import Cue
from interp.data import draw as draw_by_hash
from interp.model.read import Residuals
from interp.steering import (
    PerLayer,
    Provenance,
    SteeringVectors,
    difference,
    language_contrast,
    median_norms,
    rescaled,
    sign_shuffled,
)
from interp.study.ask import Study
from probes import random_directions


def transfer_methods(study: Study) -> tuple[str, ...]:
    """Methods whose layer and strength are chosen for transfer, without controls that the datasets don't allow."""
    third = all(study.third_language(code) for code in study.languages)
    return ("en", *(["third_language"] if third else []), *(["nonfactual_en"] if study.nonfactual else []))


def localization_methods(study: Study) -> tuple[str, ...]:
    """Methods whose layer and strength are chosen for localization; see `transfer_methods`."""
    contrast = len(study.cultural.languages) > 1
    wrong = all(study.wrong_culture(code) for code in study.languages)
    return (
        "loc",
        *(["loc_contrast"] if contrast else []),
        *(["loc_language"] if study.target_language else []),
        *(["wrong_culture"] if wrong else []),
        "placebo_cue",
        *(["wrong_language"] if study.wrong_language else []),
    )


Vectors = Mapping[str, Mapping[str, SteeringVectors]]
"""method -> language -> vectors."""


@dataclass(frozen=True)
class FitResiduals:
    """Residuals of the fit split in every language of the datasets; explicit, wrong and placebo in the scored ones.

    `nonfactual` and `wrong` are empty if the datasets don't allow the control.
    """

    universal: Mapping[str, Residuals]
    implicit: Mapping[str, Residuals]
    nonfactual: Mapping[str, Residuals]
    explicit: Mapping[str, Residuals]
    wrong: Mapping[str, Residuals]
    placebo: Mapping[str, Residuals]


def read_fit(study: Study) -> FitResiduals:
    """Read all residuals that the fitters need."""
    scored = study.languages

    def customs(code: str, cue: Cue = "none", culture: str = "") -> Residuals:
        return study.read(study.cultural_texts(code, "fit", cue, culture))

    return FitResiduals(
        universal={code: study.read(study.universal_texts(code, "fit")) for code in study.universal.languages},
        implicit={code: customs(code) for code in study.cultural.languages},
        nonfactual={code: study.read(study.sentences(code, "fit")) for code in ("en", *scored) if study.nonfactual},
        explicit={code: customs(code, "explicit", study.culture(code)) for code in scored},
        wrong={code: customs(code, "explicit", wrong) for code in scored if (wrong := study.wrong_culture(code))},
        placebo={code: customs(code, "placebo") for code in scored},
    )


def study_vectors(study: Study, fit: FitResiduals) -> Vectors:
    """The vectors of every method and scored language, with provenance."""
    transfer, localization = transfer_methods(study), localization_methods(study)
    made: dict[str, dict[str, SteeringVectors]] = {method: {} for method in (*transfer, *localization)}
    for code in study.languages:
        cultures = {"loc": study.culture(code), "wrong_culture": study.wrong_culture(code)}
        to_third = ("third_language", "wrong_language")
        for method, by_language in made.items():
            fitted, n = _vector(study, fit, method, code)
            origin = provenance(
                study, code,
                fitter="contrast" if method == "loc_contrast" else "mean",
                culture=cultures.get(method) or "",
                other_language=(study.third_language(code) or "") if method in to_third else "",
                parallel=study.parallel.name if method == "nonfactual_en" else "",
                n=n,
            )  # fmt: skip
            by_language[code] = SteeringVectors(f"{method}:{code}", fitted, origin, residual_norms(fit, code))
    return made


def residual_norms(fit: FitResiduals, code: str) -> Float[torch.Tensor, "layer"]:
    """Median norm of a language's residuals after every block, over its universal and its cultural prompts of fit."""
    return median_norms(fit.universal[code], fit.implicit[code])


def provenance(study: Study, code: str, **own: str | int) -> Provenance:
    """The provenance of a vector: entries shared by the study's vectors, then its own. Empty texts are left out."""
    return {
        "language": code,
        "universal": study.universal.name,
        "cultural": study.cultural.name,
        "template": study.template.name,
        "split": "fit",
        "position": "last prompt token",
        "model": study.loaded.name,
        "fingerprint": study.loaded.fingerprint,
        "processing": study.loaded.processing,
        **{key: value for key, value in own.items() if value != ""},
    }


def _vector(study: Study, fit: FitResiduals, method: str, code: str) -> tuple[PerLayer, int]:
    """The vector of a method in a language, after every block, and the number of prompts it is the mean over."""
    facts, customs = fit.universal, fit.implicit
    if method == "loc_contrast":
        others = [other for other in study.cultural.languages if other != code]
        fitted = language_contrast(customs[code], [customs[o] for o in others], facts[code], [facts[o] for o in others])
        return fitted, customs[code].shape[1]
    target, source = _sides(study, fit, method, code)
    return difference(target, source), target.shape[1]


def _sides(study: Study, fit: FitResiduals, method: str, code: str) -> tuple[Residuals, Residuals]:
    """Residuals of parallel prompts whose mean difference, first minus second, is a method's vector in a language."""
    facts, customs = fit.universal, fit.implicit
    match method:
        case "en":
            return facts["en"], facts[code]
        case "third_language":
            return facts[study.third_language(code) or ""], facts[code]
        case "nonfactual_en":
            return fit.nonfactual["en"], fit.nonfactual[code]
        case "loc_language" | "wrong_language":
            target = code if method == "loc_language" else study.third_language(code) or ""
            places, in_english = study.shared_places(target, "fit")
            return customs[target][:, places], customs["en"][:, in_english]
        case "loc" | "wrong_culture" | "placebo_cue":
            cued = {"loc": fit.explicit, "wrong_culture": fit.wrong, "placebo_cue": fit.placebo}[method]
            return cued[code], customs[code]
    raise ValueError(f"no fitter for method {method!r}")


def random_vectors(
    study: Study, fit: FitResiduals, like: Vectors, method: str, n: int, code: str
) -> list[SteeringVectors]:
    """`n` draws in a language: Gaussian with the covariance of the layer's residuals and the norm of `like[method]`."""
    drawn = random_like(study, fit, code, like[method][code].vectors, n, method)
    return _control(study, fit, code, "random", drawn)


def random_like(study: Study, fit: FitResiduals, code: str, real: PerLayer, n: int, name: str) -> list[PerLayer]:
    """`n` draws with the covariance of each layer's residuals and the norm of `real`; `name` decides the seed."""
    samples = torch.cat([fit.universal[code], fit.implicit[code]], dim=1)[1:].numpy()
    layers = [
        random_directions(samples[layer], n, float(real[layer].norm()), control_seed(study, code, layer, name))
        for layer in range(len(real))
    ]
    return [torch.stack([torch.from_numpy(layer[draw]).float() for layer in layers]) for draw in range(n)]


def shuffled_vectors(
    study: Study, fit: FitResiduals, like: Vectors, method: str, n: int, code: str
) -> list[SteeringVectors]:
    """`n` refits in a language with the sides of each pair swapped at random, scaled to the real vector's norm."""
    target, source = _sides(study, fit, method, code)
    generator = torch.Generator().manual_seed(control_seed(study, code, 0, f"shuffled {method}"))
    real = like[method][code].vectors
    refits = [rescaled(sign_shuffled(target, source, generator), real) for _ in range(n)]
    return _control(study, fit, code, "shuffled", refits)


def _control(study: Study, fit: FitResiduals, code: str, kind: str, draws: Sequence[PerLayer]) -> list[SteeringVectors]:
    """A control's draws in a language as vectors that can steer: `random-0:el`, `random-1:el`, ..."""
    origin, norms = {"processing": study.loaded.processing}, residual_norms(fit, code)
    return [SteeringVectors(f"{kind}-{n}:{code}", drawn, origin, norms) for n, drawn in enumerate(draws)]


def control_seed(study: Study, code: str, layer: int, method: str) -> int:
    """The seed of a control's draws: fixed by the settings' seed, and different for each use."""
    return draw_by_hash(2**31, "control", str(study.config.seed), code, str(layer), method)
