"""Settings classes: each field with its default and what it means, and how they are read from YAML and options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from interp.errors import ConfigError, nearest

Settings = TypeVar("Settings")


def setting(default: Any, help: str, *, repeat: bool = False, read: Callable[[Any], Any] | None = None) -> Any:
    """A field of a frozen dataclass. help: one line for the command line. repeat: the option may be given again.

    read: turns what a file or an option holds into the field's value, in place of the rules of `read_settings`.
    """
    return field(default=default, metadata={"help": help, "repeat": repeat, "read": read})


def read_settings(path: Path | None, overrides: Mapping[str, Any], kind: type[Settings]) -> Settings:
    """Settings of a `kind` from a YAML file (if any), then from `overrides` (those that are not None).

    Lists may be texts with commas. Raises ConfigError for a file that can't be read, an unknown key or a value of the
    wrong kind.
    """
    values = _read_yaml(path) if path is not None else {}
    values |= {key: value for key, value in overrides.items() if value is not None}
    known = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    types = get_type_hints(kind)
    for key, value in values.items():
        if key not in known:
            remedy = nearest(key, known, "remove it")
            raise ConfigError(f"config key {key!r} is unknown", allowed=", ".join(known), remedy=remedy)
        read = known[key].metadata.get("read")
        values[key] = read(value) if read else _cast(key, value, types[key])
    return replace(kind(), **values)  # type: ignore[type-var]


def _cast(key: str, value: Any, kind: Any) -> Any:
    if get_origin(kind) is tuple:
        return _listed(key, value, get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (part for part in get_args(kind) if part is not type(None))
    return checked(key, value, kind if kind in (bool, int, float) else str)


def checked(key: str, value: Any, kind: type) -> Any:
    """A value of a kind, whole numbers being floats too; raises ConfigError for another."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"{key} {value!r} is not allowed", allowed=f"a {kind.__name__}")
    return value


def _listed(key: str, value: Any, kind: type) -> tuple[Any, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    taken = (str, int) if kind is int else (str,)
    try:
        if not isinstance(parts, (list, tuple)):
            raise TypeError
        if not all(isinstance(part, taken) and not isinstance(part, bool) for part in parts):
            raise TypeError
        return tuple(kind(part.strip() if isinstance(part, str) else part) for part in parts)
    except (TypeError, ValueError):
        raise ConfigError(
            f"{key} {value!r} is not allowed",
            allowed=f"a list of {kind.__name__} values",
            remedy="quote what YAML reads as another kind, such as 'no'" if kind is str else "",
        ) from None


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"config file {path} can't be read: {' '.join(str(error).split())}", remedy="pass a YAML file"
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(f"config file {path} holds no keys", allowed="YAML of the form `key: value`")
    return values
