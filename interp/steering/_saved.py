"""Plans on disk: a `plan.json` (`interp.steering.plan_schema`) beside the files of its vectors."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from interp.errors import ConfigError, DataError, ModelError, Notice, nearest, reason_of
from interp.files import not_a_file, write_json
from interp.model import LoadedModel
from interp.model.read import AUTO, CHAT, NONE, Template
from interp.steering._plan_schema import SCHEMA, MadeFor, SavedPlan, checked
from interp.steering._plans import Plan
from interp.steering._vectors import SteeringVectors

PLANS = "plan.json"
SURGICAL = "surgical"


@dataclass(frozen=True)
class SavedPlans:
    """The content of `file`, a `plan.json`: `methods[method][language]`. Vectors are read by `plan`.

    template: name of the chat template that the vectors were fitted with (`none`, `chat`, or a file's name).
    """

    file: Path
    model: MadeFor
    template: str
    methods: Mapping[str, Mapping[str, SavedPlan]]
    notes: Mapping[str, Any]

    def languages(self, method: str = SURGICAL) -> tuple[str, ...]:
        """The languages that a method has plans for. Raises DataError for an unknown method."""
        if method not in self.methods:
            raise DataError(
                f"method {method!r} is not in {self.file}",
                allowed=", ".join(self.methods) or "none, because the file holds no plans",
                remedy=nearest(method, self.methods, "name one of these"),
            )
        return tuple(self.methods[method])

    def saved(self, language: str, method: str = SURGICAL) -> SavedPlan:
        """The plan of a method in a language as it is written; raises DataError for an unknown one."""
        known = self.languages(method)
        if language not in known:
            raise DataError(
                f"method {method!r} has no plan for language {language!r}",
                allowed=", ".join(known),
                remedy=nearest(language, known, "name one of these"),
            )
        return self.methods[method][language]

    def plan(self, language: str, method: str = SURGICAL) -> Plan:
        """The plan of a method in a language, with its vectors.

        Raises DataError for an unknown method or language, a file of vectors that is missing, outside the folder or of
        another kind, a layer that it has no vector for, and vectors of another processing than plan.json states.
        """
        plan = Plan()
        for steer in self.saved(language, method).steers:
            vectors = SteeringVectors.load(self.vectors_file(steer.vectors))
            own = str(vectors.provenance.get("processing", ""))
            if own not in ("", self.model.processing):
                raise DataError(
                    f"{steer.vectors} was fitted on a model with processing {own!r}; {self.file} states "
                    f"{self.model.processing!r}",
                    remedy="put the right file there, or write plan.json again",
                )
            bound = replace(vectors, provenance={**vectors.provenance, "processing": self.model.processing})
            plan += bound.plan(steer.layer, steer.strength, operator=steer.operator, positions=steer.positions)
        return plan

    def vectors_file(self, name: str) -> Path:
        """The file of vectors that a steer names; raises DataError if it is missing or leads out of the folder."""
        path = self.file.parent / name
        if not path.is_file():
            problem = f"vectors file {path} {not_a_file(path)}"
            raise DataError(problem, remedy=f"keep it in its place beside {PLANS}")
        if not path.resolve().is_relative_to(self.file.parent.resolve()):
            raise DataError(f"vectors file {path} is outside the folder", allowed=f"files inside {self.file.parent}")
        return path


def load_plans(path: str | Path) -> SavedPlans:
    """Load a `plan.json`, given its path or folder. The vectors are read when a plan is requested.

    Raises DataError, which names the file and the place in it, for a missing file, invalid JSON, an unknown schema,
    keys that are missing, unknown or repeated, values of the wrong type, an unknown operator or positions, and vector
    files outside the folder.
    """
    file = Path(path).expanduser()
    file = file / PLANS if file.is_dir() else file
    try:
        document = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_once)
    except FileNotFoundError:
        what = f"{path} holds no {PLANS}" if Path(path).expanduser().is_dir() else f"{file} does not exist"
        raise DataError(what, remedy="pass a plan.json, such as `interp run` writes, or its folder") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{file} can't be read as JSON: {reason_of(error)}", allowed=f"JSON of the schema {SCHEMA}"
        ) from error
    found = checked(document, file)
    return SavedPlans(file, found.model, found.template, found.methods, found.notes)


def write_plans(
    path: Path,
    *,
    model: Mapping[str, str],
    template: str,
    methods: Mapping[str, Mapping[str, Mapping[str, Any]]],
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write a `plan.json` from plain values that follow the schema. Equal values give equal bytes.

    Raises DataError for values that `load_plans` would refuse. The files of vectors need not exist yet.
    """
    document = {"schema": SCHEMA, "model": model, "template": template, "methods": methods}
    document |= {"notes": notes} if notes else {}
    checked(document, path)
    write_json(path, document, sort_keys=True)


@contextmanager
def naming_model(saved: SavedPlans | None, model: str) -> Iterator[None]:
    """Around finding and loading `model`: where the plans gave its name, a ModelError says so and what to pass."""
    try:
        yield
    except ModelError as error:
        if saved is None or model != saved.model.name:
            raise
        raise ModelError(
            f"{saved.file} names the model {model!r}: {error}", remedy="pass --model with its folder or Hub id"
        ) from error


def template_choice(saved: SavedPlans) -> str:
    """What `find_template` takes for the template that the plans were made with; ConfigError for a Jinja file's."""
    known = {NONE: NONE, CHAT: AUTO}
    if saved.template not in known:
        raise ConfigError(
            f"the plans of {saved.file} were made with the chat template {saved.template!r}",
            remedy="pass that file with --template",
        )
    return known[saved.template]


def notice_other_template(saved: SavedPlans, template: Template) -> None:
    """Tell where prompts go through another template than those that the vectors were fitted on."""
    if template.name != saved.template:
        text = f"the plans were made with the chat template {saved.template!r}, but the prompts use {template.name!r}"
        warnings.warn(text, Notice, stacklevel=2)


def notice_other_model(saved: SavedPlans, loaded: LoadedModel) -> None:
    """Tell where a model is not the one that the plans were made for: other weights, or the same in another dtype."""
    if loaded.fingerprint != saved.model.fingerprint:
        text = (
            f"the plans were made for {saved.model.name} ({saved.model.fingerprint}), but the model is {loaded.name} "
            f"({loaded.fingerprint}): it has other weights, or another dtype"
        )
        warnings.warn(text, Notice, stacklevel=2)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"an object repeats one of the keys {', '.join(found)}")
    return found
