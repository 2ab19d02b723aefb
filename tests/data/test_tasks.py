"""Tasks: which options a prompt is scored with, and what each of them is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from interp.data import atlas, cultural_tasks, everything, universal_tasks
from interp.errors import DataError


def test_plain_tasks_hold_the_items_own_options() -> None:
    for task in universal_tasks(atlas.universal(), "ko", "dev", everything):
        assert [m.index for m in task.marks] == [0, 1, 2, 3]
        assert sum(m.role == "right" for m in task.marks) == 1
        assert task.prompt.continuations == tuple(" " + m.text for m in task.marks)


def test_full_tasks_add_other_languages_and_the_relations_answers() -> None:
    items = {item.key: item for item in atlas.universal().items}
    for task in universal_tasks(atlas.universal(), "zh", "dev", everything, full=True)[::7]:
        item = items[task.prompt.item]
        assert len({m.text for m in task.marks}) == len(task.marks)
        for code in atlas.LANGUAGES:
            in_code = {m.index for m in task.marks if code in m.languages and m.index >= 0}
            assert in_code == {0, 1, 2, 3}
        candidates = {m.text for m in task.marks if m.role == "candidate"}
        own = {o["zh"] for o in item.options}
        assert candidates | own >= {c["zh"] for c in item.candidates}


def test_an_explicit_prompt_is_the_implicit_one_behind_its_cue() -> None:
    dataset = atlas.cultural()
    plain = cultural_tasks(dataset, "el", "GR", "dev", everything)
    cued = cultural_tasks(dataset, "el", "GR", "dev", everything, "explicit")
    assert plain
    for a, b in zip(plain, cued, strict=True):
        assert b.prompt.text == f"{dataset.cues['GR']['el']} {a.prompt.text}"
        assert b.marks == a.marks


def test_what_does_not_count_is_left_out() -> None:
    dropped = atlas.universal().items[0].key
    split = atlas.universal().items[0].split
    tasks = universal_tasks(atlas.universal(), "es", split, lambda axis, item, code: item != dropped)
    assert len(tasks) == sum(i.split == split for i in atlas.universal().items) - 1


def test_an_option_whose_text_is_anothers_in_another_language_is_not_lost() -> None:
    """Option 0 is called in English what option 2 is called in Spanish; and a candidate what option 1 is in English."""
    dataset = atlas.universal()
    item = next(item for item in dataset.items if item.split == "dev")
    options = [dict.fromkeys(dataset.languages, name) for name in ("Aa", "Bb", "Cc", "Dd")]
    options[0]["en"], options[1]["en"] = "Cc", "Ee"
    candidate = dict.fromkeys(dataset.languages, "Ee")
    odd = replace(item, options=tuple(options), answer=2, candidates=(*options, candidate))
    [task] = universal_tasks(replace(dataset, items=(odd,)), "es", "dev", everything, full=True)
    own = [(m.text, m.index, m.role) for m in task.marks if m.own]
    assert own == [
        ("Aa", 0, "wrong"), ("Bb", 1, "wrong"), ("Cc", 2, "right"), ("Dd", 3, "wrong"), ("Ee", -1, "candidate")
    ]  # fmt: skip
    english = {m.index: m.text for m in task.marks if "en" in m.languages and m.index >= 0}
    assert english == {0: "Cc", 1: "Ee", 2: "Cc", 3: "Dd"}
    assert [m.own for m in task.marks] == [True] * 4 + [False] * 2 + [True]  # own texts come first
    assert task.prompt.continuations == tuple(" " + m.text for m in task.marks)


def test_test_prompts_name_their_relation_and_score_all_of_its_answers() -> None:
    """What question-specific transfer stands on: the same answers behind every question of a relation."""
    facts = atlas.universal()
    relation = {item.key: item.relation for item in facts.items}
    tasks = universal_tasks(facts, "ko", "test", everything, full=True)
    answers: dict[str, set[frozenset[str]]] = {}
    for task in tasks:
        assert task.relation == relation[task.prompt.item]
        answers.setdefault(task.relation, set()).add(frozenset(mark.text for mark in task.marks if mark.own))
    assert len(answers) > 5
    assert all(len(sets) == 1 for sets in answers.values())


def test_worked_examples_come_out_of_the_fit_split_where_a_set_has_none() -> None:
    """One of each relation first, none of them left among the items; fewer are some of more, whatever the order."""
    dataset = atlas.universal()
    few, more = dataset.with_examples(4), dataset.with_examples(30)
    assert few.examples == more.examples[:4]
    relations = {item.relation for item in dataset.items if item.split == "fit" and not item.sensitive}
    assert {item.relation for item in more.examples[: len(relations)]} == relations
    assert {item.split for item in more.examples} == {"fit"}
    keys = {item.key for item in more.examples}
    assert len(keys) == 30
    assert [item.key for item in more.items] == [item.key for item in dataset.items if item.key not in keys]
    turned = replace(dataset, items=dataset.items[::-1])
    assert turned.with_examples(30).examples == more.examples
    assert more.with_examples(7) is more
    with pytest.raises(DataError, match="lower --shots"):
        dataset.with_examples(len(dataset.items))
    with pytest.raises(DataError, match="has 30 items"):
        more.with_examples(31)
