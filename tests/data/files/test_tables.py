"""Tables that can't be read say which file, which row, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from interp.data.atlas import _atlas as atlas
from interp.data.atlas._names import Names
from interp.data.files import read_table
from interp.errors import DataError


def written(folder: Path, text: str) -> Path:
    path = folder / "t.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("key,en\na,b\n", "column 'es' is missing"),
        ("key,en,es\na,b,c\nd,e\n", "row 3: 2 cells; allowed: 3, as in the header"),
        ("key,en,es\na,b,c,d\n", "row 2: 4 cells; allowed: 3, as in the header"),
        ("key,en,es\na,,c\n", "row 2: 'en' is empty"),
        ("", "t.csv is empty"),
    ],
)
def test_bad_tables(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_table(written(tmp_path, text), ("key", "en", "es"))


def test_quoted_cells_keep_their_commas(tmp_path: Path) -> None:
    assert read_table(written(tmp_path, 'key,en\na,"b, c"\n'), ("key", "en")) == [{"key": "a", "en": "b, c"}]


@pytest.mark.parametrize("key", ["territory:XQ", "city:nowhere", "unit:nonsense", "language:zzz"])
def test_unknown_names(key: str) -> None:
    with pytest.raises(DataError, match=r"is unknown; allowed: keys of names\.csv"):
        Names({}, atlas.LANGUAGES)[key]


def test_an_answer_outside_the_lexicon_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = atlas.table

    def broken(name: str, *columns: str) -> list[dict[str, str]]:
        rows = plain(name, *columns)
        return [row | {"ES": "no_such_thing"} for row in rows] if name == "answers" else rows

    monkeypatch.setattr(atlas, "table", broken)
    with pytest.raises(DataError, match=r"'no_such_thing' is unknown; allowed: keys of lexicon\.csv"):
        atlas.cultural.__wrapped__()
