"""Tables of results as they are read: text that looks like nothing, or like a number, is text."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from figures import read_table
from figures._tables import TEXT

ODD = ("NA", "no", "nan", "NaN", "null", "None", "N/A", "#N/A", "inf", "true", "007", "1e5")


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("word", ODD)
def test_text_that_looks_like_nothing_or_like_a_number_stays_text(tmp_path: Path, word: str) -> None:
    path = write(tmp_path, f"method,culture,language,layer,transfer\nen,{word},{word},3,0.5\nen,,macro,,\n")
    table = read_table(path)
    assert table["culture"].tolist() == [word, ""]
    assert table["language"].tolist() == [word, "macro"]
    assert table["layer"].dtype == table["transfer"].dtype == float
    assert table["layer"][0] == 3
    assert math.isnan(table["transfer"][1])


def test_a_column_of_numbers_without_gaps_keeps_its_kind(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "method,n,p,own_culture\na,1,0.25,True\nb,2,1e-05,False\n"))
    assert table.dtypes[["n", "p", "own_culture"]].tolist() == [int, float, bool]


def test_text_reads_digit_for_digit(tmp_path: Path) -> None:
    path = write(tmp_path, "language,transfer,n\nNA,0.50,\nnan,1e-05,7\n")
    table = read_table(path, text=True)
    assert table.to_dict("list") == {"language": ["NA", "nan"], "transfer": ["0.50", "1e-05"], "n": ["", "7"]}
    assert table.to_csv(index=False, lineterminator="\n") == path.read_text()


def test_parquet_keeps_the_texts_it_has(tmp_path: Path) -> None:
    table = pd.DataFrame({"culture": [*ODD, ""], "n": [1.0] * len(ODD) + [math.nan]})
    table.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.parquet"), table, check_dtype=False)


def test_what_excludes_0_under_no_normalisation_is_an_empty_text(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "metric,sum,sign,excludes_0\ntransfer,0.1,same,\nus_bias,0.2,same,sum mean\n"))
    assert table["excludes_0"].tolist() == ["", "sum mean"]


def test_text_columns_are_named_once() -> None:
    assert {"culture", "language", "method", "model", "run", "item", "condition", "against"} <= TEXT
    assert not {"layer", "strength", "n", "own_culture", "front", "chosen"} & TEXT


def test_an_estimate_is_a_number_also_where_its_name_is_that_of_a_column_of_text(tmp_path: Path) -> None:
    """`universal` is a dataset in plane.csv, and a layer in onsets.csv."""
    onsets = read_table(write(tmp_path, "language,universal,universal_lo,universal_hi\nes,0,0,6\nko,,,\n"))
    assert onsets["universal"].tolist()[0] == 0.0
    assert math.isnan(onsets["universal"][1])
    assert read_table(write(tmp_path, "language,universal,transfer\nes,NA,0.5\n"))["universal"].tolist() == ["NA"]
