"""Tables in LaTeX: the numbers of the run, and texts that LaTeX can print."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from figures import RunTables, latex
from figures._latex import escape


@pytest.fixture
def run(tmp_path: Path) -> RunTables:
    row = {
        "language": "macro", "transfer": 0.48, "transfer_lo": 0.44, "transfer_hi": 0.522, "localization": 0.7364,
        "localization_lo": 0.669, "localization_hi": 0.803, "d_transfer": -0.02, "d_transfer_lo": -0.03,
        "d_transfer_hi": 0.01, "d_localization": 0.1, "d_localization_lo": 0.05, "d_localization_hi": 0.15,
        "n_universal": 60, "n_cultural": 20,
    }  # fmt: skip
    rows = [row | {"method": name} for name in ("base", "en", "50%_of & more")]
    pd.DataFrame([*rows, row | {"method": "en", "language": "ko"}]).to_csv(tmp_path / "plane.csv", index=False)
    (tmp_path / "manifest.json").write_text(json.dumps({}))
    return RunTables.of(tmp_path)


def test_every_macro_row_is_there_with_its_interval(run: RunTables) -> None:
    ((name, text),) = latex(run)
    assert name == "plane"
    lines = [line.removesuffix(r" \\").split(" & ") for line in text.split("\n") if "[0" in line]
    assert [cells[0] for cells in lines] == ["base (unsteered)", "EN-steering", r"50\% of \& more"]
    assert lines[1][1:] == [
        "0.480 [0.440, 0.522]", "0.736 [0.669, 0.803]", "$-$0.020 [$-$0.030, +0.010]", "+0.100 [+0.050, +0.150]",
    ]  # fmt: skip
    assert lines[0][3].strip() == ""
    assert r"Test split (60 universal and 20 cultural prompts)" in text
    assert r"95\% intervals" in text
    assert r"\toprule" in text


def test_special_characters_are_printed_not_obeyed() -> None:
    assert escape(r"a_b & 5% {x} \input{y} #1 $z$ ~ ^") == (
        r"a\_b \& 5\% \{x\} \textbackslash{}input\{y\} \#1 \$z\$ \textasciitilde{} \textasciicircum{}"
    )
    assert escape("[-0.1, +0.2] third-language -5") == "[$-$0.1, +0.2] third-language $-$5"


def test_what_is_refused(run: RunTables) -> None:
    with pytest.raises(ValueError, match="table 'plain' is unknown; allowed: "):
        list(latex(run, ["plain"]))
    with pytest.raises(ValueError, match="has no table erasure"):
        list(latex(run, ["erasure"]))
