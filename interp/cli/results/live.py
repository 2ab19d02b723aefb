"""`interp open`: a run's report with the model behind it, in the browser of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli import options
from interp.errors import ConfigError, ModelError
from interp.study.config import RunConfig

EXAMPLES = (
    "Examples:  interp open organism-atlas-atlas  |  interp open runs/mine --port 9000  |  "
    "interp open --model path/to/model.gguf --languages es,ko"
)
NAMES = (
    "model", "adapter", "revision", "quantization", "template", "universal", "cultural", "data_dir", "languages",
    "normalisation", "device", "dtype", "memory",
)  # fmt: skip


@options.grouped(settings=options.Group(RunConfig, NAMES))
def open_report(
    settings: options.Given,
    run: Annotated[
        str | None, typer.Argument(help="A run: its name in `interp runs`, or its folder.", show_default=False)
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. Any other than 127.0.0.1, localhost or ::1 lets other machines reach the model."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port. Default: the first free one from 8760.")
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address without opening a browser.")
    ] = False,
    folder: options.RunsFolder = None,
) -> None:
    """Open a run's report with its model loaded: ask questions, steer by hand, and see what changes.

    Without a run, --model names a model whose vectors are fitted first. The page is served on this machine alone, at an
    address with a random token, until Ctrl-C. It needs the extra `translocal[serve]`.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    if run is not None and given:
        raise ConfigError(
            f"--{next(iter(given)).replace('_', '-')} makes no sense with a run, which has its own settings",
            remedy="leave it out, or leave the run out",
        )  # fmt: skip
    if run is None and "model" not in given:
        raise ConfigError("no run and no model is named", remedy="name a run (see `interp runs`), or pass --model")
    try:
        from interp.serve import serve
    except ImportError as error:
        raise ModelError(
            f"the page needs the package {error.name}",
            remedy="pip install 'translocal[serve]', or in the repository: uv run --extra serve interp open ...",
        ) from None
    if run is not None:
        from interp.studies import finished_folder

        place: Path | RunConfig = finished_folder(folder or Path("runs"), run)
    else:
        place = options.run_settings(None, settings)
    with options.interruptible():
        serve(place, host=host, port=port, browser=not no_browser, say=_say)


def _say(address: str) -> None:
    print(f"{address}\nPress Ctrl-C to stop.", flush=True)
