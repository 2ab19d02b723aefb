"""The one rule for which option is chosen, and every place that chooses by it: ties, and the order of options."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from interp.data import OptionMark, Prompt, Task
from interp.plane import best, chosen_share, outcomes
from interp.plane._outcomes import METRICS
from interp.steering.engine import Scores
from interp.study.ask import ScoreTables, choices
from interp.study.folder._written import item_rows

ROLES = {
    "universal": ("right", "wrong", "wrong", "wrong", "candidate"),
    "cultural": ("local", "reference", "other", "other"),
}


def shares_by_loop(scores: np.ndarray, task: np.ndarray, wanted: np.ndarray) -> list[float]:
    """The rule, option by option."""
    found = []
    for label in sorted(set(task.tolist())):
        own = [i for i in range(len(task)) if task[i] == label]
        top = [i for i in own if scores[i] == max(scores[j] for j in own)]
        found.append(sum(bool(wanted[i]) for i in top) / len(top))
    return found


def test_the_share_is_that_of_a_plain_loop_in_any_order() -> None:
    draws = np.random.default_rng(0)
    for _ in range(200):
        n = int(draws.integers(1, 30))
        scores = draws.integers(-3, 0, (2, n)).astype(float)
        scores[draws.random(scores.shape) < 0.1] = -np.inf
        task, wanted = draws.integers(5, 9, n), draws.random(n) < 0.4
        found = chosen_share(scores, task, wanted)
        for plan in range(2):
            assert found[plan].tolist() == shares_by_loop(scores[plan], task, wanted)
        order = draws.permutation(n)
        assert (chosen_share(scores[:, order], task[order], wanted[order]) == found).all()
        assert (best(scores[:, order], task[order]) == best(scores, task)[:, order]).all()


def test_only_scores_that_are_exactly_equal_tie() -> None:
    task, wanted = np.zeros(2, dtype=int), np.array([True, False])
    assert chosen_share(np.array([-1.0, -1.0]), task, wanted).tolist() == [0.5]
    assert chosen_share(np.array([-1.0, np.nextafter(-1.0, 0.0)]), task, wanted).tolist() == [0.0]


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="the score of option 1 is NaN"):
        best(np.array([0.0, np.nan]), np.zeros(2, dtype=int))
    with pytest.raises(ValueError, match="one label for each of 3 options"):
        best(np.zeros(3), np.zeros(2, dtype=int))


def task_of(axis: str, number: int, order: np.ndarray, cue: str = "none") -> Task:
    """A task in Korean with options in Korean and in English, in the given order."""
    marks = []
    for index, role in enumerate(ROLES[axis]):
        codes = ("ko", "en") if role != "candidate" else ("ko",)
        marks += [
            OptionMark(f"{code} {index}", role, frozenset({code}), -1 if role == "candidate" else index, code == "ko")
            for code in codes
        ]
    marks = [marks[place] for place in order]
    prompt = Prompt(f"{axis} {number}", "ko", "?", tuple(mark.text for mark in marks))
    return Task(axis, cue, f"c{number}", prompt, tuple(marks), "?", relation="r")  # type: ignore[arg-type]


def scored(orders: list[tuple[str, int, str, np.ndarray]]) -> tuple[list[Task], Scores]:
    """Tasks whose options have whole numbers for scores, few enough that many tie, by their text and not their place."""
    tasks = [task_of(axis, number, order, cue) for axis, number, cue, order in orders]
    logp = [
        [float(np.random.default_rng([plan, *t.prompt.item.encode(), *t.cue.encode(), *m.text.encode()]).integers(-3, 0))
         for t in tasks for m in t.marks]
        for plan in range(2)
    ]  # fmt: skip
    starts = np.concatenate([[0], np.cumsum([len(t.marks) for t in tasks])])
    ones = np.ones(starts[-1])
    return tasks, Scores(np.array(logp, dtype=np.float32), ones, ones, starts)


def test_no_number_depends_on_the_order_of_options() -> None:
    draws = np.random.default_rng(1)
    asked = [("universal", n, "none") for n in range(12)]
    asked += [("cultural", n, cue) for n in range(12) for cue in ("none", "explicit")]
    sizes = {"universal": 9, "cultural": 8}
    tables = []
    for shuffled in (False, True):
        order = {one: draws.permutation(sizes[one[0]]) if shuffled else np.arange(sizes[one[0]]) for one in asked}
        tasks, scores = scored([(*one, order[one]) for one in asked])
        rows = ScoreTables(tasks, scores).tables(["base", "en"])
        questions = {(t.axis, "ko", t.prompt.item): "?" for t in tasks}
        shares = {role: choices(tasks, scores, role, "bytes") for role in ("right", "local")}
        tables.append((outcomes(rows), item_rows(rows, "bytes", questions), shares))
    (plain, items, shares), (plain_mixed, items_mixed, shares_mixed) = tables
    measured = [metric for metric in METRICS if metric != "transfer_sensitive"]
    assert plain[measured].notna().any().all()
    assert plain["transfer"].between(0, 1, inclusive="neither").any()
    assert plain["answer_language"].between(0, 1, inclusive="neither").any()
    pd.testing.assert_frame_equal(plain, plain_mixed)
    pd.testing.assert_frame_equal(items, items_mixed)
    for role, found in shares.items():
        assert (found == shares_mixed[role]).all()
    universal = plain[plain["axis"] == "universal"]
    assert shares["right"][:, :12].ravel().tolist() == universal["transfer"].tolist()


def test_where_all_options_score_alike_every_share_is_chance_and_no_position_wins() -> None:
    """What a tokenizer without the script gives: every option is the same unknown token."""
    for place in range(4):
        order = np.concatenate([np.roll(np.arange(0, 8, 2), place), np.arange(1, 8, 2)])
        task = task_of("cultural", 0, order)
        scores = Scores(np.full((1, 8), -2.0, dtype=np.float32), np.ones(8), np.ones(8), np.array([0, 8]))
        rows = ScoreTables([task], scores).table(0, "base")
        found = outcomes(rows).iloc[0]
        assert found[["localization", "us_bias", "answer_language"]].tolist() == [0.25, 0.25, 0.5]
        item = item_rows(rows, "bytes", {("cultural", "ko", "cultural 0"): "?"}).iloc[0]
        assert item["hit"] == 0.25
        assert item["chosen"] == "ko 0 | ko 1 | ko 2 | ko 3"
        assert item["role"] == "local | reference | other | other"


def test_the_answers_language_is_the_most_likely_options_not_the_most_likely_per_byte() -> None:
    """Korean takes three bytes a letter: per byte it wins, in all English does."""
    korean = OptionMark("가나다", "right", frozenset({"ko"}), 0)
    other = OptionMark("라마바", "wrong", frozenset({"ko"}), 1)
    english = OptionMark("abc", "right", frozenset({"en"}), 0, own=False)
    task = Task("universal", "none", "c", Prompt("i", "ko", "?", ("가나다", "라마바", "abc")), (korean, other, english))
    scores = Scores(
        np.array([[-9.0, -12.0, -6.0]], dtype=np.float32), np.ones(3), np.array([9.0, 9.0, 3.0]), np.array([0, 3]),
        neutral=np.array([[-9.0, -9.0, 0.0]], dtype=np.float32),
    )  # fmt: skip
    rows = ScoreTables([task], scores).table(0, "base")
    for normalisation in ("bytes", "mean", "sum", "pmi"):
        found = outcomes(rows, normalisation).iloc[0]
        assert (found["answer_language"], found["transfer"]) == (0.0, 1.0), normalisation
    rows.loc[0, "logp"] = -5.0
    for normalisation in ("bytes", "mean", "sum", "pmi"):
        assert outcomes(rows, normalisation)["answer_language"].tolist() == [1.0], normalisation
