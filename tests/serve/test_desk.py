"""Answers at the desk are those of `score`, `generate` and the run's own tables."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import interp
from interp.data import Prompt, question_text
from interp.errors import ConfigError, DataError, ModelError
from interp.serve import Ask, Desk, HandSteer, fitted_desk
from interp.serve._exports import plan_document, plan_python
from interp.study.ask import score_tasks
from interp.study.config import RunConfig

STEERS = (
    HandSteer(vectors="en.el", layer=2, strength=1.5, positions="text"),
    HandSteer(vectors="loc.el", layer=5, strength="0.2r"),
)
TYPED = Ask(language="el", question="Πού είναι ο Νείλος;", options=("Αίγυπτος", "Ιταλία", "Κίνα"), steers=STEERS)


def events(desk: Desk, ask: Ask) -> dict[str, dict]:
    return {event["event"]: event for event in desk.answer(ask)}


def test_options_are_scored_as_score_does(desk: Desk) -> None:
    found = events(desk, TYPED)["options"]
    text = question_text(TYPED.question, "el")
    prompt = Prompt("asked", "el", text, tuple(f" {option}" for option in TYPED.options))
    expected = interp.score(desk.study.loaded, [prompt], [interp.Plan(), desk.plan(STEERS)])
    for side, logp in zip(("unsteered", "steered"), expected.logp, strict=True):
        assert found["sides"][side]["logp"] == logp.tolist()
        per_byte = logp / expected.bytes
        share = np.exp(per_byte - per_byte.max())
        np.testing.assert_allclose(found["sides"][side]["share"], share / share.sum(), rtol=1e-6)
        assert found["sides"][side]["chosen"].index(True) == int(per_byte.argmax())
    assert found["sides"]["unsteered"]["logp"] != found["sides"]["steered"]["logp"]


@pytest.mark.parametrize("axis", ["universal", "cultural"])
def test_an_item_has_the_runs_own_scores_under_its_plan(desk: Desk, opened_run: Path, axis: str) -> None:
    method = {"universal": "en", "cultural": "loc"}[axis]
    tables = {name: pd.read_parquet(opened_run / "scores" / f"{name}.parquet") for name in ("base", method)}
    tables = {name: table[table["language"] == "el"] for name, table in tables.items()}
    item = tables["base"].query("axis == @axis and cue == 'none'")["item"].iloc[0]
    steers = tuple(HandSteer(**steer) for steer in desk.chosen[method]["el"])
    found = events(desk, Ask(language="el", item=(axis, item), steers=steers))["options"]
    for side, table in zip(("unsteered", "steered"), tables.values(), strict=True):
        own = table[(table["item"] == item) & (table["cue"] == "none") & table["own"] & (table["option"] >= 0)]
        assert [option["text"] for option in found["options"]] == own["text"].tolist()
        assert [option["role"] for option in found["options"]] == own["role"].tolist()
        np.testing.assert_allclose(found["sides"][side]["logp"], own["logp"], atol=1e-4)


def test_the_language_of_the_likeliest_answer(desk: Desk) -> None:
    study = replace(desk.study, config=replace(desk.study.config, design="exhaustive"), rendered=None)
    whole = Desk(study, desk.vectors)
    tasks = study.universal_tasks("el", "test", full=True)
    task = next(task for task in tasks if {mark.index for mark in task.marks if not mark.own} - {-1})
    found = events(whole, Ask(language="el", item=("universal", task.prompt.item), steers=STEERS))["options"]
    table = interp.score(study.loaded, [task.prompt], [interp.Plan(), desk.plan(STEERS)])
    for side, row in zip(("unsteered", "steered"), table.logp, strict=True):
        listed = [(logp, mark) for logp, mark in zip(row, task.marks, strict=True) if mark.index >= 0]
        likeliest = max(listed, key=lambda pair: pair[0])[1]
        assert found["languages"][side] == sorted(likeliest.languages)


def test_the_last_row_of_the_lens_is_the_models_own_logit(desk: Desk) -> None:
    lens = events(desk, TYPED)["lens"]["prompts"]
    assert set(lens) == {"as asked", "with the cue"}
    expected = interp.option_lens(desk.study.loaded, [desk.task(TYPED).prompt], hooks=desk.plan(STEERS).hooks)
    np.testing.assert_allclose(lens["as asked"]["steered"], expected, atol=1e-4)
    cued = TYPED.model_copy(update={"cue": "explicit"})
    other = events(desk, cued)["lens"]["prompts"]
    assert other["as asked"] == lens["with the cue"]
    assert other["without the cue"] == lens["as asked"]


def test_places_are_0_and_1_at_the_means(desk: Desk) -> None:
    study, readings = desk.study, desk._readings
    texts = study.universal_texts("el", "fit"), study.universal_texts("en", "fit")
    at = [np.mean([readings.projections(text, "el", interp.Plan())["en"] for text in some], axis=0) for some in texts]
    np.testing.assert_allclose(at[0], 0, atol=2e-3)
    np.testing.assert_allclose(at[1], 1, atol=2e-3)
    steered = readings.projections(texts[0][0], "el", desk.vectors["en.el"].plan(3, 1.0, positions="last"))["en"]
    plain = readings.projections(texts[0][0], "el", interp.Plan())["en"]
    assert steered[:3] == plain[:3]
    assert steered[3] - plain[3] == pytest.approx(1, abs=1e-3)


def test_attention_adds_up_and_its_words_are_the_prompt(desk: Desk) -> None:
    heads = events(desk, TYPED)["attention"]["heads"]
    assert [(one["layer"], one["head"]) for one in heads] == list(desk.heads["el"])[:3]
    for one in heads:
        assert sum(one["weights"]) == pytest.approx(1, abs=1e-3)
        assert "".join(one["words"]).endswith(desk.task(TYPED).prompt.text)


def test_a_cue_reaches_the_model_under_letters_too(desk: Desk) -> None:
    study = replace(desk.study, config=replace(desk.study.config, normalisation="letter"), rendered=None)
    lettered = Desk(study, desk.vectors)
    plain, cued = (
        events(lettered, TYPED.model_copy(update={"cue": cue}))["options"]["sides"]["unsteered"]["logp"]
        for cue in ("none", "explicit")
    )
    assert plain != cued


def test_options_that_the_model_can_not_tell_apart(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = desk.study.tokens
    assert tokens is not None
    monkeypatch.setattr(type(tokens), "text", lambda self, text: (7,))
    with pytest.raises(ConfigError, match=r"can't tell the options apart: options .* have the same tokens"):
        desk.task(TYPED)


def test_numbers_that_are_not_finite_are_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: Any) -> Any:
        scores = score_tasks(*given)
        return replace(scores, logp=scores.logp * np.float32("nan"))

    monkeypatch.setattr("interp.serve._desk.score_tasks", broken)
    with pytest.raises(ModelError, match="log-likelihoods are not finite"):
        list(desk.answer(TYPED))


def test_what_can_not_be_read_beside_the_answer_is_left_out(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*given: Any, **more: Any) -> Any:
        raise ModelError("its unembedding is not a matrix")

    monkeypatch.setattr("interp.serve._desk.option_lens", refused)
    found = events(desk, TYPED)
    assert found["lacking"]["message"] == "its unembedding is not a matrix"
    assert {"options", "projections", "attention"} <= set(found)


def test_free_answers_are_those_of_generate(desk: Desk) -> None:
    ask = TYPED.model_copy(update={"answer": "free", "max_new_tokens": 6})
    found = [event for event in desk.answer(ask) if event["event"] == "piece"]
    text = desk.task(ask).prompt.text
    expected = interp.generate(desk.study.loaded, [text], [interp.Plan(), desk.plan(STEERS)], max_new_tokens=6)
    for side, [said] in zip(("unsteered", "steered"), expected, strict=True):
        own = [event for event in found if event["side"] == side]
        assert "".join(event["text"] for event in own) == own[-1]["whole"] == said.text
        assert own[-1]["ended"] == said.ended


def test_cues(desk: Desk) -> None:
    explicit, own = (
        desk.task(TYPED.model_copy(update=change)).prompt.text
        for change in ({"cue": "explicit"}, {"cue": "own", "cue_text": "Ζω στην Κύπρο."})
    )
    assert explicit == question_text(TYPED.question, "el", desk.catalogue()["cues"]["el"])
    assert own == question_text(TYPED.question, "el", "Ζω στην Κύπρο.")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"language": "ko"}, "language 'ko' is not one of this run"),
        ({"item": ("universal", "nothing")}, "is not asked in el"),
        ({"item": ("universal", "x"), "cue": "explicit"}, "questions about facts have no cue"),
        ({"item": ("cultural", "x"), "cue": "own"}, "can't have a cue in your own words"),
        ({"steers": (HandSteer(vectors="../plane", layer=0, strength=1.0),)}, "vector '../plane' is not in this run"),
    ],
)
def test_what_can_not_be_asked(desk: Desk, change: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        list(desk.answer(TYPED.model_copy(update=change)))


def test_a_layer_that_is_not_there(desk: Desk) -> None:
    with pytest.raises(DataError, match="has no vector for layer 99"):
        desk.plan([HandSteer(vectors="en.el", layer=99, strength=1.0)])


def test_the_exported_plan_and_python_do_what_the_page_shows(desk: Desk, opened_run: Path, tmp_path: Path) -> None:
    shown = [side["logp"] for side in events(desk, TYPED)["options"]["sides"].values()]
    names: dict[str, object] = {}
    exec(plan_python(desk, TYPED, opened_run), names)
    table = names["scores"].frame()  # type: ignore[attr-defined]
    np.testing.assert_allclose(np.split(table["logp"].to_numpy(), 2), shown, atol=1e-5)
    (tmp_path / "plan.json").write_text(json.dumps(plan_document(desk, TYPED, opened_run)))
    shutil.copytree(opened_run / "vectors", tmp_path / "vectors")
    saved = interp.load_plans(tmp_path)
    assert saved.saved("el", "by_hand").strengths == [1.5, "0.2r"]
    found = interp.score(desk.study.loaded, [desk.task(TYPED).prompt], [saved.plan("el", "by_hand")])
    np.testing.assert_allclose(found.logp[0], shown[1], atol=1e-5)


def test_a_model_without_a_run_has_fitted_vectors(desk: Desk) -> None:
    said: list[str] = []
    alone = fitted_desk(RunConfig(languages=("el", "fa"), limit=60), said.append)
    assert said == ["loading the model", "fitting vectors"]
    assert set(alone.vectors) == set(desk.vectors)
    assert bool((alone.vectors["loc.el"].vectors == desk.vectors["loc.el"].vectors).all())
    assert alone.catalogue()["chosen"] == {}
    assert plan_document(alone, TYPED, None) is None
    assert events(alone, TYPED)["options"] == events(desk, TYPED)["options"]
