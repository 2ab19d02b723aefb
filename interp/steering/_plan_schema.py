"""The schema of `plan.json`, checked value by value: plain JSON in, steers that still name their files out.

Schema `translocal/plan/1` (docs/plans.md); every key is required but `notes`, and no other is allowed:

    {"schema": "translocal/plan/1",
     "model": {"name": TEXT, "fingerprint": TEXT, "processing": TEXT},
     "template": TEXT,
     "methods": {METHOD: {LANGUAGE: {"steers": [STEER, ...], "notes": {...}}}},
     "notes": {...}}

    STEER = {"vectors": FILE, "layer": INTEGER, "strength": NUMBER, "operator": NAME, "positions": POSITIONS}

POSITIONS is "text", "last" or "all". NUMBER is a multiple of the vector; where it was chosen as a share of the residual
norm, the plan's notes have `strengths`, one per steer as it was written, such as "0.1r".

FILE is a file of `SteeringVectors`, relative to the folder of plan.json and inside it. `notes` is any JSON object.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NoReturn

from interp.errors import DataError, nearest
from interp.steering._operators import OPERATORS
from interp.steering._positions import POSITIONS, Positions
from interp.steering._strengths import Strength, read_strength

SCHEMA = "translocal/plan/1"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]*")
"""Names of methods and languages: they become names of files and rows."""


@dataclass(frozen=True)
class MadeFor:
    """The model that plans were made for: its name, and `fingerprint` and `processing` as `load_model` gives them."""

    name: str
    fingerprint: str
    processing: str


@dataclass(frozen=True)
class SavedSteer:
    """A steer whose vector is still in its file: `vectors` is a path relative to the folder of plan.json."""

    vectors: str
    layer: int
    strength: float
    operator: str
    positions: Positions


@dataclass(frozen=True)
class SavedPlan:
    """The steers of one method in one language, and what its maker noted."""

    steers: tuple[SavedSteer, ...]
    notes: Mapping[str, Any]

    @property
    def strengths(self) -> list[Strength]:
        """The steers' strengths as they were chosen: as the notes have them, or the multiples themselves."""
        noted = self.notes.get("strengths")
        if not isinstance(noted, list) or len(noted) != len(self.steers):
            return [steer.strength for steer in self.steers]
        return [read_strength(strength) for strength in noted]


@dataclass(frozen=True)
class Document:
    """A checked document; `methods[method][language]`."""

    model: MadeFor
    template: str
    methods: Mapping[str, Mapping[str, SavedPlan]]
    notes: Mapping[str, Any]


def checked(document: Any, file: Path) -> Document:
    """A document of the schema; raises DataError, which names the file and the place in it, for any other."""
    root = _Value(document, file, "")
    if not isinstance(document, dict) or "schema" not in document:
        root.refuse("does not state a schema", f'"schema": "{SCHEMA}"')
    if document["schema"] != SCHEMA:
        root.refuse(
            f"has the schema {document['schema']!r}", SCHEMA, "write the file again with this version of translocal"
        )
    top = root.object(("schema", "model", "template", "methods"), ("notes",))
    model = top["model"].object(("name", "fingerprint", "processing"))
    return Document(
        MadeFor(model["name"].text(), model["fingerprint"].text(), model["processing"].text()),
        top["template"].text(),
        {
            method: {language: _plan(plan) for language, plan in by_language.named("language").items()}
            for method, by_language in top["methods"].named("method").items()
        },
        top["notes"].free() if "notes" in top else {},
    )


def _plan(value: _Value) -> SavedPlan:
    found = value.object(("steers",), ("notes",))
    return SavedPlan(
        tuple(_steer(steer) for steer in found["steers"].items()), found["notes"].free() if "notes" in found else {}
    )


def _steer(value: _Value) -> SavedSteer:
    found = value.object(("vectors", "layer", "strength", "operator", "positions"))
    positions: Any = found["positions"].one_of(POSITIONS)
    return SavedSteer(
        found["vectors"].relative_path(), found["layer"].layer(), found["strength"].number(),
        found["operator"].one_of(OPERATORS), positions,
    )  # fmt: skip


@dataclass(frozen=True)
class _Value:
    """A value of the document, with its place."""

    value: Any
    file: Path
    place: str

    def refuse(self, problem: str, allowed: str, remedy: str = "") -> NoReturn:
        where = f"{self.file}, {self.place}" if self.place else str(self.file)
        raise DataError(f"{where}: {problem}", allowed=allowed, remedy=remedy)

    def _inside(self, key: str | int) -> str:
        return f"{self.place}.{key}" if self.place else str(key)

    def object(self, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, _Value]:
        known = (*required, *optional)
        if not isinstance(self.value, dict):
            self.refuse(f"{_said(self.value)} is not an object", f"an object with {', '.join(known)}")
        missing = [key for key in required if key not in self.value]
        unknown = [key for key in self.value if key not in known]
        if missing:
            self.refuse(f"the key {missing[0]!r} is missing", ", ".join(known), "add it")
        if unknown:
            remedy = nearest(unknown[0], known, "remove it, or move it into notes")
            self.refuse(f"the key {unknown[0]!r} is unknown", ", ".join(known), remedy)
        return {key: _Value(value, self.file, self._inside(key)) for key, value in self.value.items()}

    def named(self, what: str) -> dict[str, _Value]:
        if not isinstance(self.value, dict):
            self.refuse(f"{_said(self.value)} is not an object", f"an object with a key for each {what}")
        for name in self.value:
            if not isinstance(name, str) or not NAME.fullmatch(name):
                self.refuse(
                    f"{name!r} can't be the name of a {what}",
                    "a letter or digit first, then letters, digits and - _ . @ +",
                )
        return {key: _Value(value, self.file, self._inside(key)) for key, value in self.value.items()}

    def free(self) -> Mapping[str, Any]:
        if not isinstance(self.value, dict):
            self.refuse(f"{_said(self.value)} is not an object", "any JSON object")
        return dict(self.value)

    def items(self) -> list[_Value]:
        if not isinstance(self.value, (list, tuple)):
            self.refuse(f"{_said(self.value)} is not a list", "a list")
        return [_Value(value, self.file, self._inside(number)) for number, value in enumerate(self.value)]

    def text(self) -> str:
        if not isinstance(self.value, str) or not self.value:
            self.refuse(f"{_said(self.value)} is not a text", "a text that is not empty")
        return self.value

    def one_of(self, known: Mapping[str, Any] | tuple[str, ...]) -> str:
        if not isinstance(self.value, str) or self.value not in known:
            remedy = nearest(self.value, known, "") if isinstance(self.value, str) else ""
            self.refuse(f"{_said(self.value)} is unknown", ", ".join(known), remedy)
        return self.value

    def layer(self) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool) or self.value < 0:
            self.refuse(f"{_said(self.value)} is not a layer", "whole numbers from 0")
        return self.value

    def number(self) -> float:
        good = isinstance(self.value, (int, float)) and not isinstance(self.value, bool)
        if not good or not math.isfinite(self.value):
            self.refuse(f"{_said(self.value)} is not a number", "finite numbers")
        return float(self.value)

    def relative_path(self) -> str:
        text = self.text()
        away = PurePosixPath(text).is_absolute() or PureWindowsPath(text).drive or "\\" in text or "\0" in text
        if away or ".." in PurePosixPath(text).parts:
            self.refuse(f"{text!r} is outside the folder", "paths inside the folder of the file, separated by /")
        return text


def _said(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
