"""Case by the rules of a language."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from interp.data import load_cultural
from interp.data.files import capital, folded


@pytest.mark.parametrize(
    ("text", "language", "wanted"),
    [
        ("ISI", "tr", "ısı"), ("İSİ", "tr", "isi"), ("I\u0307Sİ", "tr", "isi"), ("IŞIQ", "az", "ışıq"),
        ("ISI", "en", "isi"), ("STRASSE", "de", "strasse"), ("Straße", "de", "strasse"), ("ΣΟΦΟΣ", "el", "σοφοσ"),
    ],
)  # fmt: skip
def test_folded(text: str, language: str, wanted: str) -> None:
    assert folded(text, language) == wanted


def test_capital() -> None:
    assert [capital("i", code) for code in ("tr", "az", "en")] == ["İ", "İ", "I"]
    assert capital("ı", "tr") == "I"


def own_culture_file(folder: Path, answers: dict[str, str]) -> Path:
    """Items in Turkish whose answers per culture are `answers`, and three further cultures' options."""
    rows = [
        {"item": f"i{n}", "language": "tr", "topic": f"t{n}", "question": f"S{n}?", "culture": culture,
         "answer": answer, "own_culture": "TR"}
        for n in range(12)
        for culture, answer in {**answers, "KR": "kimçi", "GR": "kefi", "CN": "çay"}.items()
    ]  # fmt: skip
    path = folder / "mine.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_answers_of_ones_own_are_the_same_concept_by_turkish_case(tmp_path: Path) -> None:
    """`ISI` is the capitals of `ısı` (heat), and not those of `isi` (its soot)."""
    apart = load_cultural(str(own_culture_file(tmp_path, {"TR": "ISI", "US": "isi"})))
    assert all(set(item.answers["TR"]).isdisjoint(item.answers["US"]) for item in apart.items)
    rows = pd.read_csv(tmp_path / "mine.csv", keep_default_na=False)
    rows.loc[rows["culture"] == "KR", "answer"] = "ısı"
    rows.to_csv(tmp_path / "mine.csv", index=False)
    same = load_cultural(str(tmp_path / "mine.csv"))
    assert all(item.answers["TR"] == item.answers["KR"] for item in same.items)
