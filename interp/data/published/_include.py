"""INCLUDE (Romanou et al. 2024, arXiv 2411.19799): questions of local exams in 44 languages, each in one of them.

There is no English and no answer of another country: localization is whether the country's own answer is chosen, and
there is no US bias. A language with rows of several countries has no culture of its own before one is named. Questions
that the source marks as region agnostic are left out. Those that stay may name their region: the source has it in
`regional_feature` (culture, region explicit, region implicit), and an item's topic ends with it. Splits keep a
language's subjects whole.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from interp.data import CulturalItem, CulturalSet, Entry, LeftOut, assign_splits, language, wanted
from interp.data.files import Part, Reader, Record
from interp.data.published._choices import NUMBERS, Choice, Columns, local_item, unusable
from interp.data.published._collected import Collected, cultural_set
from interp.data.published._countries import country_code
from interp.data.published._described import described

CONFIGS: Mapping[str, str] = {
    "sq": "Albanian", "ar": "Arabic", "hy": "Armenian", "az": "Azerbaijani", "eu": "Basque", "be": "Belarusian",
    "bn": "Bengali", "bg": "Bulgarian", "zh": "Chinese", "hr": "Croatian", "nl": "Dutch", "et": "Estonian",
    "fi": "Finnish", "fr": "French", "ka": "Georgian", "de": "German", "el": "Greek", "he": "Hebrew", "hi": "Hindi",
    "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese", "kk": "Kazakh", "ko": "Korean",
    "lt": "Lithuanian", "ms": "Malay", "ml": "Malayalam", "ne": "Nepali", "mk": "North Macedonian", "fa": "Persian",
    "pl": "Polish", "pt": "Portuguese", "ru": "Russian", "sr": "Serbian", "es": "Spanish", "fil": "Tagalog",
    "ta": "Tamil", "te": "Telugu", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "uz": "Uzbek",
    "vi": "Vietnamese",
}  # fmt: skip
"""Configurations on the Hub, and folders of the published files."""

SPLITS = ("test", "validation")
AGNOSTIC = ("agnostic", "neutral")
LIST = Columns(("choices",), "answer", NUMBERS)
FOUR = Columns(("option_a", "option_b", "option_c", "option_d"), "answer", NUMBERS)
"""The two layouts of the rows."""


def part(code: str, split: str) -> Part:
    """The table of a language's split."""
    name = CONFIGS[code]
    paths = [f"{name}/{split}-*.parquet", *(f"{name}/{split}.{kind}" for kind in ("parquet", "jsonl", "csv"))]
    return Part(tuple(paths), name, split)


def load(reader: Reader, languages: tuple[str, ...]) -> CulturalSet:
    """The questions of those of `languages` that the reader has; raises DataError, with the row, for a broken table."""
    loaded = wanted(tuple(CONFIGS), languages, lambda code: reader.has(part(code, SPLITS[0])))
    collected = Collected[CulturalItem]()
    own: dict[str, str] = {}
    for code in loaded:
        asked = Collected[CulturalItem](left_out=collected.left_out)
        for split in (split for split in SPLITS if reader.has(part(code, split))):
            for number, record in enumerate(reader.records(part(code, split))):
                asked.add(_item(f"{code}/{split}/{number}", code, record))
        splits = assign_splits((item.cluster for item in asked.items), "include")
        collected.items += [replace(item, split=splits[item.cluster]) for item in asked.items]
        countries = {culture for item in asked.items for culture in item.answers}
        if len(countries) == 1:
            own[code] = countries.pop()
    return cultural_set(ENTRY.name, loaded, collected, own)


def _item(key: str, code: str, record: Record) -> CulturalItem | LeftOut:
    """A row's item, its split still to be assigned."""
    feature = record.maybe("regional_feature").casefold()
    options, right = (LIST if "choices" in record.values else FOUR).options_and_answer(record)
    question, country = record.maybe("question"), record.maybe("country")
    culture = country_code(country)
    if any(word in feature for word in AGNOSTIC):
        return LeftOut(key, record.where, "region agnostic")
    if reason := unusable(question, options):
        return LeftOut(key, record.where, reason)
    if culture is None:
        return LeftOut(key, record.where, f"country {country!r} is unknown")
    if _other_script(question, code):
        return LeftOut(key, record.where, "written in a different script from the language's prompts")
    subject = "/".join(word for word in (record.maybe("domain"), record.maybe("subject")) if word)
    row = Choice(f"{subject}/{feature}", question, options, right, record.where)
    return local_item(key, row, language=code, culture=culture, cluster=f"{code}/{subject}")


def _other_script(text: str, code: str) -> bool:
    """Whether a text is in Latin letters where the language's prompts are in Cyrillic ones, or the reverse."""
    scripts = {_script(language(code).answer), _script(text)}
    return scripts == {"LATIN", "CYRILLIC"}


def _script(text: str) -> str:
    counts = Counter(unicodedata.name(letter, " ").split(" ")[0] for letter in text if letter.isalpha())
    return counts.most_common(1)[0][0] if counts else ""


ENTRY: Entry[CulturalSet] = described("include", "cultural", load, CONFIGS)
