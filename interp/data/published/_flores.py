"""FLORES: 2,009 sentences of news, books and travel guides, translated from English by people.

Read as FLORES+ (tables with `id`, `text` and the article's `url`) or as FLORES-200 (plain lines, with the articles in
`metadata_dev.tsv` and `metadata_devtest.tsv`). Splits are ours and take whole articles; without their addresses, each
sentence is drawn by itself. `dev` and `devtest` are read together. The table `flores.csv` has the codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from interp.data import Entry, ParallelText, parallel_languages
from interp.data.files import Part, Reader, by_key, clean, read_table
from interp.data.published._aligned import Line, check_lengths, parallel_text, read_sentences
from interp.data.published._described import described
from interp.errors import DataError

CODES: Mapping[str, tuple[str, str]] = {
    row["language"]: (row["flores200"], row["flores_plus"])
    for row in read_table(Path(__file__).with_name("flores.csv"), ("language", "flores200", "flores_plus"))
}
"""Language -> its name in FLORES-200 and in FLORES+."""

SPLITS = ("dev", "devtest")


def plain(code: str, split: str) -> Part:
    """A language's file of plain lines (FLORES-200)."""
    names = dict.fromkeys(CODES[code])
    return Part(tuple(f"{split}/{name}.{split}" for name in names))


def table(code: str, split: str) -> Part:
    """A language's table (FLORES+)."""
    old, new = CODES[code]
    stems = [stem for name in dict.fromkeys((new, old)) for stem in (f"{split}/{name}", f"{name}/{split}")]
    names = [f"{stem}{end}" for stem in stems for end in (".jsonl", ".parquet", "-00000-of-00001.parquet")]
    return Part(tuple(names), config=new, split=split)


def load(reader: Reader, languages: tuple[str, ...]) -> ParallelText:
    """The sentences of both splits (of those that English has); DataError if the languages don't line up."""
    lined = any(reader.has(plain("en", split)) for split in SPLITS)
    form = plain if lined else table
    splits = tuple(split for split in SPLITS if reader.has(form("en", split))) or SPLITS
    codes = parallel_languages(
        tuple(CODES), languages, lambda code: all(reader.has(form(code, split)) for split in splits)
    )
    lines: dict[str, list[Line]] = {code: [] for code in codes}
    documents: list[str] = []
    for split in splits:
        if lined:
            sentences = {code: read_sentences(reader, plain(code, split)) for code in codes}
            check_lengths(sentences)
            addresses = _metadata(reader, split, sentences["en"])
        else:
            sentences, addresses = _tables(reader, split, codes)
        documents += [address or f"{split}/{number}" for number, address in enumerate(addresses)]
        for code in codes:
            lines[code] += sentences[code]
    return parallel_text("flores", lines, documents)


def _metadata(reader: Reader, split: str, english: list[Line]) -> list[str]:
    """The address of each sentence's article, or "" where there is no table of them."""
    part = Part((f"metadata_{split}.tsv",), quoted=False)
    if not reader.has(part):
        return [""] * len(english)
    records = reader.records(part)
    check_lengths({"en": english, part.paths[0]: records})
    return [record.maybe("URL") for record in records]


def _tables(reader: Reader, split: str, codes: tuple[str, ...]) -> tuple[dict[str, list[Line]], list[str]]:
    """Sentences in the order of English's, and their articles' addresses."""
    tables = {code: by_key(reader.records(table(code, split)), "id") for code in codes}
    english = tables["en"]
    for code, own in tables.items():
        for key in (*english, *own):
            if key not in own or key not in english:
                raise DataError(
                    f"{(own.get(key) or english[key]).where}: the languages don't line up: "
                    f"only {'English' if key in english else repr(code)} has the id {key}",
                    allowed="the same ids in every language",
                    remedy="use files of one revision",
                )
    lines = {code: [Line(own[key].maybe("text"), own[key].where) for key in english] for code, own in tables.items()}
    return lines, [clean(str(record.values.get("url") or "")) for record in english.values()]


ENTRY: Entry[ParallelText] = described("flores", "parallel", load, CODES)
