"""A study file: models x data x seeds in YAML, expanded to the settings of runs. Nothing in it is run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from interp.errors import ConfigError, nearest, reason_of
from interp.settings import read_settings
from interp.study.config import RunConfig

KEYS = ("name", "models", "data", "seeds", "settings")
ENTRIES = {
    "models": (
        "model", "name", "adapter", "revision", "quantization", "n_devices", "device", "dtype", "memory", "batch_size",
        "template",
    ),
    "data": (
        "universal", "cultural", "name", "parallel", "data_dir", "languages", "cultures", "limit", "shots",
        "training_data",
    ),
}  # fmt: skip
"""What an entry of `models` and of `data` may say; `name` is what the runs' folders call it."""

NEEDED = {"models": ("model",), "data": ("universal", "cultural")}
ELSEWHERE = {
    "model": "models", "adapter": "models", "revision": "models", "quantization": "models", "n_devices": "models",
    "universal": "data", "cultural": "data", "seed": "seeds", "out": "name (and --out)",
}  # fmt: skip
"""Settings of a run that a study file has a place of its own for."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
LONGEST = 200
"""Letters of a folder's name: file systems end at 255, and working folders are called a little longer."""


@dataclass(frozen=True)
class StudyRun:
    """One run: its folder's name in the study's, what the study calls its model, and its settings."""

    name: str
    model: str
    config: RunConfig


@dataclass(frozen=True)
class StudyFile:
    """A study: its folder and its runs, models first, then data, then seeds."""

    name: str
    folder: Path
    runs: tuple[StudyRun, ...]


def read_study(path: Path, out: Path) -> StudyFile:
    """Read a study from a YAML file. Every run gets its own folder in `out`.

    Paths in the file are relative to where the command is run. Raises ConfigError, with the place in the file, for an
    unknown or repeated key, a value of the wrong kind, an empty list, a name that is no folder's, and for two runs that
    would share a folder. Datasets and models are looked up later (`interp.studies.plan_study`).
    """
    values = _mapping(_load(path), f"study file {path}", KEYS)
    for key in ("name", "models", "data"):
        if key not in values:
            raise ConfigError(f"study file {path} has no {key!r}", allowed=", ".join(KEYS), remedy="add it")
    name = _name(values["name"], f"{path}: name")
    models = [_entry(value, where, "models") for where, value in _list(path, "models", values["models"])]
    data = [_entry(value, where, "data") for where, value in _list(path, "data", values["data"])]
    seeds = [_seed(value, where) for where, value in _list(path, "seeds", values.get("seeds", [0]))]
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"{path}: seeds {seeds} lists a seed twice", allowed="each seed once")
    settings = _settings(values.get("settings") or {}, path)
    runs: dict[str, tuple[str, StudyRun]] = {}
    for (i, model), (j, chosen), seed in product(enumerate(models), enumerate(data), seeds):
        where = f"models[{i}] with data[{j}]"
        run = _run(settings, model, chosen, seed, out / name, f"{path}: {where}")
        _check_new(run, where, runs, path)
        runs[run.name.casefold()] = where, run
    return StudyFile(name, out / name, tuple(run for _, run in runs.values()))


def _load(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise ConfigError(f"study file {path} uses YAML aliases (*name)", remedy="write out the values")
        _check_repeated(yaml.compose(text, Loader=yaml.SafeLoader), path)
        return yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"study file {path} can't be read: {reason_of(error)}", remedy="pass a YAML file") from error


def _check_repeated(root: Any, path: Path) -> None:
    """Raise ConfigError if a mapping has a key twice: YAML's readers would keep the last, and say nothing."""
    nodes = [root]
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        if isinstance(node, yaml.MappingNode):
            nodes += [value for _, value in node.value]
            seen: set[str] = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if key.value in seen:
                    line = key.start_mark.line + 1
                    raise ConfigError(f"{path}: key {key.value!r} is repeated in line {line}", remedy="keep one")
                seen.add(key.value)


def _mapping(value: Any, where: str, known: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} holds {_shortened(value)}", allowed=f"YAML keys: {', '.join(known)}")
    for key in value:
        if key not in known:
            raise ConfigError(
                f"{where}: key {key!r} is unknown",
                allowed=", ".join(known),
                remedy=nearest(str(key), known, "remove it"),
            )
    return value


def _list(path: Path, key: str, value: Any) -> list[tuple[str, Any]]:
    """The members of a list that has some, with their place."""
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{path}: {key} is {_shortened(value)}", allowed="a list with one entry or more")
    return [(f"{path}: {key}[{number}]", member) for number, member in enumerate(value)]


def _entry(value: Any, where: str, kind: str) -> dict[str, Any]:
    """An entry of `models` (or only a model's name) or of `data`."""
    entry = {"model": value} if kind == "models" and isinstance(value, str) else value
    entry = _mapping(entry, where, ENTRIES[kind])
    for key in NEEDED[kind]:
        if not isinstance(entry.get(key), str) or not entry[key]:
            raise ConfigError(f"{where} has {key} {_shortened(entry.get(key))}", allowed="a name or a path, as text")
    if "name" in entry:
        _name(entry["name"], f"{where}: name")
    return entry


def _settings(value: Any, path: Path) -> dict[str, Any]:
    for key in value if isinstance(value, dict) else ():
        if key in ELSEWHERE:
            raise ConfigError(f"{path}: settings may not hold {key!r}", remedy=f"set it in {ELSEWHERE[key]}")
    known = [field.name for field in fields(RunConfig) if field.name not in ELSEWHERE]
    return _mapping(value, f"{path}: settings", known)


def _name(value: Any, where: str) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value) or len(value) > LONGEST:
        raise ConfigError(
            f"{where} {_shortened(value)} is not allowed",
            allowed=f"up to {LONGEST} letters (a-z), digits and . _ + -, a letter or digit first",
        )
    return value


def _seed(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ConfigError(f"{where} is {_shortened(value)}", allowed="a whole number from 0")
    return value


def _run(
    settings: Mapping[str, Any], model: Mapping[str, Any], data: Mapping[str, Any], seed: int, folder: Path, where: str
) -> StudyRun:
    own = {key: value for entry in (model, data) for key, value in entry.items() if key != "name"}
    values = {**settings, **own, "seed": seed}
    try:
        config = read_settings(None, values, RunConfig)
        label = model.get("name") or config.model_name
        name = f"{label}-{data.get('name') or config.data_name}-seed{seed}"
        if len(name) > LONGEST:
            raise ConfigError(f"the folder {name!r} has {len(name)} letters", remedy="give the model or data a `name`")
        return StudyRun(name, label, read_settings(None, {**values, "out": str(folder / name)}, RunConfig))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _check_new(run: StudyRun, where: str, runs: Mapping[str, tuple[str, StudyRun]], path: Path) -> None:
    """Raise ConfigError if another run has the folder; capitals don't tell folders apart everywhere."""
    if run.name.casefold() not in runs:
        return
    earlier, other = runs[run.name.casefold()]
    if run.config.described() == other.config.described():
        raise ConfigError(f"{path}: {where} is the same as {earlier}", remedy="keep one of them")
    raise ConfigError(
        f"{path}: {earlier} and {where} would share the folder {run.name!r}",
        remedy="give one of the models or data a `name`",
    )


def _shortened(value: Any) -> str:
    """A value in an error, shortened."""
    text = repr(value)
    return "nothing" if value is None else text if len(text) <= 80 else f"{text[:77]}..."
