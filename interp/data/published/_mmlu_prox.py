"""MMLU-ProX (Xuan et al. 2025, arXiv 2503.10497): MMLU-Pro's questions with up to ten options, in 29 languages.

Translated by a language model and checked by people. Rows are matched by `question_id`, and each is held against
English: category, right answer and number of options. The validation rows are worked examples.
"""

from __future__ import annotations

from collections.abc import Sequence

from interp.data import Entry, UniversalItem, UniversalSet, assign_splits, cluster_texts, parallel_languages
from interp.data.files import Part, Reader, by_key
from interp.data.published._choices import TEN, Choice, Columns, choice_item, in_every_language
from interp.data.published._collected import Collected
from interp.data.published._described import described

LANGUAGES = (
    "ar", "bn", "cs", "de", "en", "es", "fr", "hi", "hu", "id", "it", "ja", "ko", "mr", "ne", "pt", "ru", "sr", "sw",
    "te", "th", "uk", "ur", "vi", "yo", "zh",
)  # fmt: skip
"""Configurations on the Hub, of the languages that prompts can be written in."""

COLUMNS = Columns(
    tuple(f"option_{number}" for number in range(len(TEN))), "answer", TEN, "question", "category", fewer=True
)


def part(code: str, split: str) -> Part:
    """A language's split."""
    kinds = ("parquet", "jsonl", "csv")
    return Part(tuple(f"{code}/{split}*.{kind}" for kind in kinds), code, split)


def load(reader: Reader, languages: tuple[str, ...]) -> UniversalSet:
    """The questions that every language has; raises DataError for the first row that doesn't agree with English."""
    codes = parallel_languages(LANGUAGES, languages, lambda code: reader.has(part(code, "test")))
    collected = Collected[UniversalItem]()
    rows = _rows(reader, codes, "test", collected)
    clusters = cluster_texts({key: row["en"].question for key, row in rows.items()})
    splits = assign_splits(clusters.values(), "mmlu_prox")
    for key, row in rows.items():
        collected.add(choice_item(key, row, cluster=clusters[key], split=splits[clusters[key]]))
    examples = Collected[UniversalItem](left_out=collected.left_out)
    if all(reader.has(part(code, "validation")) for code in codes):
        for key, row in _rows(reader, codes, "validation", examples).items():
            examples.add(choice_item(key, row, cluster=key, split="fit"))
    return UniversalSet("mmlu_prox", codes, tuple(collected.items), tuple(examples.items), tuple(collected.left_out))


def _rows(
    reader: Reader, codes: Sequence[str], split: str, collected: Collected[UniversalItem]
) -> dict[str, dict[str, Choice]]:
    rows = {
        code: {
            key: COLUMNS.choice(record)
            for key, record in by_key(reader.records(part(code, split)), "question_id").items()
        }
        for code in codes
    }
    return in_every_language(list(rows["en"]), rows, collected)


ENTRY: Entry[UniversalSet] = described("mmlu_prox", "universal", load, LANGUAGES)
