"""What effects may be called, on contrasts whose verdict is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from figures import direction
from interp.plane import Cells, Resampling, macro_sentences, outcomes, verdict_table
from interp.plane._verdicts import CLAIMS, COLUMNS
from interp.study.score import control_table
from interp.study.score._report import CRITERIA
from tests.study.score.test_chance import scores


def row(
    metric: str, against: str, lo: float, *, method: str = "en", language: str = "macro", **more: Any
) -> dict[str, Any]:
    return {
        "metric": metric, "method": method, "against": against, "language": language, "estimate": lo + 0.1, "lo": lo,
        "hi": lo + 0.2, "p": 0.001, "p_holm": np.nan,
    } | more  # fmt: skip


def en(**los: float | None) -> list[dict[str, Any]]:
    """The contrasts of EN, all above 0; None leaves one out."""
    kinds = {
        "rises": ("transfer", "base"), "specific": ("transfer_specific", "base"),
        "third": ("transfer", "third_language"), "nonfactual": ("transfer", "nonfactual_en"),
        "stays": ("answer_language", "base"),
    }  # fmt: skip
    values = {name: los.get(name, 0.1) for name in kinds}
    return [row(*kinds[name], lo) for name, lo in values.items() if lo is not None]


def called(rows: list[dict[str, Any]], language: str = "macro") -> tuple[str, str]:
    (found,) = verdict_table(pd.DataFrame(rows)).query(f"language == '{language}'").to_dict("records")
    return found["called"], found["sentence"]


def test_transfer_where_every_criterion_holds() -> None:
    name, sentence = called(en())
    assert name == "transfer"
    assert sentence == (
        "On average over the languages, EN-steering raises accuracy (+0.200 [+0.100, +0.300], p = 0.001), and this "
        "counts as transfer: question-specific accuracy rises too, it beats a vector towards a third language, it beats a "
        "vector fitted on sentences without facts and the answers stay in the language of the question."
    )
    assert called(en(stays=-0.05))[0] == "transfer"  # neither more nor fewer


def test_a_shift_of_output_where_one_fails() -> None:
    for failing, words in {
        "specific": "the model prefers some answers whatever is asked (+0.050 [-0.050, +0.150])",
        "third": "it does not clearly beat a vector towards a third language (+0.050 [-0.050, +0.150])",
        "nonfactual": "it does not clearly beat a vector fitted on sentences without facts (+0.050 [-0.050, +0.150])",
    }.items():
        name, sentence = called(en(**{failing: -0.05}))
        assert name == "shift of output"
        assert "but this does not count as transfer: " in sentence
        assert words in sentence
    name, sentence = called(en(stays=-0.3))
    assert name == "shift of output"
    assert sentence.endswith("fewer answers are in the language of the question (-0.200 [-0.300, -0.100]).")


def test_answers_leave_the_language_by_the_interval_alone_whatever_holms_p() -> None:
    rows = [one | {"p_holm": 0.2} if one["metric"] == "answer_language" else one for one in en(stays=-0.3)]
    assert called(rows)[0] == "shift of output"


def test_what_does_not_rise_or_was_not_measured_gets_no_name() -> None:
    name, sentence = called(en(rises=-0.05))
    assert name == "no clear gain"
    assert sentence.startswith("On average over the languages, EN-steering does not clearly raise accuracy (+0.050 [")
    for lacking in ("specific", "third", "nonfactual", "stays"):
        assert called(en(**{lacking: None}))[0] == "undecided"
    empty = [one | {"lo": np.nan, "hi": np.nan} if one["metric"] == "transfer_specific" else one for one in en()]
    name, sentence = called(empty)
    assert name == "undecided"
    assert sentence.endswith("is open: the run did not measure whether question-specific accuracy rises too.")
    assert called(en(third=None, stays=-0.3))[0] == "shift of output"


def test_an_interval_above_0_does_not_count_where_holms_p_is_too_large() -> None:
    assert direction(row("transfer", "base", 0.1, p=0.028, p_holm=0.056)) == 0
    assert direction(row("transfer", "base", 0.1, p=0.02, p_holm=0.04)) == 1
    assert direction(row("transfer", "base", -0.3, p=0.02, p_holm=0.04)) == -1
    rows = en()
    rows[0] |= {"p": 0.028, "p_holm": 0.056}
    name, sentence = called(rows)
    assert name == "no clear gain"
    assert "Holm's p = 0.056" in sentence
    assert "0.028" not in sentence


def test_loc_has_to_beat_a_wrong_culture_and_a_placebo() -> None:
    rows = [row("localization", against, 0.1, method="loc") for against in ("base", "wrong_culture", "placebo_cue")]
    assert called(rows)[0] == "localization"
    for place in (1, 2):
        weak = [one | ({"lo": -0.01} if i == place else {}) for i, one in enumerate(rows)]
        assert called(weak)[0] == "unspecific gain"
    assert called(rows[:2])[0] == "undecided"


def test_languages_are_judged_apart_and_a_mean_names_those_that_go_the_other_way() -> None:
    rows = [row("localization", against, 0.1, method="loc") for against in ("base", "wrong_culture", "placebo_cue")]
    rows += [one | {"language": "es", "lo": 0.2, "estimate": 0.3, "hi": 0.4} for one in rows]
    rows += [one | {"language": "zh", "lo": -0.37, "estimate": -0.269, "hi": -0.1} for one in rows[:3]]
    table = verdict_table(pd.DataFrame(rows))
    assert table["called"].tolist() == ["localization", "localization", "loss"]
    assert tuple(table.columns) == COLUMNS
    [macro] = macro_sentences(table)
    assert "; the other way in Chinese -0.269 [-0.370, -0.100])" in macro
    assert "Spanish" not in macro
    assert "the other way" not in called(rows, "zh")[1]
    assert called(rows, "zh")[1].startswith("In Chinese, LOC-steering lowers localization (-0.269 [")


def test_a_run_measures_what_the_verdicts_ask_for() -> None:
    asked = {(c.metric, claim.method, c.against) for claim in CLAIMS for c in claim.criteria if not c.drawn}
    assert asked | {(claim.metric, claim.method, "base") for claim in CLAIMS} <= set(CRITERIA)


def target(**los: float) -> list[dict[str, Any]]:
    """The contrasts of the target language's vector, all above 0 where nothing else is said."""
    against = ("base", "wrong_language")
    return [row("localization", name, los.get(name, 0.1), method="loc_language") for name in against]


def draws(beaten: int, n: int = 20, language: str = "macro") -> pd.DataFrame:
    """The rows of `controls.csv` of n draws, of which the target language's vector beats so many."""
    rows = [
        {"control": control, "draw": draw, "axis": axis, "metric": metric, "language": language, "difference": 0.0,
         "beaten_by_loc_language": count}
        for control, axis, metric, count in (
            ("random", "cultural", "localization", beaten),
            ("shuffled", "cultural", "localization", 0),
            ("random", "universal", "transfer", np.nan),
        )
        for draw in range(n)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_target_languages_vector_has_to_beat_a_wrong_language_and_every_random_vector() -> None:
    def verdict(rows: list[dict[str, Any]], controls: pd.DataFrame | None) -> tuple[str, str]:
        (found,) = verdict_table(pd.DataFrame(rows), controls).to_dict("records")
        return found["called"], found["sentence"]

    name, sentence = verdict(target(), draws(20))
    assert name == "localization"
    assert sentence == (
        "On average over the languages, the target language's vector raises localization (+0.200 [+0.100, +0.300], "
        "p = 0.001), and this counts as localization: it beats the vector of a wrong language and it beats 20 random "
        "vectors."
    )
    name, sentence = verdict(target(), draws(19))
    assert name == "unspecific gain"
    assert sentence.endswith("localization: some random vectors gain at least as much (19 of 20 gain less).")
    name, sentence = verdict(target(wrong_language=-0.01), draws(20))
    assert name == "unspecific gain"
    assert "it does not clearly beat the vector of a wrong language (+0.090 [-0.010, +0.190])." in sentence
    for controls in (None, draws(19, n=19), draws(20, language="es"), draws(20).drop(columns="beaten_by_loc_language")):
        name, sentence = verdict(target(), controls)
        assert name == "undecided"
        assert sentence.endswith("is open: the run did not measure whether it beats 20 random vectors.")
    assert verdict(target(), draws(3, n=5))[0] == "unspecific gain"
    assert verdict(target(base=-0.05), draws(20))[0] == "no clear gain"


def test_controls_count_the_draws_that_each_reading_of_loc_beats() -> None:
    hits = {"base": 1, "loc_language": 3, "surgical_language": 2, "random_00": 2, "random_01": 3, "random_02": 0}
    tables = [scores(["local"] * n + ["reference"] * (4 - n)).assign(method=method) for method, n in hits.items()]
    found = outcomes(pd.concat(tables), "sum")
    cells = Cells(found, Resampling.over({"cultural": sorted(found["cluster"].unique())}, 50, 0))
    table = control_table(cells, {"random": ["random_00", "random_01", "random_02"]})
    rows = table[(table["metric"] == "localization") & (table["language"] == "es")]
    assert rows["difference"].tolist() == [0.25, 0.5, -0.25]
    assert set(rows["beaten_by_loc_language"]) == {2}  # an equal draw is not beaten
    assert set(rows["beaten_by_surgical_language"]) == {1}


def test_a_sentence_ends_with_the_headroom_of_its_effect() -> None:
    told = {("en", "macro", "transfer"): "Headroom says so.", ("en", "macro", "localization"): "No."}
    (found,) = verdict_table(pd.DataFrame(en()), None, told)["sentence"]
    assert found.endswith("the answers stay in the language of the question. Headroom says so.")


def test_other_methods_alone_give_no_verdict() -> None:
    table = verdict_table(pd.DataFrame([row("transfer", "base", 0.1, method="surgical")]))
    assert table.empty
    assert tuple(table.columns) == COLUMNS


def test_the_mean_over_a_single_language_is_called_by_its_name() -> None:
    rows = [row("localization", "base", -0.3, method="loc")]
    (alone,) = macro_sentences(verdict_table(pd.DataFrame([*rows, *(one | {"language": "el"} for one in rows)])))
    assert alone.startswith("In Greek, LOC-steering lowers localization (-0.200 [")
    two = [one | {"language": code} for code in ("el", "es") for one in rows]
    (mean,) = macro_sentences(verdict_table(pd.DataFrame([*rows, *two])))
    assert mean.startswith("On average over the languages, LOC-steering lowers")
