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

from interp.data import (
    CulturalItem,
    CulturalSet,
    Entry,
    LeftOut,
    assign_splits,
    cues,
    language,
    placebos,
    shuffled,
    wanted,
)
from interp.data.files import Origin, Part, Reader, Record
from interp.data.published._countries import country_code
from interp.errors import DataError

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
OPTIONS = 4
_SCRIPTS = ("LATIN", "CYRILLIC")


def part(code: str, split: str) -> Part:
    """The table of a language's split."""
    name = CONFIGS[code]
    paths = [f"{name}/{split}-*.parquet", *(f"{name}/{split}.{kind}" for kind in ("parquet", "jsonl", "csv"))]
    return Part(tuple(paths), name, split)


def load(reader: Reader, languages: tuple[str, ...]) -> CulturalSet:
    """The questions of those of `languages` that are there; raises DataError, with the row, for a broken table."""
    loaded = wanted(tuple(CONFIGS), languages, lambda code: reader.has(part(code, SPLITS[0])))
    items: list[CulturalItem] = []
    left_out: list[LeftOut] = []
    own: dict[str, str] = {}
    for code in loaded:
        found: list[CulturalItem] = []
        for split in (split for split in SPLITS if reader.has(part(code, split))):
            for number, record in enumerate(reader.records(part(code, split))):
                item = _item(f"{code}/{split}/{number}", code, record)
                if isinstance(item, LeftOut):
                    left_out.append(item)
                else:
                    found.append(item)
        splits = assign_splits((item.cluster for item in found), "include")
        items += [replace(item, split=splits[item.cluster]) for item in found]
        countries = {culture for item in found for culture in item.answers}
        if len(countries) == 1:
            own[code] = countries.pop()
    cultures = tuple(dict.fromkeys(culture for item in items for culture in item.answers))
    return CulturalSet(
        name=ENTRY.name,
        languages=loaded,
        cultures=cultures,
        own_culture=own,
        items=tuple(items),
        cues=cues(cultures, loaded),
        placebos=placebos(loaded),
        option_count=OPTIONS,
        left_out=tuple(left_out),
    )


def _item(key: str, code: str, record: Record) -> CulturalItem | LeftOut:
    """A row's item, its split still to be assigned."""
    feature = record.maybe("regional_feature").casefold()
    texts, right = _options(record), _right(record)
    question, country = record.maybe("question"), record.maybe("country")
    culture = country_code(country)
    reason = ""
    if any(word in feature for word in AGNOSTIC):
        reason = "region agnostic"
    elif not question or not all(texts):
        reason = "the question or an option is empty"
    elif len(set(texts)) < len(texts):
        reason = "two options are the same"
    elif culture is None:
        reason = f"country {country!r} is unknown"
    elif _other_script(question, code):
        reason = "written in another script than the language's prompts"
    if reason or culture is None:
        return LeftOut(key, record.where, reason)
    keys = tuple(str(place) for place in range(len(texts)))
    subject = "/".join(word for word in (record.maybe("domain"), record.maybe("subject")) if word)
    return CulturalItem(
        key=key,
        topic=f"{subject}/{feature}",
        cluster=f"{code}/{subject}",
        split="fit",
        questions={code: question},
        answers={culture: (keys[right],)},
        pool=keys,
        names={name: {code: text} for name, text in zip(keys, texts, strict=True)},
        given={culture: tuple(shuffled(keys, "position", key))},
    )


def _options(record: Record) -> list[str]:
    """The four options, from four columns or one list."""
    if "choices" not in record.values:
        return [record.maybe(f"option_{letter}") for letter in "abcd"]
    texts = record.listed("choices")
    if len(texts) != OPTIONS:
        raise DataError(
            f"{record.where}: {len(texts)} choices", allowed=str(OPTIONS), remedy="use the file as published"
        )
    return texts


def _right(record: Record) -> int:
    """The right option's place, counted from 0."""
    text = record.text("answer")
    if text not in map(str, range(OPTIONS)):
        raise DataError(f"{record.where}: answer {text!r}", allowed="0, 1, 2, 3", remedy="use the file as published")
    return int(text)


def _other_script(text: str, code: str) -> bool:
    """Whether a text is in Latin letters where the language's prompts are in Cyrillic ones, or the reverse."""
    expected, found = (_script(words) for words in (language(code).answer, text))
    return expected in _SCRIPTS and found in _SCRIPTS and expected != found


def _script(text: str) -> str:
    counts = Counter(unicodedata.name(letter, " ").split(" ")[0] for letter in text if letter.isalpha())
    return counts.most_common(1)[0][0] if counts else ""


ENTRY: Entry[CulturalSet] = Entry(
    name="include",
    axis="cultural",
    title="INCLUDE: exam questions of 44 languages, each in its own",
    citation="Romanou et al. 2024, INCLUDE, arXiv:2411.19799",
    licence="Apache-2.0",
    languages=tuple(CONFIGS),
    size="22,637 questions",
    load=load,
    origin=Origin("hub", "CohereLabs/include-base-44", folders=("include", "include-base-44")),
)
