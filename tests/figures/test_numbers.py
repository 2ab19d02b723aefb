"""What is said of estimates, also of those that are missing."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from figures import _alt as alt
from figures import estimate, p_equals
from interp.cli.setup._showing import left_out_lines
from interp.data import LeftOut
from interp.study.locate import comparison_lines
from interp.study.locate._findings import _attribution, _probe

NAN = math.nan


@pytest.mark.parametrize(
    ("given", "signed", "text"),
    [
        ((0.48, 0.451, 0.512), False, "0.480 [0.451, 0.512]"),
        ((0.1, -0.02, 0.2), True, "+0.100 [-0.020, +0.200]"),
        ((0.1,), True, "+0.100"),
        ((0.1, NAN, 0.2), False, "0.100"),
        ((NAN, 0.1, 0.2), True, "not measured"),
    ],
)
def test_an_estimate_in_words(given: tuple[float, ...], signed: bool, text: str) -> None:
    assert estimate(*given, signed=signed) == text


def test_a_number_of_a_table_that_is_missing_is_not_nan() -> None:
    assert alt.number({"d": NAN, "d_lo": NAN, "d_hi": NAN}, "d", signed=True) == "not measured"
    assert alt.number({"d": 0.5}, "d") == "0.500"
    assert alt.number({"d": None}, "d") == "not measured"


def attribution(control: float, missing: float) -> pd.DataFrame:
    row = {
        "kind": "direct",
        "contrast": "right - wrong",
        "component": "mlp",
        "head": "",
        "language": "es",
        "lo": 0.5,
        "hi": 1.5,
    }
    return pd.DataFrame(
        [
            row | {"layer": 2, "estimate": 1.0, "control": control},
            row | {"layer": 3, "estimate": missing, "control": 0.0},
        ]
    )


def test_a_control_that_was_not_measured_is_not_nan_and_a_missing_effect_is_not_the_largest() -> None:
    [line] = _attribution(attribution(NAN, NAN))
    assert line.startswith("The MLP of block 2")
    assert line.endswith("+1.00 [+0.50, +1.50] logits, control not measured.")
    [line] = _attribution(attribution(0.25, 0.5))
    assert line.endswith("logits, control +0.25.")


def test_findings_of_what_was_not_measured() -> None:
    columns = {"probe": "culture", "layer": [0, 1], "accuracy_lo": 0.1, "accuracy_hi": 0.9, "selectivity_lo": 0.0, "selectivity": 0.1,
               "shuffled": NAN, "baseline": NAN, "beats_control": 0.0}  # fmt: skip
    half = _probe(pd.DataFrame(columns | {"accuracy": [0.5, NAN]}), "culture", "it")
    assert "best at layer 0: accuracy 0.50 [0.10, 0.90], shuffled labels not measured" in half
    none = _probe(pd.DataFrame(columns | {"accuracy": [NAN, NAN]}), "culture", "it")
    assert none.startswith("It was not measured")
    assert "nan" not in p_equals(NAN)


def test_the_largest_difference_of_a_signal_is_one_that_was_measured() -> None:
    rows = {"model": "m", "language": "macro", "signal": "answer", "layer": [0, 1], "difference": [0.2, NAN],
            "difference_lo": [0.1, NAN], "difference_hi": [0.3, NAN]}  # fmt: skip
    assert comparison_lines(pd.DataFrame(rows), ["m"]) == [
        "Excess of each signal in m minus base, where they differ most: answer +0.20 [+0.10, +0.30] at layer 0 (differs at 1 of 1 layers)."
    ]


def test_alt_texts_keep_the_capitals_of_names() -> None:
    table = pd.DataFrame(
        [{"method": "midalign", "language": "macro", "layer": 3, "restored": 0.1, "erasure": 0.2}]
    )  # fmt: skip
    text = alt.mechanism(table)
    assert text.startswith("Undoing the shift of MidAlign after layer 3"), text


@pytest.mark.parametrize(
    ("left", "name"),
    [
        (LeftOut("dev", "file", "no dev file", 0), "dev"),
        (LeftOut("a", "file", "empty"), "a"),
        (LeftOut("a", "file", "empty", 3), "a and 2 more"),
    ],
)
def test_how_many_are_left_out_is_said_once_and_never_below_zero(left: LeftOut, name: str) -> None:
    assert left_out_lines([left]) == [f"{name}  file  {left.reason}"]
