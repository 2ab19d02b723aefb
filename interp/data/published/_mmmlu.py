"""MMMLU: MMLU's test questions, translated into 14 languages by people; English is MMLU itself.

The files have no key: rows line up by their order, and every row's subject and answer are held against English. No row
says what entity it is about, so that a question is a cluster of its own (equal questions share one).
"""

from __future__ import annotations

from collections.abc import Mapping

from interp.data import Entry, UniversalItem, UniversalSet, assign_splits, cluster_texts, parallel_languages
from interp.data.files import Part, Reader, Record
from interp.data.published._aligned import lined_up
from interp.data.published._choices import NUMBERS, Choice, Columns, choice_item
from interp.data.published._collected import Collected
from interp.data.published._described import described

CONFIGS: Mapping[str, str] = {
    "ar": "AR_XY", "bn": "BN_BD", "de": "DE_DE", "en": "all", "es": "ES_LA", "fr": "FR_FR", "hi": "HI_IN",
    "id": "ID_ID", "it": "IT_IT", "ja": "JA_JP", "ko": "KO_KR", "pt": "PT_BR", "sw": "SW_KE", "yo": "YO_NG",
    "zh": "ZH_CN",
}  # fmt: skip
"""Language -> configuration on the Hub; English is that of cais/mmlu."""

ENGLISH = "cais/mmlu"
MMMLU = Columns(("A", "B", "C", "D"), "Answer", question="Question", subject="Subject")
MMLU = Columns(("choices",), "answer", NUMBERS, question="question", subject="subject")


def part(code: str) -> Part:
    """A language's test rows: the published files, or `{code}.csv` (or jsonl, json, parquet)."""
    config = CONFIGS[code]
    kinds = ("csv", "jsonl", "json", "parquet")
    if code == "en":
        stems = ["en", "en_test", "mmlu_EN-US", "test/mmlu_EN-US", "mmlu"]
        names = [f"{stem}.{kind}" for stem in stems for kind in kinds]
        return Part(("all/test-00000-of-00001.parquet", *names), config, "test", ENGLISH)
    published = config.replace("_", "-")
    stems = [f"test/mmlu_{published}", f"mmlu_{published}", f"mmlu_{config}", config, code, f"{code}_test"]
    return Part(tuple(f"{stem}.{kind}" for stem in stems for kind in kinds), config, "test", csv=True)


def load(reader: Reader, languages: tuple[str, ...]) -> UniversalSet:
    """All test rows as items; raises DataError for the first row in which the languages don't line up."""
    codes = parallel_languages(tuple(CONFIGS), languages, lambda code: reader.has(part(code)))
    rows = lined_up({code: [_choice(record) for record in reader.records(part(code))] for code in codes})
    keyed = {f"{row['en'].subject}/{number}": row for number, row in enumerate(rows)}
    clusters = cluster_texts({key: row["en"].question for key, row in keyed.items()})
    splits = assign_splits(clusters.values(), "mmmlu")
    collected = Collected[UniversalItem]()
    for key, row in keyed.items():
        collected.add(choice_item(key, row, cluster=clusters[key], split=splits[clusters[key]]))
    return UniversalSet("mmmlu", codes, tuple(collected.items), left_out=tuple(collected.left_out))


def _choice(record: Record) -> Choice:
    return (MMLU if "choices" in record.values else MMMLU).choice(record)


ENTRY: Entry[UniversalSet] = described("mmmlu", "universal", load, CONFIGS)
