"""MultiLoKo (Hupkes and Bogoychev 2025, arXiv 2504.10356): local questions of 31 languages, with short answers.

A question is asked in its own language and in its English translation; English's own questions, and the translations of
those, are not read. The source has no options: they are answers to other questions of the same language and output
type, drawn by hash. It names no country either: `OWN_CULTURE` has those languages of which no one would doubt it, the
others wait for `--cultures`, with the country of `SHARED`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from interp.data import Accepted, CulturalItem, CulturalSet, Entry, LeftOut, Text, assign_splits, shuffled, wanted
from interp.data.files import Part, Reader, Record, folded
from interp.data.published._collected import Collected, cultural_set
from interp.data.published._described import described
from interp.errors import DataError

FOLDERS: Mapping[str, str] = {
    "ar": "arabic", "bn": "bengali", "cs": "czech", "nl": "dutch", "fa": "farsi", "fr": "french", "de": "german",
    "he": "hebrew", "hi": "hindi", "id": "indonesian", "it": "italian", "ja": "japanese", "km": "khmer",
    "ko": "korean", "ms": "malay", "mr": "marathi", "pl": "polish", "pt": "portuguese", "ro": "romanian",
    "ru": "russian", "zh": "simplified_mandarin", "es": "spanish", "sv": "swedish", "fil": "tagalog", "th": "thai",
    "tr": "turkish", "ur": "urdu", "vi": "vietnamese",
}  # fmt: skip
"""Folders of the source, and configurations on the Hub. Cantonese and traditional Mandarin have no prompts here."""

OWN_CULTURE: Mapping[str, str] = {
    "cs": "CZ", "fa": "IR", "he": "IL", "hi": "IN", "id": "ID", "it": "IT", "ja": "JP", "km": "KH", "ko": "KR",
    "mr": "IN", "ms": "MY", "pl": "PL", "ro": "RO", "ru": "RU", "sv": "SE", "fil": "PH", "th": "TH", "tr": "TR",
    "ur": "PK", "vi": "VN", "zh": "CN",
}  # fmt: skip
SHARED: Mapping[str, str] = {"ar": "EG", "bn": "BD", "de": "DE", "es": "ES", "fr": "FR", "nl": "NL", "pt": "BR"}
"""The likely country, by CLDR, of languages that several countries share: a label, until someone who knows says so."""

ENGLISH = "en"
OPTIONS = 4
DRAWN = 12
"""Most other answers that an item's options are chosen from."""


def part(code: str) -> Part:
    """The table of a language's own questions."""
    return Part((f"{FOLDERS[code]}/dev.jsonl",), FOLDERS[code], "dev")


def translated(code: str) -> Part:
    """The table of a language's questions in English, translated by people."""
    return Part((f"{FOLDERS[code]}/dev_translated_human_english.jsonl",), FOLDERS[code], "dev_translated_human")


def load(reader: Reader, languages: tuple[str, ...]) -> CulturalSet:
    """The questions of those of `languages` that the reader has; raises DataError, with the row, for a broken table."""
    loaded = wanted(tuple(FOLDERS), languages, lambda code: reader.has(part(code)))
    collected = Collected[CulturalItem]()
    for code in loaded:
        records = reader.records(part(code))
        splits = assign_splits((_page(code, record) for record in records), "multiloko")
        english = _english(records, _translations(reader, code, collected.left_out))
        usable = {n: r for n, r in enumerate(records) if r.maybe("question") and _targets(r)}
        for number, record in enumerate(records):
            others = _others(code, number, usable) if number in usable else []
            if len(others) >= OPTIONS - 1:
                item = _item(code, number, usable, others, english)
                collected.add(replace(item, split=splits[item.cluster]))
                continue
            kind = record.maybe("output_type")
            reason = f"fewer than {OPTIONS - 1} other answers of output type {kind!r}"
            reason = reason if number in usable else "the question or its answers are empty"
            collected.add(LeftOut(f"{code}/{number}", record.where, reason))
    spoken = (ENGLISH, *loaded) if any(ENGLISH in item.questions for item in collected.items) else loaded
    own_culture = {code: OWN_CULTURE[code] for code in loaded if code in OWN_CULTURE}
    return cultural_set(ENTRY.name, spoken, collected, own_culture)


def _page(code: str, record: Record) -> str:
    """The page that a question is about: questions on one page share a split."""
    return f"{code}/{record.text('id')}"


def _targets(record: Record) -> list[str]:
    return [text for text in record.listed("targets") if text]


def _others(code: str, number: int, usable: Mapping[int, Record]) -> list[int]:
    """Questions of the same output type that share no answer with this one or each other, drawn by hash."""
    own = usable[number]
    taken = {folded(text, code) for text in _targets(own)}
    others = []
    for key in map(int, shuffled(map(str, usable), "option", code, str(number))):
        texts = {folded(text, code) for text in _targets(usable[key])}
        if usable[key].maybe("output_type") == own.maybe("output_type") and not taken & texts:
            others.append(key)
            taken |= texts
    return others[:DRAWN]


def _translations(reader: Reader, code: str, left_out: list[LeftOut]) -> list[Record]:
    """The rows in English; none, with the reason in `left_out`, where they can't be had: English is not scored."""
    reason = "there are no English translations"
    if reader.has(translated(code)):
        try:
            return reader.records(translated(code))
        except DataError as error:
            reason = str(error)
    left_out.append(LeftOut(code, ENGLISH, reason))
    return []


def _english(records: Sequence[Record], english: Sequence[Record]) -> dict[int, Record]:
    """English translations by the question's number: row by row where the pages agree, else by the page."""
    pages = [record.text("id") for record in records]
    theirs = [record.text("id") for record in english]
    if pages == theirs:
        return dict(enumerate(english))
    once = {page: record for page, record in zip(theirs, english, strict=True) if theirs.count(page) == 1}
    return {n: once[page] for n, page in enumerate(pages) if page in once and pages.count(page) == 1}


def _item(
    code: str, number: int, usable: Mapping[int, Record], others: Sequence[int], english: Mapping[int, Record]
) -> CulturalItem:
    """A question's item, its split still to be assigned."""
    key, record, translation = f"{code}/{number}", usable[number], english.get(number)
    culture = OWN_CULTURE.get(code) or SHARED[code]
    names: dict[str, Text] = {}
    for n in (number, *others):
        rows = {code: usable[n]} | ({ENGLISH: english[n]} if n in english else {})
        names[f"{code}/{n}"] = {language: texts[0] for language, row in rows.items() if (texts := _targets(row))}
    questions = {code: record.text("question")}
    texts = _targets(record)
    if translation is not None and translation.maybe("question"):
        questions[ENGLISH] = translation.text("question")
        texts += [text for text in _targets(translation) if text not in texts]
    return CulturalItem(
        key=key,
        topic=f"{code}/{record.maybe('output_type')}",
        cluster=_page(code, record),
        split="fit",
        questions=questions,
        answers={culture: (key,)},
        pool=tuple(names),
        names=names,
        accepted={culture: (Accepted(tuple(texts)),)},
    )


CULTURES = tuple(dict.fromkeys((*OWN_CULTURE.values(), *SHARED.values())))
ENTRY: Entry[CulturalSet] = described("multiloko", "cultural", load, (ENGLISH, *FOLDERS), CULTURES)
