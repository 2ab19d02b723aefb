"""Which test prompts a design looks at."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from interp.model import LoadedModel
from interp.plane._specific import FEWEST
from interp.study.ask import prepare
from interp.study.config import RunConfig


def test_compared_questions_are_enough_of_a_relation_to_tell_what_is_specific(organism: LoadedModel) -> None:
    study = prepare(RunConfig(design="medium"), organism)
    for code in study.languages:
        tasks = study.universal_tasks(code, "test", full=True)
        assert len(tasks) == study.design.tested[0]
        compared = [task for task in tasks if any(mark.role == "candidate" for mark in task.marks)]
        assert max(Counter(task.relation for task in compared).values()) > FEWEST
        plain = {task.prompt.item for task in study.universal_tasks(code, "test")}
        assert {task.prompt.item for task in tasks} == plain


def test_designs_that_share_their_rendering_look_at_what_they_would_alone(organism: LoadedModel) -> None:
    shared = replace(prepare(RunConfig(design="small"), organism), rendered={})
    for name in ("small", "medium", "large"):
        alone = prepare(RunConfig(design=name), organism)
        together = replace(shared, config=alone.config)
        for code in alone.languages:
            for full in (False, True):
                assert together.universal_tasks(code, "test", full=full) == alone.universal_tasks(
                    code, "test", full=full
                )
            for cue in ("none", "explicit"):
                assert together.cultural_tasks(code, "dev", cue) == alone.cultural_tasks(code, "dev", cue)
                assert together.cultural_tasks(code, "test", cue) == alone.cultural_tasks(code, "test", cue)


def test_a_copy_with_another_setting_encodes_no_text_again(organism: LoadedModel) -> None:
    study = prepare(RunConfig(design="small"), organism)
    plain = replace(study, config=replace(study.config, normalisation="sum"))
    assert plain.tokens is study.tokens
