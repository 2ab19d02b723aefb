"""A vocabulary that doesn't know a script: items whose options it doesn't tell apart are left out, with a reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from interp.data import SPLITS, OptionMark, Prompt, Task, cultural_tasks, everything, universal_tasks
from interp.errors import DataError, Notice
from interp.model.load import load_model
from interp.model.read import Tokens
from interp.study.ask import Inputs, Study, check_items, open_study, resolve_data
from interp.study.ask._checks import indistinct
from interp.study.config import RunConfig
from interp.study.folder import described, save_left_out
from tests.parity.vocabularies import write_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lower-casing, Latin letters alone: Greek words are `<unk>` alike."""
    return write_checkpoint("lower_casing", tmp_path_factory.mktemp("latin"))


@pytest.fixture(scope="module")
def opened(folder: Path) -> tuple[Study, Inputs]:
    config = RunConfig(model=str(folder), languages=("es", "el"), limit=60, engine="reference")
    inputs = resolve_data(config)
    return open_study(config, load_model(str(folder), device="cpu"), inputs), inputs


def task(*texts: str) -> Task:
    marks = tuple(
        OptionMark(text, "right" if i == 0 else "wrong", frozenset({"en"}), i) for i, text in enumerate(texts)
    )
    return Task("universal", "none", "c", Prompt("i", "en", "?", tuple(" " + text for text in texts)), marks)


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (("Paris", "Rome"), ""),
        (("Paris", "PARIS", "Rome"), "options 'Paris' and 'PARIS' have the same tokens"),
        (("Αθήνα", "Ρώμη"), "options 'Αθήνα' and 'Ρώμη' have the same tokens"),
        (("Paris", ""), "option '' has no token"),
    ],
)
def test_options_that_are_encoded_alike(opened: tuple[Study, Inputs], texts: tuple[str, ...], reason: str) -> None:
    assert indistinct(task(*texts), opened[0].tokens).startswith(reason)
    assert bool(indistinct(task(*texts), opened[0].tokens)) == bool(reason)


def test_compatibility_forms_are_encoded_alike(tmp_path: Path) -> None:
    """A tokenizer that applies NFKC reads full-width letters as plain ones."""
    tokens = Tokens(load_model(str(write_checkpoint("begins_with_eos", tmp_path)), device="cpu").model)
    assert "have the same tokens" in indistinct(task("Rome", "Ｒｏｍｅ"), tokens)
    assert indistinct(task("Rome", "Roma"), tokens) == ""


def test_only_options_that_are_chosen_from_count(opened: tuple[Study, Inputs]) -> None:
    plain = task("Paris", "Rome", "PARIS")
    foreign = replace(plain.marks[2], own=False)
    assert indistinct(replace(plain, marks=(*plain.marks[:2], foreign)), opened[0].tokens) == ""


def test_such_items_are_no_prompts_and_are_listed_with_their_reason(
    opened: tuple[Study, Inputs], tmp_path: Path
) -> None:
    study, _ = opened
    save_left_out(tmp_path, study)
    listed = pd.read_csv(tmp_path / "left_out.csv")
    listed = listed[listed["reason"].str.contains("have the same tokens")]
    for code in ("es", "el"):
        every = [item.key for item in study.universal.items if item.split == "test"]
        asked = {task.prompt.item for task in study.universal_tasks(code, "test", full=True)}
        out = set(listed[(listed["where"] == code) & (listed["axis"] == "universal")]["item"])
        assert asked.isdisjoint(out)
        assert asked | (out & set(every)) == set(every)
        for task in study.universal_tasks(code, "test"):
            ids = [study.loaded.model.tokenizer(mark.text)["input_ids"] for mark in task.marks]
            assert len({tuple(one) for one in ids}) == len(ids)
    assert (listed["where"] == "el").mean() > 0.9
    customs = {task.prompt.item for task in study.cultural_tasks("el", "test", "explicit")}
    assert customs.isdisjoint(listed[(listed["where"] == "el") & (listed["axis"] == "cultural")]["item"])


def test_unknown_tokens_are_told(opened: tuple[Study, Inputs]) -> None:
    study, inputs = opened
    tokenizer = study.loaded.model.tokenizer
    for code in ("es", "el"):
        ids: list[int] = []
        for split in SPLITS:
            facts = universal_tasks(study.universal, code, split, everything)
            customs = cultural_tasks(study.cultural, code, study.culture(code), split, everything)
            for task in (*facts, *customs):
                for text in (task.question, *(mark.text for mark in task.marks)):
                    ids += tokenizer(text)["input_ids"]
        assert study.unknown_shares[code] == pytest.approx(ids.count(tokenizer.unk_token_id) / len(ids), abs=1e-4)
    assert study.unknown_shares["el"] > 0.3 > study.unknown_shares["es"]
    told = described(study)["vocabulary"]
    assert told == {"indistinct_items": len(study.indistinct_items), "unknown_tokens": study.unknown_shares}
    with (
        pytest.warns(Notice, match=r"in this model's vocabulary are left out: .* universal items in el"),
        pytest.warns(Notice, match=r"share of unknown tokens: .*\d+% in el"),
        pytest.raises(DataError, match=r"language 'el' has \d+ \w+ items? to score in the dev split"),
    ):
        check_items(study, inputs)


def test_a_vocabulary_that_knows_everything_leaves_nothing_out(organism) -> None:
    config = RunConfig(languages=("es",), limit=60, engine="reference")
    study = open_study(config, organism, resolve_data(config))
    assert study.indistinct_items == []
    assert study.unknown_shares == {}
