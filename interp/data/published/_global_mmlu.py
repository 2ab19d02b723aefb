"""Global-MMLU and Global-MMLU-Lite: exam questions in 42 and 18 languages, some marked as culturally sensitive.

Rows are parallel by `sample_id`. Rows of `test` that annotators found culturally agnostic (CA) or sensitive (CS) become
items, rows of `dev` worked examples. No row says what entity it is about, so that a question is a cluster of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from interp.data import (
    Entry,
    LeftOut,
    UniversalItem,
    UniversalSet,
    assign_splits,
    cluster_texts,
    parallel_languages,
    shuffled,
)
from interp.data.files import Part, Reader, Record, by_key
from interp.data.published._choices import Choice, Columns, choice_item, in_every_language
from interp.data.published._collected import Collected
from interp.data.published._described import described
from interp.errors import DataError

LANGUAGES = (
    "am", "ar", "bn", "cs", "de", "el", "en", "es", "fa", "fil", "fr", "ha", "he", "hi", "id", "ig", "it", "ja", "ko",
    "ky", "lt", "mg", "ms", "ne", "nl", "ny", "pl", "pt", "ro", "ru", "si", "sn", "so", "sr", "sv", "sw", "te", "tr",
    "uk", "vi", "yo", "zh",
)  # fmt: skip
LITE_LANGUAGES = (
    "ar", "bn", "cy", "de", "en", "es", "fr", "hi", "id", "it", "ja", "ko", "my", "pt", "sq", "sw", "yo", "zh",
)  # fmt: skip
COLUMNS = Columns(("option_a", "option_b", "option_c", "option_d"), "answer", question="question", subject="subject")
LABELS = ("CA", "CS", "-")


def part(code: str, split: str) -> Part:
    """A language's split: as on the Hub, or under the names that its files have elsewhere."""
    stems = (f"{code}/{split}", f"{split}/{code}", f"{code}_{split}", f"{split}_{code}", f"global_mmlu_{split}_{code}")
    names = [f"{stem}.{kind}" for stem in stems for kind in ("parquet", "jsonl", "json", "csv")]
    return Part((f"{code}/{split}-00000-of-00001.parquet", *names, f"{code}_{split}_edited.jsonl"), code, split)


def load(name: str, published: Sequence[str], reader: Reader, languages: tuple[str, ...]) -> UniversalSet:
    """Test rows as items and dev rows as examples, each where all of the languages have them.

    Where there is no English test file but a dev file, the set has examples and no items. Raises DataError for rows
    that can't be used.
    """
    only_dev = reader.has(part("en", "dev")) and not reader.has(part("en", "test"))
    main = "dev" if only_dev else "test"
    codes = parallel_languages(published, languages, lambda code: reader.has(part(code, main)))
    collected = Collected[UniversalItem]()
    if only_dev:
        reason = "the English test file is missing; its rows become items, and dev rows are only worked examples"
        collected.add(LeftOut("all items", part("en", "test").paths[1], reason, 0))
    else:
        _test(name, codes, reader, collected)
    examples = _dev(codes, reader, collected.left_out)
    return UniversalSet(name, codes, tuple(collected.items), examples, tuple(collected.left_out))


def _test(name: str, codes: Sequence[str], reader: Reader, collected: Collected[UniversalItem]) -> None:
    """Collect the test split."""
    english = by_key(reader.records(part("en", "test")), "sample_id")
    labels = {key: _label(record) for key, record in english.items()}
    unmarked = [key for key, label in labels.items() if label == "-"]
    collected.leave_out(unmarked, english, "not annotated as culturally agnostic or sensitive")
    marked = {key: record for key, record in english.items() if labels[key] != "-"}
    clusters = cluster_texts({key: record.text("question") for key, record in marked.items()})
    splits = assign_splits(clusters.values(), name)
    for key, rows in _aligned(codes, "test", reader, marked, set(unmarked), collected).items():
        cluster = clusters[key]
        sensitive = labels[key] == "CS"
        collected.add(choice_item(key, rows, cluster=cluster, split=splits[cluster], sensitive=sensitive))


def _dev(codes: Sequence[str], reader: Reader, left_out: list[LeftOut]) -> tuple[UniversalItem, ...]:
    """The dev split as worked examples, subjects mixed: their order is drawn by hash."""
    without = [code for code in codes if not reader.has(part(code, "dev"))]
    if without:
        reason = f"no worked examples, because there is no dev file for {', '.join(without)}"
        left_out.append(LeftOut("dev", part(without[0], "dev").paths[1], reason, 0))
        return ()
    english = by_key(reader.records(part("en", "dev")), "sample_id")
    examples = Collected[UniversalItem](left_out=left_out)
    rows = _aligned(codes, "dev", reader, english, set(), examples)
    for key in shuffled(rows, "examples"):
        examples.add(choice_item(key, rows[key], cluster=key, split="fit"))
    return tuple(examples.items)


def _aligned(
    codes: Sequence[str],
    split: str,
    reader: Reader,
    english: Mapping[str, Record],
    skip: set[str],
    collected: Collected[UniversalItem],
) -> dict[str, dict[str, Choice]]:
    """The rows of a split by key and language, without the keys in `skip`; one language's records at a time."""
    rows = {}
    for code in codes:
        records = english if code == "en" else by_key(reader.records(part(code, split)), "sample_id")
        rows[code] = {key: COLUMNS.choice(record) for key, record in records.items() if key not in skip}
    return in_every_language(list(english), rows, collected)


def _label(record: Record) -> str:
    label = record.text("cultural_sensitivity_label")
    if label not in LABELS:
        raise DataError(
            f"{record.where}: 'cultural_sensitivity_label' is {label!r}", allowed=", ".join(LABELS), remedy="correct it"
        )
    return label


ENTRY: Entry[UniversalSet] = described("global_mmlu", "universal", partial(load, "global_mmlu", LANGUAGES), LANGUAGES)
LITE: Entry[UniversalSet] = described(
    "global_mmlu_lite", "universal", partial(load, "global_mmlu_lite", LITE_LANGUAGES), LITE_LANGUAGES
)
