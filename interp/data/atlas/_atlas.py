"""Atlas: our own embedded dataset of universal facts and cultural customs (tables in `tables/`, CC0)."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from pathlib import Path

from interp.data import (
    CulturalItem,
    CulturalSet,
    Entry,
    ParallelText,
    UniversalItem,
    UniversalSet,
    assign_splits,
    join_clusters,
    placed,
    shuffled,
)
from interp.data.atlas._names import Names
from interp.data.files import read_table
from interp.errors import DataError

LANGUAGES = ("en", "es", "zh", "ko", "id", "el", "fa")
CULTURES = ("US", "GB", "ES", "MX", "CN", "KR", "ID", "GR", "IR")
OWN_CULTURE = {"es": "ES", "zh": "CN", "ko": "KR", "id": "ID", "el": "GR", "fa": "IR"}
OPTIONS = 4


def table(name: str, *columns: str) -> list[dict[str, str]]:
    """Rows of `tables/<name>.csv`; a placebo cue has no culture."""
    optional = ("culture",) if name == "cues" else ()
    return read_table(Path(__file__).parent / "tables" / f"{name}.csv", columns, optional)


def _texts(row: dict[str, str]) -> dict[str, str]:
    return {language: row[language] for language in LANGUAGES}


@lru_cache(maxsize=1)
def names() -> Names:
    """Text in every language of each concept that the universal part names."""
    return Names({row["key"]: _texts(row) for row in table("names", "key", "kind", *LANGUAGES)}, LANGUAGES)


@lru_cache(maxsize=1)
def templates() -> dict[str, dict[str, tuple[str, ...]]]:
    """Question templates per relation and language, each with `{subject}` once."""
    by_relation = defaultdict(list)
    for row in table("templates", "relation", "template", *LANGUAGES):
        by_relation[row["relation"]].append(row)
    return {
        relation: {code: tuple(row[code] for row in rows) for code in LANGUAGES}
        for relation, rows in by_relation.items()
    }


@lru_cache(maxsize=1)
def universal() -> UniversalSet:
    """Universal facts in all seven languages."""
    text = names()
    one_to_one = {row["relation"]: row["one_to_one"] == "yes" for row in table("relations", "relation", "one_to_one")}
    facts = table("facts", "relation", "subject", "answer")
    subjects = join_clusters((f["subject"], f["answer"] if one_to_one[f["relation"]] else None) for f in facts)
    splits = assign_splits((subjects[f["subject"]] for f in facts), "atlas-universal")
    answers: dict[str, list[str]] = defaultdict(list)
    for fact in facts:
        if fact["answer"] not in answers[fact["relation"]]:
            answers[fact["relation"]].append(fact["answer"])
    items = []
    for fact in facts:
        relation, subject, right = fact["relation"], fact["subject"], fact["answer"]
        key = f"{relation}/{subject}"
        wrong = shuffled([a for a in answers[relation] if a != right], "wrong", key)[: OPTIONS - 1]
        options, place = placed(right, wrong, key)
        items.append(
            UniversalItem(
                key=key,
                relation=relation,
                cluster=subjects[subject],
                split=splits[subjects[subject]],
                questions={
                    code: tuple(t.replace("{subject}", text[subject][code]) for t in asked)
                    for code, asked in templates()[relation].items()
                },
                options=tuple(text[option] for option in options),
                answer=place,
                candidates=tuple(text[answer] for answer in answers[relation]),
            )
        )
    return UniversalSet("atlas", LANGUAGES, tuple(items))


@lru_cache(maxsize=1)
def cultural() -> CulturalSet:
    """Customs of nine cultures, asked in seven languages by questions that name no place."""
    lexicon = {row["key"]: row for row in table("lexicon", "key", "kind", *LANGUAGES)}
    texts = {key: _texts(row) for key, row in lexicon.items()}
    kinds = defaultdict(list)
    for key, row in lexicon.items():
        kinds[row["kind"]].append(key)
    answers = {row["key"]: row for row in table("answers", "key", *CULTURES)}
    questions = table("questions", "key", "topic", *LANGUAGES)
    splits = assign_splits((row["topic"] for row in questions), "atlas-cultural")
    items = []
    for row in questions:
        if row["key"] not in answers:
            raise DataError(f"question {row['key']!r} has no answers", remedy="add its row to answers.csv")
        right = {culture: tuple(answers[row["key"]][culture].split("|")) for culture in CULTURES}
        for key in (key for keys in right.values() for key in keys if key not in lexicon):
            raise DataError(
                f"answers.csv, {row['key']!r}: {key!r} is unknown", allowed="keys of lexicon.csv", remedy="add it there"
            )
        pool = tuple(kinds[lexicon[right["US"][0]]["kind"]])
        items.append(
            CulturalItem(
                key=row["key"],
                topic=row["topic"],
                split=splits[row["topic"]],
                questions=_texts(row),
                answers=right,
                pool=pool,
                names=texts,
            )
        )
    cues = table("cues", "culture", "kind", *LANGUAGES)
    return CulturalSet(
        name="atlas",
        languages=LANGUAGES,
        cultures=CULTURES,
        own_culture=OWN_CULTURE,
        items=tuple(items),
        cues={row["culture"]: _texts(row) for row in cues if row["kind"] == "culture"},
        placebos=tuple(_texts(row) for row in cues if row["kind"] == "placebo"),
        option_count=OPTIONS,
    )


@lru_cache(maxsize=1)
def chatter() -> ParallelText:
    """Everyday sentences that state no fact and name no place."""
    rows = table("chatter", "key", *LANGUAGES)
    splits = assign_splits((row["key"] for row in rows), "atlas-chatter")
    sentences, parts = tuple(_texts(row) for row in rows), tuple(splits[row["key"]] for row in rows)
    return ParallelText("atlas", LANGUAGES, sentences, parts)


_SOURCE, _LICENCE = "ours, docs/atlas.md", "CC0-1.0"

UNIVERSAL: Entry[UniversalSet] = Entry(
    "atlas", "universal", "Atlas: facts of geography, language, nature and measure", _SOURCE, _LICENCE, LANGUAGES,
    "1,033 items", lambda reader, languages: universal(),
)  # fmt: skip
CULTURAL: Entry[CulturalSet] = Entry(
    "atlas", "cultural", "Atlas: everyday customs", _SOURCE, _LICENCE, LANGUAGES,
    "233 items", lambda reader, languages: cultural(), cultures=CULTURES,
)  # fmt: skip
PARALLEL: Entry[ParallelText] = Entry(
    "atlas", "parallel", "Atlas: everyday sentences", _SOURCE, _LICENCE, LANGUAGES,
    "120 sentences", lambda reader, languages: chatter(),
)  # fmt: skip
