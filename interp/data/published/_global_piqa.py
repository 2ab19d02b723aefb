"""Global PIQA (Chang et al. 2025, arXiv 2510.24081): what works in everyday life, in over 100 languages.

The parallel part is one set of questions with four solutions, translated and corrected by people: the universal axis.
The part that is not parallel was written in each language, much of it about local things, with two solutions: the
cultural axis, on which chance is 0.5. It has no answers of another country, so there is no US bias, and English is left
out of it. A language with questions of several countries has no culture of its own before one is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from interp.data import (
    CulturalItem,
    CulturalSet,
    Entry,
    LeftOut,
    UniversalItem,
    UniversalSet,
    assign_splits,
    cluster_texts,
    parallel_languages,
    wanted,
)
from interp.data.files import Part, Reader, Record, read_table
from interp.data.published._aligned import lined_up
from interp.data.published._choices import NUMBERS, Columns, choice_item, local_item, unusable
from interp.data.published._collected import Collected, cultural_set
from interp.data.published._described import described

FOUR = Columns(tuple(f"solution{number}" for number in NUMBERS), "label", NUMBERS, question="prompt")
TWO = Columns(("solution0", "solution1"), "label", "01", question="prompt")


NONE = "-"


@lru_cache(maxsize=1)
def configs() -> Mapping[str, Mapping[str, str]]:
    """Language -> country -> configuration on the Hub; of the parallel part the first is read.

    A language whose country is NONE is in the parallel part alone.
    """
    found: dict[str, dict[str, str]] = {}
    for row in read_table(Path(__file__).with_name("global_piqa.csv"), ("language", "culture", "config")):
        found.setdefault(row["language"], {})[row["culture"]] = row["config"]
    return found


def part(config: str, folder: str) -> Part:
    """The table of a configuration; its only split is `test`."""
    kinds = ("tsv", "csv", "jsonl", "parquet")
    stems = [f"{place}{config}{end}" for place in (folder, "data/", "") for end in ("", "/test*")]
    paths = [f"{stem}.{kind}" for stem in stems for kind in kinds]
    return Part(tuple(paths), config, "test", csv=True)


def _parallel(code: str) -> Part:
    return part(next(iter(configs()[code].values())), "parallel/")


def load_parallel(reader: Reader, languages: tuple[str, ...]) -> UniversalSet:
    """The parallel questions; raises DataError for the first row in which the languages don't line up."""
    codes = parallel_languages(tuple(configs()), languages, lambda code: reader.has(_parallel(code)))
    rows = lined_up({code: [FOUR.choice(record) for record in reader.records(_parallel(code))] for code in codes})
    clusters = cluster_texts({str(number): row["en"].question for number, row in enumerate(rows)})
    splits = assign_splits(clusters.values(), "global_piqa")
    collected = Collected[UniversalItem]()
    for number, row in enumerate(rows):
        cluster = clusters[str(number)]
        collected.add(choice_item(str(number), row, cluster=cluster, split=splits[cluster]))
    return UniversalSet("global_piqa", codes, tuple(collected.items), left_out=tuple(collected.left_out))


def load_local(reader: Reader, languages: tuple[str, ...]) -> CulturalSet:
    """The questions that each language asks by itself; raises DataError, with the row, for a broken table."""
    known = tuple(code for code in configs() if code != "en")
    tables = {
        code: {culture: part(config, "nonparallel/") for culture, config in configs()[code].items() if culture != NONE}
        for code in known
    }
    loaded = wanted(known, languages, lambda code: any(map(reader.has, tables[code].values())))
    collected = Collected[CulturalItem]()
    own: dict[str, str] = {}
    for code in loaded:
        asked = Collected[CulturalItem](left_out=collected.left_out)
        there = {culture: table for culture, table in tables[code].items() if reader.has(table)}
        for culture, table in there.items():
            for number, record in enumerate(reader.records(table)):
                asked.add(_item(f"{table.config}/{number}", code, culture, record))
        clusters = cluster_texts({item.key: item.questions[code] for item in asked.items})
        splits = assign_splits(clusters.values(), "global_piqa_local")
        collected.items += [
            replace(item, cluster=clusters[item.key], split=splits[clusters[item.key]]) for item in asked.items
        ]
        if len(there) == 1:
            own[code] = next(iter(there))
    return cultural_set(LOCAL.name, loaded, collected, own)


def _item(key: str, code: str, culture: str, record: Record) -> CulturalItem | LeftOut:
    """A row's item, its cluster and split still to be assigned."""
    row = TWO.choice(record)
    if reason := unusable(row.question, row.options, len(row.options)):
        return LeftOut(key, record.where, reason)
    return local_item(key, row, language=code, culture=culture)


ENTRY: Entry[UniversalSet] = described("global_piqa", "universal", load_parallel, configs())
LOCAL: Entry[CulturalSet] = described("global_piqa_local", "cultural", load_local, [c for c in configs() if c != "en"])
