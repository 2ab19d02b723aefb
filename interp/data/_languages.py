"""What a prompt needs to know of a language: one row per language in `languages.csv`.

To add a language, add a row: `language` (ISO 639-1 code, or 639-3 where there is none), `name` (in English), `answer`
and `question` (the words for "Answer:" and "Question:" with the language's own colon), `separator` (`space` or `none`:
what stands between cue, question, "Answer:" and the answer), `letters` (the first letters that exams label options
with, at least four, separated by spaces), `cue` ("My country: {country}.", built so that the name needs no ending),
`placebo_1` to `placebo_3` (translations of English's), `reviewed` (`no` while a speaker should still read the row).
All text is NFC. Chinese and Japanese have no separator. Thai, Khmer and Burmese write no spaces between words, but do
write one after a sentence and after a label. Tagalog and Filipino are one language: `tl` makes the prompts of `fil`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from babel import Locale
from babel.core import get_global

from interp.data.files import read_table
from interp.errors import DataError

PLACEBOS = ("placebo_1", "placebo_2", "placebo_3")
_COLUMNS = ("language", "name", "answer", "question", "separator", "letters", "cue", *PLACEBOS, "reviewed")
_SEPARATORS = {"space": " ", "none": ""}

_OTHER_CODES = {"nb": "no", "nob": "no", "tl": "fil"}
"""Codes of published data that CLDR does not map to ours."""

_SAME_SCRIPT = {"Hang": "Kore"}
"""Codes of scripts that are part of another code: Korean's is Hangul with Han characters."""

_OTHER_NAMES = {
    "chichewa": "ny",
    "chinese simplified": "zh",
    "farsi": "fa",
    "mandarin": "zh",
    "myanmar": "my",
    "north macedonian": "mk",
    "norwegian bokmål": "no",
    "panjabi": "pa",
    "simplified chinese": "zh",
    "simplified mandarin": "zh",
    "sinhalese": "si",
    "tagalog": "fil",
}
"""English names of published data that are neither in our table nor in CLDR."""


@dataclass(frozen=True)
class Language:
    """A language's code and English name, and the words, letters and sentences of its prompts.

    `cue` holds `{country}` once. `placebos` have its form and name no place. `reviewed` is false while the wording is
    not sure.
    """

    code: str
    name: str
    answer: str
    question: str
    separator: str
    letters: tuple[str, ...]
    cue: str
    placebos: tuple[str, ...]
    reviewed: bool


@lru_cache(maxsize=1)
def languages() -> dict[str, Language]:
    """All languages that prompts can be written in."""
    return {
        row["language"]: Language(
            code=row["language"],
            name=row["name"],
            answer=row["answer"],
            question=row["question"],
            separator=_SEPARATORS[row["separator"]],
            letters=tuple(row["letters"].split(" ")),
            cue=row["cue"],
            placebos=tuple(row[column] for column in PLACEBOS),
            reviewed=row["reviewed"] == "yes",
        )
        for row in read_table(Path(__file__).with_name("languages.csv"), _COLUMNS)
    }


def language(code: str) -> Language:
    """The language of a code; raises DataError if it is unknown."""
    known = languages()
    if code not in known:
        raise DataError(
            f"language {code!r} is unknown", allowed=", ".join(known), remedy="add a row to interp/data/languages.csv"
        )
    return known[code]


def normalise_code(text: str) -> str:
    """Our code of a language as datasets spell it: `zho_Hans`, `zh-CN`, `KO_KR`, `pes_Arab`, `Korean`.

    Takes ISO 639 codes of two and three letters, with a script or a region after "_" or "-", and English names, in
    any case. Regions are dropped (`es-MX` is `es`). Raises DataError for an unknown language, and for one in another
    script than our row's: prompts in simplified Chinese don't suit `zh-TW`, nor Cyrillic ones `srp_Latn`.
    """
    by_name = _codes_by_name().get(_name_key(text))
    if by_name:
        return by_name
    first, *parts = re.split(r"[_-]", text.strip())
    code, *alias_parts = _canonical(first.lower()).split("_")
    unknown = [part for part in parts if not re.fullmatch(r"[A-Za-z]{4}|[A-Za-z]{2}|\d{3}", part)]
    other_variety = any(len(part) == 2 for part in alias_parts)  # prs, Dari, is fa_AF to CLDR
    if unknown or other_variety or code not in languages():
        raise DataError(
            f"language {text!r} is unknown",
            allowed=f"ISO 639 codes or English names of {', '.join(languages())}",
            remedy="correct the code, or add a row to interp/data/languages.csv",
        )
    written = _script(code, *alias_parts, *parts)
    if written != _script(code):
        raise DataError(
            f"language {text!r} is written in {written}",
            allowed=f"{code} in {_script(code)}",
            remedy="leave it out, because prompts would mix two scripts",
        )
    return code


def _name_key(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold().replace("_", " ")))


@lru_cache(maxsize=1)
def _codes_by_name() -> dict[str, str]:
    """Codes by English name: our own, CLDR's and those of `_OTHER_NAMES`."""
    cldr = Locale("en").languages
    known = [(name, code) for code, row in languages().items() for name in (row.name, cldr.get(code, row.name))]
    return {_name_key(name): code for name, code in known} | _OTHER_NAMES


def _canonical(code: str) -> str:
    """CLDR's code of a language, such as `zh` for `cmn`; with "_" and a script or region where CLDR adds one."""
    return _OTHER_CODES.get(code) or str(get_global("language_aliases").get(code, code))


def _script(code: str, *parts: str) -> str:
    """The script named among `parts`, or the likely one of the language in the region among them."""
    for part in parts:
        if len(part) == 4:
            return _SAME_SCRIPT.get(part.title(), part.title())
    likely = get_global("likely_subtags")
    for part in parts:
        if full := likely.get(f"{code}_{part.upper()}"):
            return str(full).split("_")[1]
    return str(likely[code]).split("_")[1]
