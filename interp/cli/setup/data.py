"""`interp data`: what datasets there are, what is in them, and files of one's own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from interp.cli import options
from interp.cli.groups import group
from interp.data import SPLITS, Cue
from interp.errors import DataError
from interp.settings import Checked, check_choice, setting
from interp.study.config import RunConfig, parse_cultures

app = group("List, inspect and download datasets, and check your own files.")

Name = Annotated[str, typer.Argument(help="A dataset's name (`interp data list`), or a file.")]


@dataclass(frozen=True)
class PromptOptions(Checked):
    """Which prompts of a dataset, as they are asked for on the command line."""

    axis: str | None = setting(
        None, "Axis: universal, sensitive, cultural or parallel. Default: all that the dataset has."
    )
    language: str | None = setting(None, "Language of the prompts. Default: the dataset's first.")
    culture: str | None = setting(None, "Culture whose answer counts as local. Default: the language's own.")
    cue: Cue = setting("none", "Cue sentence before the question: none (default), explicit or placebo.")
    data_dir: Path | None = setting(
        None, "Folder with published dataset files, such as blend/ and bmlama/, read instead of downloading."
    )
    languages: str | None = setting(
        None, "Languages to load; pass those of the run that you compare with. Default: --language, else all."
    )


@app.callback()
def data() -> None:
    """List, inspect and download datasets, and check your own files."""


@app.command(
    "list",
    epilog="Examples:  interp data list  |  interp data list --axis cultural  |  interp data list --data-dir files",
)
def list_datasets(
    axis: Annotated[str | None, typer.Option(help="Axis: universal, cultural or parallel. Default: all.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="<path>", help="Folder with published files: list the datasets in it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List datasets with axis, languages, cultures, number of published items, licence, and whether they are gated."""
    if axis is not None:
        check_choice("axis", axis, ("universal", "cultural", "parallel"))
    from interp.cli.setup._showing import described, listing
    from interp.data import CULTURAL, PARALLEL, UNIVERSAL, Entry
    from interp.data.files import check_data_dir, folder_in

    known: list[Entry[Any]] = [*UNIVERSAL.values(), *CULTURAL.values(), *PARALLEL.values()]
    entries = [entry for entry in known if axis in (None, entry.axis)]
    if data_dir is not None:
        check_data_dir(data_dir)
        entries = [entry for entry in entries if entry.origin and folder_in(data_dir, entry.name, entry.origin)]
        if not entries and not as_json:
            print(f"{data_dir} holds no folder of a dataset; a folder has the dataset's name, such as blend/")
            return
    if as_json:
        print(json.dumps([described(entry) for entry in entries], ensure_ascii=False, indent=1))
    else:
        listing(entries)


@app.command(epilog="Examples:  interp data check mine.csv  |  interp data check mine.jsonl --cultures es=MX -n 5")
@options.grouped(given=options.Group(RunConfig, ("cultures",)))
def check(
    file: Annotated[str, typer.Argument(help="Your file: CSV, TSV, JSON lines or Parquet (docs/data.md).")],
    given: options.Given,
    n: Annotated[int, typer.Option("-n", min=0, help="Number of prompts to print.")] = 2,
) -> None:
    """Check a file of your own: say what a run makes of it, or what is wrong in which row."""
    from interp.cli.setup import _selecting as selecting
    from interp.cli.setup._showing import console, prompt_lines, summary
    from interp.data import CulturalSet, ParallelText

    with options.interruptible("nothing was changed"):
        path = file if "/" in file else f"./{file}"  # a name without a known ending is a path here too
        (axis,) = selecting.axes_of(path, None)
        dataset = selecting.load(path, axis, (), cultures=parse_cultures(options.names(given["cultures"])))
        assert not isinstance(dataset, ParallelText)  # a file has one of the two axes
        out = console()
        out.print("\n".join([f"file       {file}", *summary(dataset)]))
        scored = dataset.own_culture if isinstance(dataset, CulturalSet) else dataset.languages
        for code in dataset.languages:
            if code not in scored and code != "en":
                out.print(f"note       {code} has no culture of its own: name one with --cultures {code}=CULTURE")
        for code in [code for code in dataset.languages if code in scored][: 1 if n else 0]:
            for prompt in selecting.prompts(dataset, code, axis=axis)[:n]:
                out.print("\n".join(["", *prompt_lines(prompt)]))


@app.command(
    epilog="Examples:  interp data show atlas --language ko -n 3  |  "
    "interp data show atlas --axis cultural --language el --culture KR --cue explicit  |  "
    "interp data show localization_gap --language tr --data-dir data --left-out"
)
@options.grouped(wanted=options.Group(PromptOptions))
def show(
    name: Name,
    wanted: PromptOptions,
    n: Annotated[int, typer.Option("-n", min=1, help="Number of prompts per axis.")] = 3,
    left_out: Annotated[
        bool, typer.Option("--left-out", help="Instead of prompts, list the items that are not used, with reasons.")
    ] = False,
) -> None:
    """Show prompts as the model reads them (a chat model's template apart), and what each option is."""
    from interp.cli.setup import _selecting as selecting
    from interp.cli.setup._showing import console, left_out_lines, parallel_lines, prompt_lines
    from interp.data import ParallelText

    with options.interruptible("nothing was changed"):
        out = console()
        for axis in selecting.axes_of(name, wanted.axis):
            dataset = selecting.load(name, axis, options.names(wanted.languages, wanted.language), wanted.data_dir)
            code = wanted.language or selecting.first_language(dataset)
            if left_out:
                lines = left_out_lines(selecting.unused(dataset, code, wanted.culture))
            elif isinstance(dataset, ParallelText):
                lines = parallel_lines(dataset, code, n)
            else:
                prompts = selecting.prompts(dataset, code, axis=axis, culture=wanted.culture, cue=wanted.cue)[:n]
                lines = [line for prompt in prompts for line in (*prompt_lines(prompt), "")]
            for line in lines:
                out.print(line)


@app.command(epilog="Examples:  interp data fetch localization_gap  |  interp data fetch include --languages ko,el")
def fetch(
    name: Annotated[str, typer.Argument(help="A dataset's name (`interp data list`).")],
    languages: Annotated[str | None, typer.Option(help="Languages to fetch, such as es,zh. Default: all.")] = None,
) -> None:
    """Download a dataset into the cache, for later use without a network (set HF_HUB_OFFLINE=1 there)."""
    from interp.cli.setup import _selecting as selecting
    from interp.cli.setup._showing import console, summary
    from interp.data.own import is_file

    if is_file(name):
        raise DataError(f"{name!r} is a file", allowed="a dataset's name", remedy="there is nothing to fetch")
    with options.interruptible("tables that were downloaded completely stay in the cache"):
        for axis in selecting.axes_of(name, None):
            dataset = selecting.load(name, axis, options.names(languages))
            console().print("\n".join(summary(dataset)))


@app.command(
    epilog="Examples:  interp data export atlas --language ko --out exported  |  "
    "interp data export atlas --axis cultural --language el --cue explicit --out exported"
)
@options.grouped(wanted=options.Group(PromptOptions, ("axis", "culture", "cue", "data_dir", "languages")))
def export(
    name: Name,
    out: Annotated[Path, typer.Option(help="Folder to write into.")],
    language: Annotated[str, typer.Option(help="Language of the prompts.")],
    wanted: PromptOptions,
    form: Annotated[
        str, typer.Option("--format", help="Output format: lm-eval (JSON lines and a YAML task for lm_eval).")
    ] = "lm-eval",
    split: Annotated[str, typer.Option(help="Split: fit, dev or test.")] = "test",
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many prompts per axis.")] = None,
) -> None:
    """Write prompts and options for another evaluator, so that it scores exactly what a run scores."""
    from interp.cli.setup import _selecting as selecting
    from interp.data import ParallelText
    from interp.export import export as write

    check_choice("format", form, ("lm-eval",))
    splits = [check_choice("split", split, SPLITS)]
    with options.interruptible("completed files are kept"):
        for axis in selecting.axes_of(name, wanted.axis):
            if axis == "parallel":
                continue
            dataset = selecting.load(name, axis, options.names(wanted.languages, language), wanted.data_dir)
            assert not isinstance(dataset, ParallelText)
            cue = wanted.cue if axis == "cultural" else "none"
            prompts = selecting.prompts(dataset, language, axis=axis, culture=wanted.culture, cue=cue, splits=splits)[
                :limit
            ]
            words = ["translocal", Path(name).stem, axis, language, *{p.culture for p in prompts if p.culture}]
            title = "_".join([*words, *([cue] if cue != "none" else []), split])
            for path in write([prompt.task for prompt in prompts], title, out):
                print(path)
