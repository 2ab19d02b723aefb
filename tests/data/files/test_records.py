"""Records: what is read, and what a broken file is told."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from interp.data.files import Record, by_key, clean, read_records
from interp.data.files._records import read_lines
from interp.errors import DataError


def write(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def test_every_format_gives_the_same_records(tmp_path: Path) -> None:
    import pandas as pd

    table = pd.DataFrame({"ID": ["a", "b"], "text": ["one, two", "három"]})
    table.to_parquet(tmp_path / "t.parquet")
    (tmp_path / "t.jsonl.gz").write_bytes(
        gzip.compress(b'{"ID":"a","text":"one, two"}\n{"ID":"b","text":"h\xc3\xa1rom"}\n')
    )
    paths = [
        write(tmp_path, "t.csv", 'ID,text\r\na,"one, two"\r\nb,három\r\n'),
        write(tmp_path, "t.tsv", "ID\ttext\r\na\tone, two\r\nb\thárom\r\n"),
        write(tmp_path, "t.jsonl", '{"ID":"a","text":"one, two"}\n\n{"ID":"b","text":"három"}'),
        write(tmp_path, "rows.json", '{"ID":"a","text":"one, two"}\n{"ID":"b","text":"három"}\n'),
        write(tmp_path, "list.json", '[\n{"ID":"a","text":"one, two"},\n{"ID":"b","text":"három"}]'),
        write(tmp_path, "byid.json", '{\n"a": {"text":"one, two"},\n"b": {"text":"három"}}'),
        write(tmp_path, "byid1.json", '{"a": {"text":"one, two"}, "b": {"text":"három"}}'),
        tmp_path / "t.parquet",
        tmp_path / "t.jsonl.gz",
    ]
    for path in paths:
        assert [dict(r.values) for r in read_records(path)] == table.to_dict("records"), path.name


@pytest.mark.parametrize(("suffix", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_a_tsv_is_quoted_as_a_csv_is(tmp_path: Path, suffix: str, delimiter: str) -> None:
    """What pandas and the csv module write is read back: delimiters, quotes, line ends and JSON lists in cells."""
    import csv

    import pandas as pd

    table = pd.DataFrame(
        {"ID": ["a", "b", "c", "d"], "text": ['She said "no"', "one,\ttwo", "line\nline", '["x", "y"]']}
    )
    ours = tmp_path / f"t.{suffix}"
    table.to_csv(ours, sep=delimiter, index=False)
    assert [dict(r.values) for r in read_records(ours)] == table.to_dict("records")
    sheet = tmp_path / f"sheet.{suffix}"
    with sheet.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, "excel-tab" if suffix == "tsv" else "excel")
        writer.writerows([list(table.columns), *table.to_numpy().tolist()])
    assert [dict(r.values) for r in read_records(sheet)] == table.to_dict("records")


def test_a_published_table_without_quoting_keeps_its_quotes(tmp_path: Path) -> None:
    path = write(tmp_path, "t.tsv", 'ID\ttext\r\na\t"Heroes" by\r\nb\t"open\r\n')
    assert [r.values["text"] for r in read_records(path, quoted=False)] == ['"Heroes" by', '"open']
    with pytest.raises(DataError, match=r"t.tsv, row 2: .*; to do: close or double the quotes"):
        read_records(path)


def test_separators_of_unicode_end_no_line(tmp_path: Path) -> None:
    path = write(tmp_path, "t.csv", "ID,text\na,x\x1cy\u2028z\n")
    (record,) = read_records(path)
    assert record.values["text"] == "x\x1cy\u2028z"
    assert record.text("text") == "xy\u2028z"
    assert read_lines(write(tmp_path, "t.txt", "a\x1cb\r\nc\x85d\n")) == ["a\x1cb", "c\x85d"]
    assert clean(" a\x08b\n") == "ab"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("t.csv", "a,b\n1,2\n1\n", "t.csv, row 3: 1 cells; allowed: 2"),
        ("t.csv", 'a,b\n1,"2\n', "t.csv, row 2: unexpected end of data"),
        ("t.csv", "a,a\n1,2\n", "column 'a' appears twice"),
        ("t.csv", "", "is empty"),
        ("t.jsonl", '{"a":1}\n{"a":\n', "t.jsonl, row 2: not valid JSON"),
        ("t.jsonl", '{"a":1,"a":2}\n', "key 'a' appears twice"),
        ("t.jsonl", "[1]\n", "t.jsonl, row 1: '[1]' is not a record"),
        ("t.json", '{"x": {"a": 1},\n "x": {"a": 2}}', "key 'x' appears twice"),
        ("t.txt", "a", "this file type can't be read"),
    ],
)
def test_a_broken_file_is_named_with_its_row(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(DataError, match=r".") as caught:
        read_records(write(tmp_path, name, text))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_mixed_encodings_are_told_with_the_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("ID,text\na,é\n".encode() + "b,é\n".encode("latin-1"))
    with pytest.raises(DataError, match="row 3: byte 0xe9 is not UTF-8"):
        read_records(path)
    path.write_bytes(b"\xef\xbb\xbfID\na\n")
    assert read_records(path)[0].values == {"ID": "a"}


def test_cells() -> None:
    record = Record({"x": "['a', \"b\"]", "y": '["a"]', "z": "a, b", "answer": "E", "n": None}, "f.csv, row 7")
    assert record.listed("x") == ["a", "b"]
    assert record.listed("y") == ["a"]
    for call, told in (
        (lambda: record.listed("z"), "f.csv, row 7: 'z' is not a list"),
        (lambda: record.letter("answer"), "f.csv, row 7: 'answer' is 'E'; allowed: A, B, C, D"),
        (lambda: record.text("n"), "f.csv, row 7: 'n' is empty"),
        (lambda: record.text("w"), "f.csv, row 7: column 'w' is missing"),
    ):
        with pytest.raises(DataError) as caught:
            call()
        assert told in str(caught.value)


def test_a_key_that_is_there_twice_is_told_with_both_rows() -> None:
    rows = [Record({"ID": "a"}, "f, row 2"), Record({"ID": "a"}, "f, row 5")]
    with pytest.raises(DataError, match="f, row 5: ID 'a' appears twice; allowed: once; first at f, row 2"):
        by_key(rows, "ID")
