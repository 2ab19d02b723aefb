"""localization-gap (Veselovsky et al. 2025, arXiv 2504.10191): five-way choices, with the country named or not.

A file's row is an item (`subtask` and `idx % 120`) in a language, implicit (`context` False) or with "I live in
<country>." (True), which is the language's own country. The questions come from implicit rows. The source has an
explicit sentence for a language's own country alone: those of the other countries, and the placebos, are ours
(`localization_gap.csv`), in the source's words, because a cue that differs in form can't be compared. Items that ask
the same question share a topic, and so a split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from interp.data import CulturalItem, CulturalSet, Entry, LeftOut, assign_splits, join_clusters, shuffled, wanted
from interp.data.files import Part, Reader, Record, add_once, read_table
from interp.data.published._described import described
from interp.errors import DataError

LANGUAGES: Mapping[str, str] = {"English": "en", "French": "fr", "Russian": "ru", "Turkish": "tr", "Bengali": "bn"}
CULTURES: Mapping[str, str] = {"us": "US", "bn": "BD", "fr": "FR", "ru": "RU", "tr": "TR"}
"""Cultures by the suffix of their column. The source's Bengali rows live in Bangladesh."""
OWN_CULTURE = {"fr": "FR", "ru": "RU", "tr": "TR", "bn": "BD"}
ITEMS = 120
"""Items per language and context: `idx` runs through the languages and contexts in blocks of this size."""

FILE = Part(("analysis/5choice_dataset_input_ready.csv", "5choice_dataset_input_ready.csv"))
_NAMES, _CITIES = "names/", "cities/"
"""How keys of the items of two subtasks begin."""

Rows = dict[tuple[str, str], Record]
"""Rows of one context by (item, language)."""


def load(reader: Reader, languages: tuple[str, ...]) -> CulturalSet:
    """The items in those of `languages` that the file has; raises DataError, with the row, for one not as published."""
    implicit, explicit = _by_context(reader.records(FILE))
    in_file = {code for _, code in implicit}
    asked = (*languages, "en") if languages else ()
    loaded = wanted(tuple(LANGUAGES.values()), asked, in_file.__contains__)
    questions = {place: row.text("question") for place, row in implicit.items()}
    topics = _topics(questions)
    splits = assign_splits(topics.values(), "localization-gap")
    cues = {code: _cue(code, questions, explicit) for code in loaded}
    items, left_out = [], []
    for key in topics:
        reasons = {code: _unusable((key, code), questions, implicit, explicit, cues[code]) for code in loaded}
        left_out += [LeftOut(key, code, reason) for code, reason in reasons.items() if reason]
        asked_in = [code for code, reason in reasons.items() if not reason]
        if not asked_in:
            continue
        named = [code for code in loaded if (key, code) in implicit and not _same_options(implicit[key, code])]
        names = {
            culture: {code: implicit[key, code].text(f"option_{column}") for code in named}
            for column, culture in CULTURES.items()
        }
        order = tuple(shuffled(names, "position", key))
        items.append(
            CulturalItem(
                key=key,
                topic=topics[key],
                split=splits[topics[key]],
                questions={code: questions[key, code] for code in asked_in},
                answers={culture: (culture,) for culture in names},
                pool=order,
                names=names,
                given=dict.fromkeys(names, order),
            )
        )
    ours = read_table(Path(__file__).with_name("localization_gap.csv"), ("culture", "kind"), ("culture",))
    return CulturalSet(
        name=ENTRY.name,
        languages=loaded,
        cultures=tuple(CULTURES.values()),
        own_culture={code: culture for code, culture in OWN_CULTURE.items() if code in loaded},
        items=tuple(items),
        cues={
            row["culture"]: {code: row[code] or cues[code] for code in loaded}
            for row in ours
            if row["kind"] == "culture"
        },
        placebos=tuple({code: row[code] for code in loaded} for row in ours if row["kind"] == "placebo"),
        option_count=len(CULTURES),
        left_out=tuple(left_out),
    )


def _by_context(records: list[Record]) -> tuple[Rows, Rows]:
    """Implicit and explicit rows; raises DataError for one that doesn't say what it is, or appears twice."""
    contexts: dict[str, Rows] = {"False": {}, "True": {}}
    for record in records:
        context, language, number = record.text("context"), record.text("lang"), record.text("idx")
        if context not in contexts or language not in LANGUAGES or not number.isdecimal():
            raise DataError(
                f"{record.where}: context {context!r}, lang {language!r}, idx {number!r}",
                allowed=f"False or True; {', '.join(LANGUAGES)}; a whole number",
                remedy="use the file as published",
            )
        own = [record.text(f"option_{column}") for column in CULTURES]
        if sorted(record.listed("options")) != sorted(own):
            raise DataError(
                f"{record.where}: 'options' differ from the five in the columns option_*",
                allowed=", ".join(own),
                remedy="use the file as published",
            )
        key = f"{record.text('subtask')}/{int(number) % ITEMS}"
        name = f"item {key!r} in {language} with context {context}"
        add_once(contexts[context], (key, LANGUAGES[language]), record, name)
    return contexts["False"], contexts["True"]


def _topics(questions: Mapping[tuple[str, str], str]) -> dict[str, str]:
    """Topic per item: items that ask the same question, in any language but English, are of one topic."""
    first: dict[tuple[str, str], str] = {}
    return join_clusters(
        (key, None if code == "en" else first.setdefault((code, question), key))
        for (key, code), question in questions.items()
    )


def _cue(code: str, questions: Mapping[tuple[str, str], str], explicit: Rows) -> str:
    """The sentence in front of a language's explicit questions: the one that most of them have."""
    sentences = Counter(
        row.text("question").removesuffix(questions[place]).strip()
        for place, row in explicit.items()
        if place[1] == code and place in questions
    )
    if not sentences:
        raise DataError(
            f"localization_gap has no explicit rows in language {code!r}", remedy="use the file as published"
        )
    return sentences.most_common(1)[0][0]


def _unusable(
    place: tuple[str, str], questions: Mapping[tuple[str, str], str], implicit: Rows, explicit: Rows, cue: str
) -> str:
    """Why an item is not asked in a language; "" where it is."""
    key, code = place
    if place not in questions or place not in explicit:
        return "it lacks one of the two contexts"
    cities = {text for (other, language), text in questions.items() if language == code and other.startswith(_CITIES)}
    if key.startswith(_NAMES) and questions[place] in cities:
        return "the source asks for a city, but its options are names of persons"
    twin = explicit[place].text("question")
    if twin != f"{cue} {questions[place]}":
        return f"its explicit question is not the implicit one after {cue!r}: {twin!r}"
    return _same_options(implicit[place])


def _same_options(row: Record) -> str:
    """Which options are the same text, as a reason; "" where all differ."""
    options = [row.text(f"option_{column}") for column in CULTURES]
    return "" if len(set(options)) == len(options) else f"two options are the same: {', '.join(options)}"


ENTRY: Entry[CulturalSet] = described("localization_gap", "cultural", load, LANGUAGES.values(), CULTURES.values())
