"""The table of languages, and the codes that datasets use."""

from __future__ import annotations

import csv
import unicodedata
from importlib.resources import files
from pathlib import Path

import pytest
from babel.core import get_global

from interp.data import continuation, language, languages, normalise_code, question_text
from interp.data._languages import PLACEBOS, Language
from interp.errors import DataError

CODES = """
am ar as az be bg bn ca cs da de el en es et eu fa fi fil fr gl ha he hi hr hu hy id ig is it ja ka kk km kn ko ky lt lv mg mk
ml mr ms my ne nl no ny pa pl pt ro ru si sk sl sn so sq sr su sv sw ta te th tl tr uk ur uz vi yo zh
"""
SCRIPTS = {
    "Arab": "ARABIC", "Armn": "ARMENIAN", "Beng": "BENGALI", "Cyrl": "CYRILLIC", "Deva": "DEVANAGARI", "Ethi": "ETHIOPIC",
    "Geor": "GEORGIAN", "Grek": "GREEK", "Guru": "GURMUKHI", "Hans": "CJK", "Hebr": "HEBREW", "Jpan": "CJK HIRAGANA",
    "Khmr": "KHMER", "Knda": "KANNADA", "Kore": "HANGUL", "Latn": "LATIN", "Mlym": "MALAYALAM", "Mymr": "MYANMAR",
    "Sinh": "SINHALA", "Taml": "TAMIL", "Telu": "TELUGU", "Thai": "THAI",
}  # fmt: skip


def cells() -> list[dict[str, str]]:
    with (files("interp.data") / "languages.csv").open("r", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def script(code: str) -> list[str]:
    """How the names of the script's letters begin."""
    return SCRIPTS[get_global("likely_subtags")[code].split("_")[1]].split()


def letters_of(text: str) -> list[str]:
    return [unicodedata.name(c).split()[0] for c in text.replace("{country}", "") if unicodedata.category(c)[0] == "L"]


def test_every_language_is_there_once() -> None:
    assert sorted(row["language"] for row in cells()) == sorted(CODES.split())
    assert list(languages()) == [row["language"] for row in cells()]


@pytest.mark.parametrize("row", cells(), ids=lambda row: row["language"])
def test_cells_are_clean(row: dict[str, str]) -> None:
    for text in row.values():
        assert text == unicodedata.normalize("NFC", text).strip()
        assert text
        joiners = {"\u200d"} if row["language"] == "si" else set()
        assert not {c for c in text if unicodedata.category(c)[0] == "C"} - joiners
        assert "  " not in text
    assert row["separator"] in ("space", "none")
    assert row["reviewed"] in ("yes", "no")


@pytest.mark.parametrize("row", languages().values(), ids=lambda row: row.code)
def test_a_row_hangs_together(row: Language) -> None:
    assert len(row.letters) >= 4
    assert len(set(row.letters)) == len(row.letters)
    assert all(row.letters)
    assert row.cue.count("{country}") == 1
    assert row.cue.format(country="X").count("X") == 1
    assert len({row.cue, *row.placebos}) == 4
    colon = row.answer[-2:] if row.answer[-2].isspace() else row.answer[-1]
    end = row.cue[-1] if row.cue[-1] != "}" else ""
    before = row.cue.split("{country}")[0].rstrip()
    assert before.endswith(colon)
    assert row.question.endswith(colon)
    for sentence in row.placebos:
        assert sentence.count(colon) == 1
        assert sentence.endswith(end)
        assert (colon + " " in sentence) == (row.separator == " ")


@pytest.mark.parametrize("row", languages().values(), ids=lambda row: row.code)
def test_a_row_is_in_its_languages_script(row: Language) -> None:
    own = set(script(row.code))
    for text in (row.answer, row.question, row.cue, *row.placebos):
        assert set(letters_of(text)) <= own, text
    found = {name for letter in row.letters for name in letters_of(letter)}
    assert found in ({"LATIN"}, *({name} for name in own))


def test_only_chinese_and_japanese_have_no_separator() -> None:
    assert {code for code, row in languages().items() if not row.separator} == {"ja", "zh"}


def test_tagalog_makes_filipinos_prompts() -> None:
    one, other = language("tl"), language("fil")
    assert (one.answer, one.question, one.letters, one.cue, one.placebos) == (
        other.answer, other.question, other.letters, other.cue, other.placebos,
    )  # fmt: skip


def test_placebos_are_parallel_to_english() -> None:
    assert language("en").placebos == ("My gift: a new book.", "My drawing: a big tree.", "My work: a short letter.")
    assert all(len(row.placebos) == len(PLACEBOS) == 3 for row in languages().values())


@pytest.mark.parametrize(
    ("code", "prompt", "option"),
    [
        ("en", "C. Q? Answer:", " x"),
        ("es", "C. Q? Respuesta:", " x"),
        ("zh", "C.Q?答案：", "x"),
        ("ko", "C. Q? 답변:", " x"),
        ("id", "C. Q? Jawaban:", " x"),
        ("el", "C. Q? Απάντηση:", " x"),
        ("fa", "C. Q? پاسخ:", " x"),
    ],
)
def test_prompts_of_the_first_seven_languages_stay(code: str, prompt: str, option: str) -> None:
    assert question_text("Q?", code, "C.") == prompt
    assert question_text("Q?", code) == prompt.removeprefix("C.").removeprefix(" ")
    assert continuation("x", code) == option


def test_letters_are_what_exams_use() -> None:
    assert language("en").letters == tuple("ABCDE")
    assert language("el").letters == tuple("ΑΒΓΔΕ")
    assert language("ru").letters == tuple("АБВГД")
    assert language("ar").letters == ("أ", "ب", "ج", "د", "هـ")
    assert language("fa").letters == ("الف", "ب", "ج", "د", "ه")
    assert language("hi").letters == tuple("कखगघङ")
    assert language("zh").letters == tuple("ABCDE")


SPELLINGS = {
    "zh": "zh zh_cn zh-CN zho_Hans zho-CN ZH_CN cmn chi Chinese Simplified_Mandarin",
    "ko": "ko kor kor_Hang KO_KR Korean",
    "fa": "fa pes_Arab fas per Persian Farsi",
    "el": "el ell_Grek gre",
    "es": "es spa_Latn spa ES_LA es-MX es_419 spa-MX",
    "az": "azj_Latn aze-Latn aze",
    "ar": "arb_Arab arb ara AR_XY",
    "id": "ind in",
    "am": "amh",
    "ha": "hau",
    "no": "no nb nob nob_Latn nor",
    "fil": "fil tl tgl tgl_Latn Tagalog Filipino",
    "bn": "ben_Beng Bengali Bangla bn-BD",
    "he": "heb iw",
    "ms": "zsm_Latn msa may",
    "sw": "swh_Latn swa SW_KE",
    "sq": "als_Latn sqi",
    "lv": "lvs_Latn",
    "mg": "plt_Latn mlg",
    "ne": "npi_Deva",
    "uz": "uzn_Latn",
    "sr": "srp_Cyrl sr",
    "mk": "mkd North-Macedonian",
    "pt": "PT_BR por",
    "en": " en eng-GB English",
}


@pytest.mark.parametrize(
    ("code", "text"), [(code, text) for code, texts in SPELLINGS.items() for text in texts.split()]
)
def test_published_spellings(code: str, text: str) -> None:
    assert normalise_code(text) == code


def test_our_own_codes_and_names_stay() -> None:
    for code, row in languages().items():
        assert normalise_code(code) == normalise_code(code.upper()) == normalise_code(row.name)
        assert normalise_code(code) == {"tl": "fil"}.get(code, code)
    assert normalise_code(" Chinese (Simplified) ") == "zh"


@pytest.mark.parametrize(
    "text", ["", " ", "xx", "acm_Arab", "prs_Arab", "nno_Latn", "yue_Hant", "zh_cnx", "Klingon", "en_", "a b"]
)
def test_unknown_languages_are_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"language .* is unknown; allowed: .*; to do: "):
        normalise_code(text)


@pytest.mark.parametrize(
    "text", ["zho_Hant", "zh_TW", "zh-hk", "zho-TW", "srp_Latn", "sh", "arb_Latn", "az_IR", "pa_PK", "hin_Latn"]
)
def test_another_script_is_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"is written in \w{4}; allowed: .. in \w{4}"):
        normalise_code(text)


def test_unknown_code_of_a_prompt_is_refused() -> None:
    with pytest.raises(DataError, match="language 'xx' is unknown; allowed: am, ar, "):
        language("xx")


def test_codes_and_names_of_ntrex_agree(shared_data: Path) -> None:
    found = {}
    for line in (shared_data / "ntrex128" / "LANGUAGES.tsv").read_text(encoding="utf-8").split("\n"):
        code, _, name = line.strip().partition(" " if "\t" not in line else "\t")
        try:
            found[code] = normalise_code(code)
        except DataError:
            continue
        if "(" not in name and name:
            assert normalise_code(name.strip()) == found[code], line
    assert set(found.values()) == set(CODES.split()) - {"as", "su", "tl"}
