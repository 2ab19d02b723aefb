"""`interp features`: what steering vectors are made of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interp.cli.printing import wide_console
from interp.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

EXAMPLES = (
    "Examples:  interp features runs/mine/vectors/loc.ko.safetensors --sae layer_12.safetensors --layer 12  |  "
    "interp features runs/mine --sae layer_12.safetensors --layer 12 --out features.csv"
)
SHOWN = 5


def features(
    vectors: Annotated[Path, typer.Argument(help="A file of vectors, or the folder of a run.", show_default=False)],
    sae: Annotated[Path, typer.Option(help="A sparse autoencoder's weights, as safetensors (W_dec or w_dec).")],
    layer: Annotated[int, typer.Option(help="The block whose output the autoencoder reads, counted from 0.")],
    most: Annotated[int, typer.Option(help="Features per vector. Default: 10.", show_default=False)] = 10,
    out: Annotated[Path | None, typer.Option(help="CSV file to write. Default: none.", show_default=False)] = None,
) -> None:
    """Show which features of a sparse autoencoder steering vectors are made of, and how much of each they explain.

    Features are chosen one after the other, each with all earlier ones fitted again (orthogonal matching pursuit). A
    large dictionary explains some of anything: as many features of random directions are shown beside. Features have
    numbers and no meaning here; look them up where the autoencoder was published.
    """
    from interp.steering import features as decomposed
    from interp.steering import read_decoder, read_vectors
    from interp.study.folder import writable

    files = sorted((vectors / "vectors").glob("*.safetensors")) if vectors.is_dir() else [vectors]
    if not files:
        raise DataError(f"{vectors} has no vectors/*.safetensors", allowed="a run's folder, or a file of vectors")
    decoder = read_decoder(sae)
    table = decomposed([read_vectors(file, layer=layer) for file in files], decoder, layer, most=most)
    _show(table)
    if out is not None:
        with writable(out):
            table.to_csv(out, index=False)
        print(f"table  {out}")


def _show(table: pd.DataFrame) -> None:
    from rich.table import Table

    shown = Table("vector", f"first {SHOWN} features (cosine)", "explained", "random directions")
    for name, rows in table.groupby("vector", sort=False):
        first = rows.head(SHOWN)
        parts = ", ".join(f"{row.feature} ({row.cosine:+.2f})" for row in first.itertuples())
        last = rows.iloc[-1]
        shown.add_row(str(name), parts, f"{last['explained']:.3f}", f"{last['explained_random']:.3f}")
    wide_console().print(shown)
    print(f"explained: share of a vector's squared norm by its {table['rank'].max()} features together")
