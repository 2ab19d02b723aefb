"""The target language's vector and its control, on planted residuals: paired by item where languages lack some."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from interp.data import CulturalItem
from interp.errors import Notice
from interp.model import LoadedModel
from interp.study.ask import Inputs, Study, check_items, open_study, resolve_data
from interp.study.config import RunConfig
from interp.study.fit import FitResiduals, Vectors, localization_methods, study_vectors

LANGUAGES = ("es", "ko")
WIDTH = 6
SHIFT = {"en": 0.0, "es": 2.0, "ko": -3.0, "zh": 7.0, "id": 11.0, "el": 13.0, "fa": 17.0}
"""What a language adds to every cultural prompt, on the third axis."""


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return resolve_data(RunConfig(languages=LANGUAGES))


def study_of(inputs: Inputs, organism: LoadedModel, lacking: dict[str, int]) -> Study:
    """A study in which a language is not asked every `lacking[language]`-th cultural question."""

    def asked(number: int, item: CulturalItem) -> CulturalItem:
        kept = {
            code: text for code, text in item.questions.items() if code not in lacking or number % lacking[code] != 0
        }
        return replace(item, questions=kept)

    items = tuple(asked(number, item) for number, item in enumerate(inputs.cultural.items))
    less = replace(inputs, cultural=replace(inputs.cultural, items=items))
    return open_study(RunConfig(languages=LANGUAGES), organism, less)


def planted(study: Study) -> FitResiduals:
    """Residuals of a cultural prompt: its item's number, the number's square, and its language's shift."""
    n_layers = study.n_layers

    def cultural(code: str, cue: float = 0.0) -> torch.Tensor:
        stack = torch.zeros(n_layers + 1, len(study.cultural_items(code, "fit")), WIDTH)
        for place, (number, _) in enumerate(study.cultural_items(code, "fit")):
            stack[:, place, 0] = number
            stack[:, place, 1] = number**2
        stack[:, :, 2] = SHIFT[code] * torch.arange(n_layers + 1)[:, None]
        stack[:, :, 3] = cue
        return stack

    def universal(code: str) -> torch.Tensor:
        stack = torch.ones(n_layers + 1, len(study.universal_items("fit")), WIDTH)
        stack[:, :, 4] = SHIFT[code]
        return stack

    def by_language(cue: float) -> dict[str, torch.Tensor]:
        return {code: cultural(code, cue) for code in study.languages}

    sentences = {code: torch.full((n_layers + 1, 5, WIDTH), SHIFT[code]) for code in ("en", *study.languages)}
    return FitResiduals(
        universal={code: universal(code) for code in study.universal.languages},
        implicit={code: cultural(code) for code in study.cultural.languages},
        nonfactual=sentences if study.nonfactual else {},
        explicit=by_language(1.0), wrong=by_language(2.0), placebo=by_language(3.0),
    )  # fmt: skip


def only_language(vectors: Vectors, method: str, code: str) -> torch.Tensor:
    """What a vector has on the axis of languages; nothing may be left on that of items."""
    found = vectors[method][code].vectors
    assert torch.equal(found[:, :2], torch.zeros_like(found[:, :2]))
    return found[:, 2]


@pytest.mark.parametrize("lacking", [{}, {"es": 3}, {"en": 4}, {"es": 3, "ko": 5, "en": 4}])
def test_loc_language_is_the_mean_over_items_asked_in_both(
    inputs: Inputs, organism: LoadedModel, lacking: dict[str, int]
) -> None:
    study = study_of(inputs, organism, lacking)
    vectors = study_vectors(study, planted(study))
    layers = torch.arange(1, study.n_layers + 1).float()
    for code in LANGUAGES:
        third = study.third_language(code)
        assert third is not None
        assert torch.allclose(only_language(vectors, "loc_language", code), SHIFT[code] * layers)
        assert torch.allclose(only_language(vectors, "wrong_language", code), SHIFT[third] * layers)
        for method, language in (("loc_language", code), ("wrong_language", third)):
            both = [
                item for item in study.cultural.items if item.split == "fit" and {language, "en"} <= set(item.questions)
            ]
            assert vectors[method][code].provenance["n"] == len(both)
        assert vectors["wrong_language"][code].provenance["other_language"] == third
        assert vectors["loc_language"][code].provenance["language"] == code
        assert "other_language" not in vectors["loc_language"][code].provenance


def test_places_name_the_same_items_in_the_same_order(inputs: Inputs, organism: LoadedModel) -> None:
    study = study_of(inputs, organism, {"ko": 3, "en": 4})
    own, english = study.shared_places("ko", "fit")
    numbers = {code: [number for number, _ in study.cultural_items(code, "fit")] for code in ("ko", "en")}
    assert [numbers["ko"][place] for place in own] == [numbers["en"][place] for place in english]
    assert set(numbers["ko"]) & set(numbers["en"]) == {numbers["ko"][place] for place in own}
    assert own != english


def test_provenance_counts_the_prompts_that_a_vector_is_the_mean_over(inputs: Inputs, organism: LoadedModel) -> None:
    study = study_of(inputs, organism, {"es": 3})
    fit = planted(study)
    counts = {method: by["es"].provenance["n"] for method, by in study_vectors(study, fit).items()}
    assert counts["en"] == counts["third_language"] == fit.universal["es"].shape[1]
    assert counts["loc"] == counts["placebo_cue"] == counts["loc_contrast"] == fit.implicit["es"].shape[1]
    assert counts["nonfactual_en"] == 5


def test_without_shared_questions_the_readings_are_left_out_with_a_notice(
    inputs: Inputs, organism: LoadedModel
) -> None:
    study = study_of(inputs, organism, {"en": 1})
    assert not {"loc_language", "wrong_language"} & set(localization_methods(study))
    told = "loc_language is left out: no cultural question in the fit split is asked both in English and in es, ko"
    with pytest.warns(Notice, match=told):
        check_items(study, replace(inputs, cultural=study.cultural))


def test_without_a_third_language_the_control_is_left_out_with_a_notice(inputs: Inputs, organism: LoadedModel) -> None:
    study = study_of(inputs, organism, {})
    thirds = {code: study.third_language(code) for code in LANGUAGES}
    lacking = next(third for third in thirds.values() if third not in LANGUAGES)
    assert lacking is not None
    study = study_of(inputs, organism, {lacking: 1})
    methods = localization_methods(study)
    assert "loc_language" in methods
    assert "wrong_language" not in methods
    assert set(study_vectors(study, planted(study))) & {"loc_language", "wrong_language"} == {"loc_language"}
    told = "the wrong-language control is left out: no third language shares cultural questions with English"
    with pytest.warns(Notice, match=told):
        check_items(study, replace(inputs, cultural=study.cultural))
