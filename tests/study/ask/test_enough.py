"""Too few items: refused before a model is loaded, with the limit that would do."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from interp.cli import app
from interp.data import atlas, everything
from interp.errors import DataError
from interp.studies import StudyFile, plan_study
from interp.studies._file import StudyRun
from interp.study.ask import check_enough, named_counts, resolve, resolve_data
from interp.study.config import RunConfig

SPANISH = RunConfig(languages=("es",), limit=20)


@pytest.fixture(autouse=True)
def _no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*given: object, **more: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("interp.study.ask._prepare.load_model", never)


def told_limit(error: DataError) -> int:
    found = re.search(r"to do: pass --limit (\d+) or more$", str(error))
    assert found, str(error)
    return int(found[1])


def test_too_few_are_told_with_the_smallest_limit_that_does() -> None:
    """The organism's corpus shows most of the 20; the limit told is the first of all that passes."""
    with pytest.raises(
        DataError,
        match="'es' has 1 universal item to score in the dev split; 5 more can't be scored because",
    ) as found:
        resolve(SPANISH)
    least = told_limit(found.value)

    def passes(limit: int) -> bool:
        try:
            check_enough(whole.limited_to(limit), counts, locating=True)
        except DataError:
            return False
        return True

    whole, counts = resolve_data(replace(SPANISH, limit=None)), named_counts(SPANISH)
    assert next(limit for limit in range(20, 100) if passes(limit)) == least
    assert resolve(replace(SPANISH, limit=least)).languages == ("es",)


def test_of_a_model_that_is_not_known_to_have_seen_any_twenty_are_enough() -> None:
    assert len(resolve_data(SPANISH).universal.items) == 20


def test_a_dry_run_and_a_study_say_the_same(tmp_path: Path) -> None:
    with pytest.raises(DataError) as expected:
        resolve(SPANISH)
    out = str(tmp_path / "run")
    done = CliRunner().invoke(app, ["run", "--dry-run", "--limit", "20", "--languages", "es", "--out", out])
    assert str(done.exception) == str(expected.value)
    run = StudyRun("a", "organism", replace(SPANISH, out=out))
    with pytest.raises(DataError) as planned:
        plan_study(StudyFile("few", tmp_path, (run,)))
    assert str(planned.value) == f"a: {expected.value}"


def test_where_no_limit_would_do_it_says_so() -> None:
    inputs = resolve_data(SPANISH)
    with pytest.raises(
        DataError, match=r"0 cultural items to score in the dev split.*to do: add items, pass fewer --languages"
    ):
        check_enough(inputs, lambda axis, item, code: axis == "universal", least=20)


@pytest.fixture
def lonely(tmp_path: Path) -> str:
    """Facts of Atlas, each of a relation of its own."""
    path = tmp_path / "facts.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("item", "language", "relation", "question", "options", "answer"))
        for item in atlas.universal().items[:60]:
            for code in ("en", "es"):
                options = "|".join(option[code] for option in item.options)
                writer.writerow((item.key, code, item.key, item.question(code), options, f"#{item.answer + 1}"))
    return str(path)


def test_parallel_questions_need_others_of_their_relation_where_layers_are_located(lonely: str) -> None:
    config = replace(SPANISH, universal=lonely, limit=None)
    with pytest.raises(
        DataError, match=r"has \d+ items of \d+ relations in the test split; allowed: at least 4, two of one"
    ):
        resolve_data(config)
    assert resolve_data(config, locating=False).languages == ("es",)


def test_letters_are_counted_before_a_model_is_loaded() -> None:
    config = replace(SPANISH, languages=("es",), normalisation="letter")
    assert resolve_data(config).languages == ("es",)
    facts = resolve_data(config).universal
    from interp.data import check_letters

    item = replace(facts.items[0], options=facts.items[0].options * 9)
    with pytest.raises(DataError, match=r"has \d+ options, but language 'es' has only \d+ letters"):
        check_letters(replace(facts, items=(item,)), resolve_data(config).cultural, ("es",))


def test_everything_counts_of_a_model_without_a_table_of_what_it_saw() -> None:
    assert named_counts(replace(SPANISH, model="org/name")) is everything
