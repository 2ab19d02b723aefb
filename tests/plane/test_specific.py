"""Question-specific transfer: scores whose answer is known, and the definition option by option."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from interp.plane import outcomes
from interp.plane._specific import FEWEST

ANSWERS = [f"answer {i}" for i in range(6)]


def rows_of(
    scores: Mapping[str, np.ndarray], *, language: str = "ko", listed: int = 4, clusters: list[str] | None = None
) -> list[dict[str, Any]]:
    """Questions q of one relation whose right answer is number q % 6, scored behind all answers; `listed` are options.

    scores: method -> [question, answer].
    """
    rows = []
    for method, values in scores.items():
        for q, row in enumerate(values):
            right = q % len(ANSWERS)
            options = [right, *[a for a in range(len(ANSWERS)) if a != right][: listed - 1]]
            for answer, value in enumerate(row):
                index = options.index(answer) if answer in options else -1
                role = "candidate" if index < 0 else "right" if answer == right else "wrong"
                rows.append(
                    {"method": method, "axis": "universal", "cue": "none", "language": language, "item": f"q{q}",
                     "cluster": clusters[q] if clusters else f"c{q}", "relation": "r", "option": index, "role": role,
                     "own": True, "languages": language, "text": ANSWERS[answer], "logp": float(value), "tokens": 1.0,
                     "bytes": 1.0, "neutral": np.nan}
                )  # fmt: skip
    return rows


def accuracy(table: pd.DataFrame, method: str, metric: str) -> float:
    return float(table.loc[table["method"] == method, metric].mean())


def knowing(n: int, strength: float, seed: int) -> np.ndarray:
    """Noise, a preference for some answers, and `strength` for the right one."""
    draws = np.random.default_rng(seed)
    scores = draws.normal(0, 1, (n, 6)) + np.array([2.0, 1.0, 0.0, 0.0, -1.0, -2.0])
    scores[np.arange(n), np.arange(n) % 6] += strength
    return scores


def test_a_preference_for_answers_whatever_is_asked_raises_accuracy_and_not_the_specific() -> None:
    """EN takes the model's favour for some answers away: accuracy rises, and nothing more is known."""
    base = knowing(120, 1.5, 0)
    favour = np.array([2.0, 1.0, 0.0, 0.0, -1.0, -2.0])
    table = outcomes(pd.DataFrame(rows_of({"base": base, "en": base - favour})), "sum")
    assert accuracy(table, "en", "transfer") > accuracy(table, "base", "transfer") + 0.1
    assert accuracy(table, "en", "transfer_specific") == accuracy(table, "base", "transfer_specific")


def test_a_rise_of_the_right_answer_behind_its_own_question_raises_both() -> None:
    base = knowing(120, 1.0, 1)
    steered = base.copy()
    steered[np.arange(120), np.arange(120) % 6] += 1.0
    table = outcomes(pd.DataFrame(rows_of({"base": base, "en": steered})), "sum")
    for metric in ("transfer", "transfer_specific"):
        assert accuracy(table, "en", metric) > accuracy(table, "base", metric) + 0.1


def test_one_question_by_hand() -> None:
    """Answer 0 is 3 behind every other question and 4 behind its own: +1. Answer 1 is 0 and 2: +2, and it wins."""
    scores = np.zeros((6, 6))
    scores[:, 0], scores[:, 1] = 3.0, 0.0
    scores[0, :2] = 4.0, 2.0
    table = outcomes(pd.DataFrame(rows_of({"base": scores})), "sum").set_index("item")
    assert table.loc["q0", ["transfer", "transfer_specific"]].tolist() == [1.0, 0.0]


def specific_by_loop(rows: list[dict[str, Any]]) -> dict[tuple[str, str, str], float]:
    """The definition, one question and one option at a time."""
    found = {}
    for key in dict.fromkeys((r["method"], r["language"], r["item"]) for r in rows):
        own = [r for r in rows if (r["method"], r["language"], r["item"]) == key and r["own"]]
        values: list[tuple[float, str]] = []
        for option in (r for r in own if r["option"] >= 0):
            others = [
                r["logp"] for r in rows
                if r["own"] and (r["method"], r["language"]) == key[:2] and r["relation"] == option["relation"]
                and r["text"] == option["text"] and r["cluster"] != option["cluster"]
            ]  # fmt: skip
            values.append((option["logp"] - np.mean(others) if len(others) >= 4 else np.nan, option["role"]))
        numbers = [value for value, _ in values]
        if np.isnan(numbers).any():
            found[key] = np.nan
            continue
        top = [role for value, role in values if value >= max(numbers) - 1e-9]
        found[key] = top.count("right") / len(top)
    return found


def test_it_is_the_definition_option_by_option_over_methods_languages_relations_and_shared_entities() -> None:
    draws = np.random.default_rng(2)
    clusters = [f"c{q // 2}" for q in range(14)]  # two questions an entity
    rows = []
    for language in ("ko", "es"):
        for relation in ("r", "s"):
            some = rows_of(
                {m: draws.normal(0, 1, (14, 6)) for m in ("base", "en")}, language=language, clusters=clusters
            )
            rows += [row | {"relation": relation, "item": f"{relation} {row['item']}"} for row in some]
    few = rows_of({m: draws.normal(0, 1, (FEWEST, 6)) for m in ("base", "en")})
    rows += [row | {"relation": "few", "item": f"few {row['item']}"} for row in few]
    table = outcomes(pd.DataFrame(rows), "sum").set_index(["method", "language", "item"])["transfer_specific"]
    expected = specific_by_loop(rows)
    assert len(expected) == len(table)
    assert {key[2] for key, value in expected.items() if np.isnan(value)} == {f"few q{q}" for q in range(FEWEST)}
    for key, value in expected.items():
        assert table[key] == pytest.approx(value, nan_ok=True), key


def test_fewer_than_four_other_entities_leave_an_item_without_a_value() -> None:
    for n, measured in ((FEWEST, False), (FEWEST + 1, True)):
        table = outcomes(pd.DataFrame(rows_of({"base": knowing(n, 1.0, 3)})), "sum")
        assert table["transfer_specific"].notna().all() == measured
        assert table["transfer_specific"].notna().any() == measured
    same_entity = rows_of({"base": knowing(12, 1.0, 3)}, clusters=["c0"] * 6 + [f"c{q}" for q in range(6, 12)])
    assert outcomes(pd.DataFrame(same_entity), "sum")["transfer_specific"].notna().all()
    same_entity = rows_of({"base": knowing(12, 1.0, 3)}, clusters=["c0"] * 9 + [f"c{q}" for q in range(9, 12)])
    table = outcomes(pd.DataFrame(same_entity), "sum").set_index("cluster")["transfer_specific"]
    assert table["c0"].isna().all()
    assert table.drop("c0").notna().all()


def test_only_own_options_scored_leave_no_value() -> None:
    """Without the relation's other answers, which questions have an option depends on how options were drawn."""
    rows = [row for row in rows_of({"base": knowing(60, 1.0, 4)}) if row["role"] != "candidate"]
    assert outcomes(pd.DataFrame(rows), "sum")["transfer_specific"].isna().all()
    whole = rows_of({"base": knowing(60, 1.0, 4)}, listed=6)  # every answer is an option of every question
    assert outcomes(pd.DataFrame(whole), "sum")["transfer_specific"].notna().all()


def test_neither_other_methods_nor_other_languages_change_a_value() -> None:
    base = knowing(30, 1.0, 5)
    alone = outcomes(pd.DataFrame(rows_of({"base": base})), "sum")["transfer_specific"]
    more = rows_of({"en": knowing(30, 3.0, 6), "base": base}) + rows_of({"base": knowing(30, 0.0, 7)}, language="es")
    table = outcomes(pd.DataFrame(more), "sum")
    kept = table[(table["method"] == "base") & (table["language"] == "ko")]["transfer_specific"]
    assert kept.tolist() == alone.tolist()
