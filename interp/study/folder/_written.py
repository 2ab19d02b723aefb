"""What a run writes as it goes, and what it states about itself in its manifest."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from interp.data import CulturalSet, ParallelText, Task, UniversalSet, fingerprint
from interp.plane import best, normalise, outcomes
from interp.steering import PLANS, write_plans
from interp.study.ask import Inputs, Study
from interp.study.fit import Vectors
from interp.study.folder._folder import write_csv
from interp.study.score import is_control
from interp.study.search import ChosenPlans, vectors_file

ITEMS = "items.parquet"


def save_left_out(folder: Path, study: Study) -> None:
    """What the datasets hold and the run did not use, with reasons; no file where it used everything.

    Items that the model's vocabulary makes useless in a language come after the datasets' own.
    """
    datasets: dict[str, UniversalSet | CulturalSet | ParallelText]
    datasets = {"universal": study.universal, "cultural": study.cultural, "parallel": study.parallel}
    left_out = [(axis, left) for axis, dataset in datasets.items() for left in dataset.left_out]
    rows = [
        {"dataset": datasets.get(axis, study.universal).name, "axis": axis} | asdict(left)  # `sensitive` is universal
        for axis, left in (*left_out, *study.indistinct_items)
    ]
    if rows:
        write_csv(folder / "left_out.csv", pd.DataFrame(rows))


def save_vectors(folder: Path, vectors: Vectors) -> None:
    """A file per method and language, in the folder `vectors`."""
    for method, by_language in vectors.items():
        for code, fitted in by_language.items():
            fitted.save(folder / vectors_file(method, code))


class Outcomes:
    """Outcomes of the tables scored so far; the scores themselves go to disk and out of memory.

    questions: with them, what was chosen item by item is kept too, but for controls.
    """

    def __init__(self, study: Study, folder: Path, questions: Questions | None = None) -> None:
        self.parts: list[pd.DataFrame] = []
        self._items: list[pd.DataFrame] = []
        self._study, self._folder, self._questions = study, folder, questions

    def of(self, name: str, scores: pd.DataFrame) -> pd.DataFrame:
        """Write a table of scores and return its outcomes."""
        scores.to_parquet(self._folder / "scores" / f"{name}.parquet", index=False)
        return outcomes(scores, self._study.config.normalisation)

    def add(self, name: str, scores: pd.DataFrame) -> None:
        """Keep the outcomes of a table, and of a method's its items."""
        self.parts.append(self.of(name, scores))
        if self._questions is not None and not is_control(name):
            rows = item_rows(scores, self._study.config.normalisation, self._questions)
            self._items.append(rows.assign(english=english_questions(self._study, rows)))

    def write_items(self) -> None:
        """Write `items.parquet`, the rows of every method that was added."""
        pd.concat(self._items, ignore_index=True).to_parquet(self._folder / ITEMS, index=False)


def save_plans(folder: Path, study: Study, vectors: Vectors, chosen: ChosenPlans) -> None:
    """`plan.json` beside `vectors`: layers and strengths per method and language, with the gains on dev."""
    loaded, positions = study.loaded, study.config.positions
    write_plans(
        folder / PLANS,
        model={"name": loaded.name, "fingerprint": loaded.fingerprint, "processing": loaded.processing},
        template=study.template.name,
        methods={
            m: {code: c.described(vectors, code, positions) for code, c in by.items()} for m, by in chosen.items()
        },
        notes={"goal": study.config.rule.told, "design": study.design.name},
    )


KEYS = ["axis", "language", "item", "cluster", "method"]
RIGHT = ("right", "local")
AXES = ("universal", "cultural")
TIED = " | "
"""Between the texts of options that tie."""
Questions = Mapping[tuple[str, str, str], str]
"""(axis, language, item) -> the question as it was asked."""


def questions_of(tasks: Mapping[str, list[Task]]) -> dict[tuple[str, str, str], str]:
    """The questions of uncued prompts, given per language."""
    return {
        (task.axis, code, task.prompt.item): task.question
        for code, own in tasks.items()
        for task in own
        if task.cue == "none"
    }


def english_questions(study: Study, items: pd.DataFrame) -> list[str]:
    """How each item (`axis`, `item`) is asked in English; empty where the dataset does not ask it in English."""
    asked = {("universal", item.key): item.question("en") for item in study.universal.items if "en" in item.questions}
    asked |= {("cultural", item.key): item.questions.get("en", "") for item in study.cultural.items}
    return [asked.get(key, "") for key in zip(items["axis"], items["item"], strict=True)]


def item_rows(scores: pd.DataFrame, normalisation: str, questions: Questions) -> pd.DataFrame:
    """The rows of `items.parquet`: one per method and uncued universal or cultural prompt.

    `scores` has the columns of `interp.study.ask.COLUMNS`. Columns: axis, language, item, cluster, method,
    question, chosen (text of the best-scoring option) with its role, right (the right or local option), us (the US
    option; empty for universal items), hit (share of the choice that falls on the right one). Where options tie for
    the best, `chosen` and `role` name all of them, ordered by text, with TIED between them; the hit is then a fraction.
    """
    asked = scores["own"] & (scores["option"] >= 0) & (scores["cue"] == "none") & scores["axis"].isin(AXES)
    rows = scores[asked].reset_index(drop=True)
    task = rows.groupby(KEYS, sort=False, observed=True).ngroup().to_numpy()
    top = rows[best(normalise(rows, normalisation).to_numpy(dtype=float), task)].sort_values("text", kind="stable")
    chosen = top.assign(hit=top["role"].isin(RIGHT).astype(float)).groupby(KEYS, sort=False, observed=True)
    table = chosen.agg({"text": TIED.join, "role": TIED.join, "hit": "mean"})
    table = table.rename(columns={"text": "chosen"}).reindex(pd.MultiIndex.from_frame(rows[KEYS].drop_duplicates()))
    table = table.reset_index()
    for name, roles in (("right", RIGHT), ("us", ("reference",))):
        texts = rows[rows["role"].isin(roles)].drop_duplicates(KEYS).set_index(KEYS)["text"].rename(name)
        table = table.join(texts, on=KEYS)
    table["question"] = [questions[key] for key in zip(table["axis"], table["language"], table["item"], strict=True)]
    table["us"] = table["us"].fillna("")
    return table[[*KEYS, "question", "chosen", "role", "right", "us", "hit"]]


def described_inputs(inputs: Inputs | Study) -> dict[str, Any]:
    """What was read of every dataset."""
    return {
        "universal": _described_set(inputs.universal),
        "cultural": _described_set(inputs.cultural),
        "parallel": _described_text(inputs.parallel),
    }


def _described_set(dataset: UniversalSet | CulturalSet) -> dict[str, Any]:
    """What was read of a dataset: revision, languages, items, what was left out, and a hash of the items."""
    return {
        "name": dataset.name,
        "revision": dataset.revision,
        "languages": list(dataset.languages),
        "items": len(dataset.items),
        "left_out": sum(left.count for left in dataset.left_out),
        "fingerprint": fingerprint(dataset.items),
    }


def _described_text(parallel: ParallelText) -> dict[str, Any]:
    """What was read of parallel sentences: revision, how many, and a hash of them with their splits."""
    rows = [[split, dict(sentence)] for split, sentence in zip(parallel.splits, parallel.sentences, strict=True)]
    digest = hashlib.sha256(json.dumps(rows, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]
    return {
        "name": parallel.name, "revision": parallel.revision, "sentences": len(parallel.sentences),
        "fingerprint": digest,
    }  # fmt: skip


def described(study: Study) -> dict[str, Any]:
    """Settings, model, data and versions of a finished run."""
    packages = ("translocal", "torch", "transformers", "transformer-lens", "scikit-learn", "numpy", "pandas", "babel")
    return {
        "status": "finished",
        "config": study.config.described(),
        "model": study.loaded.described(),
        **study.template.described(),
        "vocabulary": {"indistinct_items": len(study.indistinct_items), "unknown_tokens": study.unknown_shares},
        "data": described_inputs(study)
        | {"scored": "items that the model's corpus did not show" if study.loaded.exposure else "all items"},
        "languages": {code: study.culture(code) for code in study.languages},
        "versions": {package: version(package) for package in packages} | {"python": platform.python_version()},
        "host": {"system": platform.system(), "machine": platform.machine()},
    }


def made_of(study: Study) -> dict[str, Any]:
    """What a run's parts depend on besides its settings and data: the model and the packages that compute."""
    manifest = described(study)
    return {key: manifest[key] for key in ("model", "template", "template_told", "versions") if key in manifest}
