"""Cues that name a culture, and placebos that name none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from interp.data import cues, languages, placebos
from interp.data._cues import cue, place_name
from interp.errors import DataError

BLEND = {
    "DZ": "ar", "IN-AS": "as", "AZ": "az", "CN": "zh", "ET": "am", "GR": "el", "ID": "id", "IR": "fa", "MX": "es", "KP": "ko",
    "NG": "ha", "KR": "ko", "ES": "es", "GB": "en", "US": "en", "ID-JB": "su",
}  # fmt: skip
CLDR_LANGUAGES = ("en", "es", "zh", "ko", "id", "el", "fa", "ar", "az", "am", "ha", "tr", "ru", "fr", "bn")


@pytest.mark.parametrize(
    ("culture", "code", "sentence"),
    [
        ("DZ", "ar", "بلدي: الجزائر."),
        ("IN-AS", "as", "মোৰ দেশ: অসম, ভাৰত।"),
        ("AZ", "az", "Mənim ölkəm: Azərbaycan."),
        ("CN", "zh", "我的国家：中国。"),
        ("ET", "am", "ሀገሬ፦ ኢትዮጵያ።"),
        ("GR", "el", "Η χώρα μου: Ελλάδα."),
        ("ID", "id", "Negara saya: Indonesia."),
        ("IR", "fa", "کشور من: ایران."),
        ("MX", "es", "Mi país: México."),
        ("KP", "ko", "나의 나라: 북한."),
        ("NG", "ha", "Ƙasata: Nijeriya."),
        ("KR", "ko", "나의 나라: 대한민국."),
        ("ES", "es", "Mi país: España."),
        ("GB", "en", "My country: United Kingdom."),
        ("US", "en", "My country: United States."),
        ("ID-JB", "su", "Nagara kuring: Jawa Kulon, Indonesia."),
        ("GR", "en", "My country: Greece."),
        ("GR", "fr", "Mon pays : Grèce."),
        ("GR", "th", "ประเทศของฉัน: กรีซ"),
        ("GR", "hy", "Իմ երկիրը՝ Հունաստան։"),
    ],
)
def test_known_cues(culture: str, code: str, sentence: str) -> None:
    assert cue(culture, code) == sentence


def test_cues_of_blend_are_distinct_in_its_languages_and_in_those_of_its_neighbours() -> None:
    codes = [*dict.fromkeys([*CLDR_LANGUAGES, *BLEND.values()])]
    made = cues(BLEND, codes)
    assert list(made) == list(BLEND)
    for code in codes:
        assert len({made[culture][code] for culture in BLEND}) == len(BLEND), code
        assert made["ID-JB"][code] == cue("ID-JB", code)


@pytest.mark.parametrize("code", [code for code in languages() if code != "ny"])
def test_blends_countries_have_distinct_names_in_every_language(code: str) -> None:
    countries = [culture for culture in BLEND if "-" not in culture]
    assert len({place_name(culture, code) for culture in countries}) == len(countries)


@pytest.mark.parametrize("code", [*dict.fromkeys([*CLDR_LANGUAGES, *BLEND.values()])])
def test_a_region_is_named_with_its_country(code: str) -> None:
    for region in ("IN-AS", "ID-JB"):
        assert place_name(region[:2], code) in place_name(region, code)
        assert place_name(region, code) != place_name(region[:2], code)


def test_koreas_are_not_swapped_in_yoruba() -> None:
    assert place_name("KP", "yo").startswith("Àríwá")  # north
    assert place_name("KR", "yo").startswith("Gúúsù")  # south


@pytest.mark.parametrize("culture", ["XX", "EU", "ZZ", "gr", "GRC", "", "IN-XX", "Greece"])
def test_unknown_cultures_are_refused(culture: str) -> None:
    with pytest.raises(DataError, match=f"culture '{culture}' is unknown; allowed: .*IN-AS, ID-JB"):
        cue(culture, "en")


@pytest.mark.parametrize(("culture", "code"), [("GR", "ny"), ("JO", "su"), ("RS", "mg"), ("IN-AS", "vi")])
def test_missing_names_are_named(culture: str, code: str) -> None:
    with pytest.raises(
        DataError, match=f"culture '{culture}' has no name in language '{code}'.*to do: add {culture},{code}"
    ):
        cue(culture, code)


def test_unknown_languages_are_refused() -> None:
    with pytest.raises(DataError, match="language 'xx' is unknown"):
        cue("GR", "xx")
    with pytest.raises(DataError, match="language 'xx' is unknown"):
        placebos(["en", "xx"])


def test_placebos_are_by_sentence_then_language() -> None:
    made = placebos(["en", "zh"])
    assert [dict(sentence) for sentence in made] == [
        {"en": "My gift: a new book.", "zh": "我的礼物：一本新书。"},
        {"en": "My drawing: a big tree.", "zh": "我的画：一棵大树。"},
        {"en": "My work: a short letter.", "zh": "我的工作：一封简短的信。"},
    ]


@pytest.mark.parametrize("code", CLDR_LANGUAGES)
def test_names_are_cldrs(shared_data: Path, code: str) -> None:
    file = shared_data / "cldr47" / "main" / code / "territories.json"
    published = json.loads(file.read_text(encoding="utf-8"))
    names = published["main"][code]["localeDisplayNames"]["territories"]
    for culture in BLEND:
        if "-" not in culture:
            assert place_name(culture, code) == names[culture]
