"""MMMLU: MMLU's test questions, translated into 14 languages by people; English is MMLU itself.

The files have no key: rows line up by their order, and every row's subject and answer are held against English. No row
says what entity it is about, so that a question is a cluster of its own (equal questions share one).
"""

from __future__ import annotations

from collections.abc import Mapping

from interp.data import Entry, UniversalSet, assign_splits, cluster_texts, parallel_languages
from interp.data.files import Origin, Part, Reader, Record
from interp.data.published._aligned import Sorted, check_lengths
from interp.data.published._choices import LETTERS, Choice, choice_item
from interp.errors import DataError

CONFIGS: Mapping[str, str] = {
    "ar": "AR_XY", "bn": "BN_BD", "de": "DE_DE", "en": "all", "es": "ES_LA", "fr": "FR_FR", "hi": "HI_IN",
    "id": "ID_ID", "it": "IT_IT", "ja": "JA_JP", "ko": "KO_KR", "pt": "PT_BR", "sw": "SW_KE", "yo": "YO_NG",
    "zh": "ZH_CN",
}  # fmt: skip
"""Language -> configuration on the Hub; English is that of cais/mmlu."""

ENGLISH = "cais/mmlu"


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
    rows = {code: [_choice(record) for record in reader.records(part(code))] for code in codes}
    english = rows["en"]
    check_lengths(rows)
    keys = [f"{row.subject}/{number}" for number, row in enumerate(english)]
    clusters = cluster_texts({key: row.question for key, row in zip(keys, english, strict=True)})
    splits = assign_splits(clusters.values(), "mmmlu")
    found = Sorted()
    for number, key in enumerate(keys):
        cluster = clusters[key]
        row = {code: known[number] for code, known in rows.items()}
        found.add(choice_item(key, row, cluster=cluster, split=splits[cluster]))
    return UniversalSet("mmmlu", codes, tuple(found.items), left_out=tuple(found.left_out))


def _choice(record: Record) -> Choice:
    """A row as MMMLU has it (Question, A to D, Answer, Subject), or as MMLU does (question, choices, answer 0 to 3)."""
    if "choices" not in record.values:
        options = tuple(record.maybe(letter) for letter in LETTERS)
        return Choice(record.text("Subject"), record.text("Question"), options, record.letter("Answer"), record.where)
    options = tuple(record.listed("choices"))
    answer = record.text("answer")
    if len(options) != len(LETTERS) or answer not in ("0", "1", "2", "3"):
        raise DataError(
            f"{record.where}: {len(options)} choices and the answer {answer!r}",
            allowed="4 choices and an answer from 0 to 3",
            remedy="use the file as published",
        )
    return Choice(record.text("subject"), record.text("question"), options, int(answer), record.where)


ENTRY: Entry[UniversalSet] = Entry(
    "mmmlu", "universal", "MMMLU: MMLU translated by people",
    "OpenAI (2024), MMMLU; Hendrycks et al. (2021), Measuring Massive Multitask Language Understanding, "
    "arXiv:2009.03300",
    "MIT", tuple(CONFIGS), "14,042 items", load,
    Origin("hub", "openai/MMMLU", folders=("mmmlu", "MMMLU")),
)  # fmt: skip
