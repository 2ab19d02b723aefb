"""NTREX-128: 1,997 sentences of news, translated from English by people; splits take whole documents.

A language's variants have codes of their own (`es-MX`, `pt-BR`, `fr-CA`, `en-GB`, `zh-TW`, `sr-Latn`): `es` is the file
`spa`, `pt` is `por`. The table `ntrex.csv` has the file of every code.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from interp.data import Entry, ParallelText, wanted
from interp.data.files import Part, Reader, read_table
from interp.data.published._aligned import check_lengths, parallel_text, read_sentences
from interp.data.published._described import described

FILES: Mapping[str, str] = {
    row["language"]: row["file"] for row in read_table(Path(__file__).with_name("ntrex.csv"), ("language", "file"))
}
DOCUMENTS = Part(("DOCUMENT_IDS.tsv",))


def part(code: str) -> Part:
    """A language's sentences, one a line."""
    return Part((f"NTREX-128/{FILES[code]}", FILES[code]))


def load(reader: Reader, languages: tuple[str, ...]) -> ParallelText:
    """The sentences in the languages asked for, or in all that the reader has; DataError if lengths differ."""
    asked = (*languages, "en") if languages else ()
    codes = wanted(tuple(FILES), asked, lambda code: code == "en" or reader.has(part(code)))
    documents = read_sentences(reader, DOCUMENTS)
    lines = {code: read_sentences(reader, part(code)) for code in codes}
    check_lengths({"en": lines["en"], DOCUMENTS.paths[0]: documents})
    return parallel_text("ntrex", lines, [line.text for line in documents])


ENTRY: Entry[ParallelText] = described("ntrex", "parallel", load, FILES)
