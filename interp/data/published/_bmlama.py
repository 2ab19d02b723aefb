"""BMLAMA-53: facts as sentences with a blank and lists of candidates, in 53 languages.

Rows are parallel by their order. The candidates of a row stand in one cell, separated by commas, in the same order in
every language. The wrong options of an item are drawn from its candidates; those that another row names as right for
the same subject (a country's other official language) are not drawn.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from interp.data import (
    BLANK,
    Entry,
    LeftOut,
    Split,
    UniversalItem,
    UniversalSet,
    assign_splits,
    join_clusters,
    parallel_languages,
    placed,
    shuffled,
)
from interp.data.files import Part, Reader, Record, folded
from interp.data.published._aligned import lined_up
from interp.data.published._collected import Collected
from interp.data.published._described import described

LANGUAGES = (
    "af", "ar", "az", "be", "bg", "bn", "ca", "ceb", "cs", "cy", "da", "de", "el", "en", "es", "et", "eu", "fa", "fi",
    "fr", "ga", "gl", "he", "hi", "hr", "hu", "hy", "id", "it", "ja", "ka", "ko", "la", "lt", "lv", "ms", "nl", "pl",
    "pt", "ro", "ru", "sk", "sl", "sq", "sr", "sv", "ta", "th", "tr", "uk", "ur", "vi", "zh",
)  # fmt: skip
OPTIONS = 4
SHOWN_BLANK = "___"


@dataclass(frozen=True)
class Row:
    """A fact in one language: the sentence with BLANK, the right candidate, all candidates' cell, the subject."""

    sentence: str
    answer: str
    cell: str
    subject: str
    where: str


@dataclass(frozen=True)
class Fact:
    """What the English row says: its key, and the relation with [X] for the subject and [Y] for the answer."""

    key: str
    relation: str
    subject: str
    answer: str


def part(code: str) -> Part:
    """A language's file."""
    name = f"{code}.tsv"
    published = ("1_easyrun/BMLAMA53", "2_reimplement_step_by_step/BMLAMA53")
    return Part((*(f"{folder}/{name}" for folder in published), f"BMLAMA53/{name}", name), quoted=False)


def load(reader: Reader, languages: tuple[str, ...]) -> UniversalSet:
    """All rows, as items or left out; raises DataError for files that don't line up."""
    codes = parallel_languages(LANGUAGES, languages, lambda code: reader.has(part(code)))
    rows = lined_up({code: [_row(record) for record in reader.records(part(code))] for code in codes})
    names = {code: {row[code].answer for row in rows if ", " in row[code].answer} for code in codes}
    facts = [_fact(row["en"]) for row in rows]
    right: dict[tuple[str, str], set[str]] = defaultdict(set)
    for fact in facts:
        right[fact.relation, fact.subject].add(fact.answer)
    clusters = _clusters(facts)
    splits = assign_splits((clusters[fact.subject] for fact in facts), "bmlama")
    collected, seen = Collected[UniversalItem](), set[str]()
    for fact, row in zip(facts, rows, strict=True):
        cluster = clusters[fact.subject]
        if fact.key in seen:
            collected.add(LeftOut(fact.key, row["en"].where, "the same sentence and answer as an earlier row"))
        else:
            also_right = right[fact.relation, fact.subject] - {fact.answer}
            collected.add(_item(fact, row, names, also_right, cluster, splits[cluster]))
        seen.add(fact.key)
    return UniversalSet("bmlama", codes, tuple(collected.items), left_out=tuple(collected.left_out))


def _row(record: Record) -> Row:
    sentence, answer, cell, subject = (record.text(name) for name in ("Prompt", "Ans", "Candidate Ans", "Subject"))
    return Row(sentence, answer, cell, subject, record.where)


def _fact(row: Row) -> Fact:
    relation = row.sentence.replace(row.subject, "[X]", 1).replace(BLANK, "[Y]")
    return Fact(f"{row.sentence.replace(BLANK, '[Y]')} [Y] = {row.answer}", relation, row.subject, row.answer)


def _clusters(facts: Sequence[Fact]) -> dict[str, str]:
    """Cluster per subject: it is joined with an answer that it alone has, and that is its only one, in a relation."""
    pairs = {(fact.relation, fact.subject, fact.answer) for fact in facts}
    answers = Counter((relation, subject) for relation, subject, _ in pairs)
    subjects = Counter((relation, answer) for relation, _, answer in pairs)
    return join_clusters(
        (subject, answer if answers[relation, subject] == subjects[relation, answer] == 1 else None)
        for relation, subject, answer in sorted(pairs)
    )


def _item(
    fact: Fact,
    rows: Mapping[str, Row],
    names: Mapping[str, set[str]],
    also_right: set[str],
    cluster: str,
    split: Split,
) -> UniversalItem | LeftOut:
    for code, row in rows.items():
        if row.sentence.count(BLANK) != 1:
            return LeftOut(fact.key, row.where, f"{row.sentence.count(BLANK)} blanks in {code!r}")
    listed = _candidates(rows, names)
    if listed is None:
        return LeftOut(fact.key, rows["en"].where, "the candidates don't line up over the languages")
    candidates, right = listed
    options = [candidates[right]]
    for text in _drawn(candidates, right, fact.key):
        if text["en"] not in also_right and all(_differ(text, option) for option in options):
            options.append(text)
        if len(options) == OPTIONS:
            break
    if len(options) < 2:
        reason = "no wrong candidate that differs from the right one in every language"
        return LeftOut(fact.key, rows["en"].where, reason)
    shown, answer = placed(options[0], options[1:], fact.key)
    return UniversalItem(
        key=fact.key,
        relation=fact.relation,
        cluster=cluster,
        split=split,
        questions={code: (row.sentence.replace(BLANK, SHOWN_BLANK),) for code, row in rows.items()},
        options=shown,
        answer=answer,
        candidates=tuple(candidates),
        sentences={code: row.sentence for code, row in rows.items()},
    )


def _drawn(candidates: Sequence[dict[str, str]], right: int, key: str) -> list[dict[str, str]]:
    """The other candidates, in an order drawn by hash of their English names."""
    others = {text["en"]: text for index, text in enumerate(candidates) if index != right}
    return [others[name] for name in shuffled(others, "wrong", key)]


def _differ(a: Mapping[str, str], b: Mapping[str, str]) -> bool:
    return all(folded(a[code], code) != folded(b[code], code) for code in a)


def _candidates(rows: Mapping[str, Row], names: Mapping[str, set[str]]) -> tuple[list[dict[str, str]], int] | None:
    """The candidates in every language and the place of the right one; None if the languages don't line up.

    A name may contain the comma that separates names. Both ways to read a cell are tried: every comma separates, or
    known names (answers of the same file) stay whole. Exactly one number of names must be possible in every language
    with the right one at the same place.
    """
    readings = {code: _readings(row.cell, names[code]) for code, row in rows.items()}
    possible = []
    for size in set.intersection(*(set(by_size) for by_size in readings.values())):
        lists = {code: by_size[size] for code, by_size in readings.items()}
        places = set.intersection(
            *({i for i, name in enumerate(lists[code]) if name == row.answer} for code, row in rows.items())
        )
        if len(places) == 1:
            texts = [{code: lists[code][i] for code in rows} for i in range(size)]
            possible.append((texts, places.pop()))
    return possible[0] if len(possible) == 1 else None


def _readings(cell: str, names: set[str]) -> dict[int, list[str]]:
    """Lists of names that a cell may hold, by their length; none with an empty name."""
    pieces = cell.split(", ")
    whole: list[str] = []
    at = 0
    while at < len(pieces):
        sizes = range(len(pieces) - at, 1, -1)
        size = next((n for n in sizes if ", ".join(pieces[at : at + n]) in names), 1)
        whole.append(", ".join(pieces[at : at + size]))
        at += size
    stripped = ([name.strip() for name in reading] for reading in (pieces, whole))
    return {len(reading): reading for reading in stripped if all(reading)}


ENTRY: Entry[UniversalSet] = described("bmlama", "universal", load, LANGUAGES)
