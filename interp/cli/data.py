"""`interp data`: what datasets there are, what is in them, and files of one's own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli import options
from interp.errors import ConfigError, DataError
from interp.settings import setting
from interp.study.config import RunConfig

if TYPE_CHECKING:
    from interp.data import Cue, Entry

app = typer.Typer(
    help="Datasets: which there are, what is in them, and files of your own.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(help="A dataset's name (`interp data list`), or a file.")]


@dataclass(frozen=True)
class Asked:
    """Which prompts of a dataset, as they are asked for on the command line."""

    axis: str | None = setting(None, "universal, sensitive, cultural or parallel. Default: those that it has.")
    language: str | None = setting(None, "Language of the prompts. Default: the dataset's first.")
    culture: str | None = setting(None, "Culture whose answer is local. Default: the language's own.")
    cue: str | None = setting(None, "Sentence in front of the question: none (default), explicit or placebo.")
    data_dir: str | None = setting(
        None, "Folder with published dataset files, such as blend/ and bmlama/; no network then."
    )
    languages: str | None = setting(
        None, "Languages to load, as in the run to compare with. Default: --language, else all."
    )

    @property
    def cued(self) -> Cue:
        """The cue; raises ConfigError for an unknown one."""
        from interp.cli.selecting import CUES

        for cue in CUES:
            if (self.cue or "none") == cue:
                return cue
        raise ConfigError(f"cue {self.cue!r} is unknown", allowed=", ".join(CUES))


@app.callback()
def data() -> None:
    """Datasets: which there are, what is in them, and files of your own."""


@app.command("list", epilog="Examples:  interp data list  |  interp data list --axis cultural --json")
def list_datasets(
    axis: Annotated[str | None, typer.Option(help="universal, cultural or parallel. Default: all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON in place of the table.")] = False,
) -> None:
    """List datasets: name, axis, languages, cultures, items as published, licence, gated or not."""
    if axis not in (None, "universal", "cultural", "parallel"):
        raise ConfigError(f"axis {axis!r} is unknown", allowed="universal, cultural, parallel")
    from interp.cli.showing import described, listing
    from interp.data import CULTURAL, PARALLEL, UNIVERSAL

    known: list[Entry[Any]] = [*UNIVERSAL.values(), *CULTURAL.values(), *PARALLEL.values()]
    entries = [entry for entry in known if axis in (None, entry.axis)]
    if as_json:
        print(json.dumps([described(entry) for entry in entries], ensure_ascii=False, indent=1))
    else:
        listing(entries)


@app.command(epilog="Examples:  interp data check mine.csv  |  interp data check mine.jsonl --cultures es=MX -n 5")
@options.grouped(given=options.Group(RunConfig, ("cultures",)))
def check(
    file: Annotated[str, typer.Argument(help="CSV, TSV, JSON lines or Parquet of your own (docs/data.md).")],
    given: options.Given,
    n: Annotated[int, typer.Option("-n", min=0, help="Prompts to print.")] = 2,
) -> None:
    """Check a file of your own: say what a run makes of it, or what is wrong in which row."""
    from interp.cli import selecting
    from interp.cli.showing import console, prompt_lines, summary
    from interp.data import CulturalSet, ParallelText

    with _interruptible("nothing was changed"):
        path = file if "/" in file else f"./{file}"  # a name without a known ending is a path here too
        (axis,) = selecting.axes_of(path, None)
        dataset = selecting.load(path, axis, (), None, selecting.cultures(given["cultures"]))
        assert not isinstance(dataset, ParallelText)  # a file has one of the two axes
        out = console()
        out.print("\n".join([f"file       {file}", *summary(dataset)]))
        scored = dataset.own_culture if isinstance(dataset, CulturalSet) else dataset.languages
        for code in dataset.languages:
            if code not in scored and code != "en":
                out.print(f"note       {code} has no culture of its own: name one with --cultures {code}=CULTURE")
        for code in [code for code in dataset.languages if code in scored][: 1 if n else 0]:
            for one in selecting.chosen(dataset, axis, code, None, "none")[:n]:
                out.print("\n".join(["", *prompt_lines(one.task, one.split, one.culture)]))


@app.command(
    epilog="Examples:  interp data show atlas --language ko -n 3  |  "
    "interp data show atlas --axis cultural --language el --culture KR --cue explicit  |  "
    "interp data show localization_gap --language tr --data-dir data --left-out"
)
@options.grouped(given=options.Group(Asked))
def show(
    name: Name,
    given: options.Given,
    n: Annotated[int, typer.Option("-n", min=1, help="Prompts of each axis.")] = 3,
    left_out: Annotated[bool, typer.Option("--left-out", help="In place of prompts, what isn't used and why.")] = False,
) -> None:
    """Show prompts as the model reads them (a chat model's template apart), and what each option is."""
    from interp.cli import selecting
    from interp.cli.showing import console, left_out_lines, parallel_lines, prompt_lines
    from interp.data import ParallelText

    asked = Asked(**given)
    cue = asked.cued
    with _interruptible("nothing was changed"):
        out = console()
        for one in selecting.axes_of(name, asked.axis):
            dataset = selecting.load(name, one, selecting.codes(asked.languages, asked.language), asked.data_dir)
            code = asked.language or selecting.first_language(dataset)
            if left_out:
                lines = left_out_lines(selecting.unused(dataset, code, asked.culture))
            elif isinstance(dataset, ParallelText):
                lines = parallel_lines(dataset, code, n)
            else:
                found = selecting.chosen(dataset, one, code, asked.culture, cue)[:n]
                lines = [line for c in found for line in (*prompt_lines(c.task, c.split, c.culture), "")]
            for line in lines:
                out.print(line)


@app.command(epilog="Examples:  interp data fetch localization_gap  |  interp data fetch include --languages ko,el")
def fetch(
    name: Annotated[str, typer.Argument(help="A dataset's name (`interp data list`).")],
    languages: Annotated[str | None, typer.Option(help="Languages to fetch, such as es,zh. Default: all.")] = None,
) -> None:
    """Fetch a dataset into the cache, for machines without a network (there with HF_HUB_OFFLINE=1)."""
    from interp.cli import selecting
    from interp.cli.showing import console, summary
    from interp.data.own import is_file

    if is_file(name):
        raise DataError(f"{name!r} is a file", allowed="a dataset's name", remedy="there is nothing to fetch")
    with _interruptible("tables that were fetched whole stay in the cache"):
        for axis in selecting.axes_of(name, None):
            dataset = selecting.load(name, axis, selecting.codes(languages), None)
            console().print("\n".join(summary(dataset)))


@app.command(
    epilog="Examples:  interp data export atlas --language ko --out exported  |  "
    "interp data export atlas --axis cultural --language el --cue explicit --out exported"
)
@options.grouped(given=options.Group(Asked, ("axis", "culture", "cue", "data_dir", "languages")))
def export(
    name: Name,
    out: Annotated[Path, typer.Option(help="Folder to write into.")],
    language: Annotated[str, typer.Option(help="Language of the prompts.")],
    given: options.Given,
    form: Annotated[str, typer.Option("--format", help="lm-eval: JSON lines and a YAML task for lm_eval.")] = "lm-eval",
    split: Annotated[str, typer.Option(help="fit, dev or test.")] = "test",
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many prompts of each axis.")] = None,
) -> None:
    """Write prompts and options for another evaluator, which then scores exactly what a run scores."""
    from interp.cli import selecting
    from interp.data import SPLITS, ParallelText
    from interp.export import export as write

    if form != "lm-eval":
        raise ConfigError(f"format {form!r} is unknown", allowed="lm-eval")
    if split not in SPLITS:
        raise ConfigError(f"split {split!r} is unknown", allowed=", ".join(SPLITS))
    asked = Asked(**given)
    cue = asked.cued
    with _interruptible("files that are complete stay"):
        for one in selecting.axes_of(name, asked.axis):
            if one == "parallel":
                continue
            dataset = selecting.load(name, one, selecting.codes(asked.languages, language), asked.data_dir)
            assert not isinstance(dataset, ParallelText)
            cued = cue if one == "cultural" else "none"
            found = selecting.chosen(dataset, one, language, asked.culture, cued, split)[:limit]
            words = ["translocal", Path(name).stem, one, language, *{c.culture for c in found if c.culture}]
            title = "_".join([*words, *([cued] if cued != "none" else []), split])
            for path in write([c.task for c in found], title, out):
                print(path)


@contextmanager
def _interruptible(kept: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        print(f"stopped: {kept}", file=sys.stderr)
        raise typer.Exit(130) from None
