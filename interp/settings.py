"""Settings classes: each field with its default and what it means, and how they are read from YAML and options."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from interp.errors import ConfigError, nearest, reason_of

Settings = TypeVar("Settings")
Choice = TypeVar("Choice", bound=str)

KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}
"""Kinds of values that a field may hold, alone or in a list, as messages call them."""


def setting(
    default: Any,
    help: str = "",
    *,
    repeat: bool = False,
    read: Callable[[Any], Any] | None = None,
    least: int | None = None,
    most: int | None = None,
    needs: tuple[str, Any] | None = None,
) -> Any:
    """A field of a frozen dataclass. help: one line for the command line; a field without it is not an option.

    repeat: the option may be given again. read: turns what a file or an option holds into the field's value, in place
    of the rules of `read_settings`. least, most: the smallest and largest whole number that `Checked` allows. needs:
    another field and the value that it must have for this one to have an effect.
    """
    metadata = {"repeat": repeat, "read": read, "least": least, "most": most, "needs": needs}
    return dataclasses.field(default=default, metadata=metadata | ({"help": help} if help else {}))


class Checked:
    """Base of settings classes that are frozen dataclasses; raises ConfigError for a value that isn't allowed.

    A field whose type is a Literal holds one of its values. One with a `least` holds a whole number from there, or None
    where its type says so. A list has no empty text and nothing twice. A field with `needs` keeps its default where the
    other field has another value.
    """

    def __post_init__(self) -> None:
        types = field_types(type(self))  # type: ignore[arg-type]
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value, kind = getattr(self, field.name), without_none(types[field.name])
            if value is None and kind != types[field.name]:
                continue
            if get_origin(kind) is Literal:
                check_choice(field.name, value, get_args(kind))
            if isinstance(value, tuple):
                _check_list(field.name, value)
            least, most = field.metadata.get("least"), field.metadata.get("most")
            whole = isinstance(value, int) and not isinstance(value, bool)
            if least is not None and not (whole and least <= value and (most is None or value <= most)):
                raise ConfigError(f"{field.name} {value!r} is not allowed", allowed=whole_numbers(least, most))
            other, partner = field.metadata.get("needs") or ("", None)
            if other and value != field.default and getattr(self, other) != partner:
                raise ConfigError(
                    f"{field.name} {value!r} has no effect with {other} {getattr(self, other)!r}",
                    allowed=f"with {other} {partner!r}",
                    remedy=f"leave {field.name} out, or set {other} to {partner!r}",
                )


def whole_numbers(least: int, most: int | None = None) -> str:
    """What a setting between two bounds may be, for messages."""
    return f"whole numbers from {least}" + ("" if most is None else f" to {most}")


def _check_list(name: str, values: tuple[Any, ...]) -> None:
    for place, value in enumerate(values):
        if value == "":
            raise ConfigError(
                f"{name} {','.join(map(str, values))!r} has an empty part", remedy=f"leave {name} out, or name some"
            )
        if value in values[:place]:
            raise ConfigError(f"{name} lists {value!r} twice", remedy="name each once")


def check_choice(name: str, value: Any, choices: Iterable[Choice], otherwise: str = "") -> Choice:
    """A value that is one of the choices; raises ConfigError for another. otherwise: the remedy if none is near."""
    known = tuple(choices)
    if value not in known:
        allowed = [choice for choice in known if choice]
        remedy = nearest(str(value), allowed, otherwise)
        raise ConfigError(f"{name} {value!r} is unknown", allowed=", ".join(allowed), remedy=remedy)
    return known[known.index(value)]


@cache
def field_types(kind: type) -> dict[str, Any]:
    """The types of a class's fields by name."""
    return get_type_hints(kind)


def without_none(kind: Any) -> Any:
    """The type that a value has where it is not None: `int` of `int | None`."""
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (part for part in get_args(kind) if part is not type(None))
    return kind


def read_settings(path: Path | None, overrides: Mapping[str, Any], kind: type[Settings]) -> Settings:
    """Settings of a `kind` from a YAML file (if any), then from `overrides` (those that are not None).

    Lists may be texts with commas. Raises ConfigError for a file that can't be read, an unknown key or a value of the
    wrong kind.
    """
    return kind(**read_values(path, overrides, kind))


def read_values(path: Path | None, overrides: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """The values that `read_settings` makes settings of: those that are given, by the names of their fields."""
    values = _read_yaml(path) if path is not None else {}
    values |= {key: value for key, value in overrides.items() if value is not None}
    known = {field.name: field for field in dataclasses.fields(kind)}
    for key, value in values.items():
        if key not in known:
            remedy = nearest(key, known, "remove it")
            raise ConfigError(f"config key {key!r} is unknown", allowed=", ".join(known), remedy=remedy)
        read = known[key].metadata.get("read")
        values[key] = read(value) if read else _cast(key, value, field_types(kind)[key])
    return values


def _cast(key: str, value: Any, kind: Any) -> Any:
    if get_origin(kind) is tuple:
        return _listed(key, value, int if int in get_args(kind) else str)
    kind = without_none(kind)
    return checked(key, value, kind if kind in KINDS else str)


def checked(key: str, value: Any, kind: type) -> Any:
    """A value of a kind, whole numbers being floats too; raises ConfigError for another."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"{key} {value!r} is not allowed", allowed=KINDS[kind])
    return value


def _listed(key: str, value: Any, kind: type) -> tuple[Any, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if isinstance(parts, (list, tuple)):
        with suppress(ValueError, ConfigError):
            return tuple(kind(part.strip()) if isinstance(part, str) else checked(key, part, kind) for part in parts)
    raise ConfigError(
        f"{key} {value!r} is not allowed",
        allowed="a list of whole numbers" if kind is int else "a list of texts",
        remedy="quote values that YAML reads as another type, such as 'no'" if kind is str else "",
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml  # a tenth of the time in which `interp` starts, and most commands read no file

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"config file {path} can't be read: {reason_of(error)}", remedy="pass a YAML file") from error
    if not isinstance(values, dict):
        raise ConfigError(f"config file {path} does not contain any keys", allowed="YAML of the form `key: value`")
    return values
