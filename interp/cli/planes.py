"""The plane on the console: a row per method."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

from figures import estimate
from interp.cli.printing import wide_console
from interp.names import BASE, MACRO
from interp.study.methods import of_seed

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("method", "transfer", "localization", "with cue", "US bias", "Δ transfer", "Δ localization", "layers")


def show_plane(plane: pd.DataFrame, split: str, layers: Mapping[str, str]) -> None:
    """The macro rows of the plane, but those of single training seeds, with what there is to say of their layers."""
    from rich.table import Table

    macro = plane[plane["language"] == MACRO]
    table = Table(title=f"Transfer-localization plane, {split} split, mean over languages [95% interval]")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("method", "layers") else "right")
    for row in macro.to_dict("records"):
        method = str(row["method"])
        if of_seed(method):
            continue
        shares = [_share(row[m]) for m in ("transfer", "localization", "explicit_localization", "us_bias")]
        changes = ["" if method == BASE else _change(row, f"d_{m}") for m in ("transfer", "localization")]
        table.add_row(method, *shares, *changes, layers.get(method, ""))
    console = wide_console()
    console.print(table)
    first = macro.iloc[0]
    console.print(
        f"{first['n_universal']} universal and {first['n_cultural']} cultural (item, language) pairs; "
        f"chance {estimate(first['chance'], digits=2)}.{_effective(first)}"
    )


def _effective(row: pd.Series) -> str:
    """A sentence with the effective chance level for localization; empty if it was not measured."""
    if "neither" not in row or row["neither"] != row["neither"]:
        return ""
    return (
        f" Without steering, {row['neither']:.1%} of the choices on cultural items are neither local nor the US's, "
        f"so the effective chance level for localization is {estimate(row['chance_effective'], digits=2)}."
    )


def layer_range(layers: Sequence[int]) -> str:
    """Layers of one vector in all languages: `3`, or `3-5`."""
    return str(min(layers)) if min(layers) == max(layers) else f"{min(layers)}-{max(layers)}"


def _share(value: float) -> str:
    return "" if value != value else f"{value:.3f}"


def _change(row: Mapping[Hashable, object], name: str) -> str:
    value, lo, hi = (float(str(row[f"{name}{suffix}"])) for suffix in ("", "_lo", "_hi"))
    return "" if value != value else estimate(value, lo, hi, signed=True)
