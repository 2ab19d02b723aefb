"""`interp export`: plans and vectors for other tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.errors import ConfigError, OutputError, nearest

if TYPE_CHECKING:
    from interp.model import LoadedModel
    from interp.model.read import Template
    from interp.steering import Plan, SavedPlans

EXAMPLES = (
    "Examples:  interp export runs/mine --to plan --out plans  |  "
    "interp export runs/mine --to gguf --method surgical --language ko --out ko.gguf  |  "
    "interp export runs/mine --to checkpoint --language ko --out baked  |  "
    "interp export runs/mine --to hub --repo me/plans --dry-run --out card"
)
FORMS = ("plan", "gguf", "lm-eval", "checkpoint", "hub")
SUFFIX = {"gguf": ".gguf", "lm-eval": ".pt"}
DTYPES = ("float32", "bfloat16", "float16")


def export(
    plan: Annotated[Path, typer.Argument(help="A plan.json, or the run's folder that has one.", show_default=False)],
    to: Annotated[str, typer.Option(help=f"Form: {', '.join(FORMS)}.")] = "plan",
    method: Annotated[
        str | None, typer.Option(help="A method of the plan. Default: surgical; with plan and hub: all.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="A language of it. Default with plan and hub: all.")] = None,
    strength: Annotated[float, typer.Option(help="Times the plan's strengths (gguf, lm-eval, checkpoint).")] = 1.0,
    out: Annotated[Path | None, typer.Option(help="File or folder to write.", show_default=False)] = None,
    model: Annotated[str | None, typer.Option(help="As in `interp run`. Default: the plan's.")] = None,
    dtype: Annotated[str, typer.Option(help="Of a checkpoint's weights: float32, bfloat16 or float16.")] = "float32",
    repo: Annotated[str | None, typer.Option(help="With --to hub: user/name.")] = None,
    private: Annotated[bool, typer.Option("--private", help="With --to hub: a private repository.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --to hub: upload nothing.")] = False,
    measure: Annotated[
        bool,
        typer.Option(
            help="Measure what steering every token changes, where the plan leaves BOS alone (loads the model)."
        ),
    ] = True,
) -> None:
    """Write a plan for other tools.

    plan: a folder of its own for `interp generate`, `score` and `chat`. gguf: a control vector for llama.cpp.
    lm-eval: the file of lm-evaluation-harness's `--model steered`. checkpoint: the model with the plan in its biases,
    for plain Transformers. hub: the plan's folder with a model card, uploaded. gguf, lm-eval and checkpoint hold one
    plan, and can express only vectors that are added to every token. Of a plan at positions text, which leaves BOS
    alone, they say how much that changes.
    """
    if to not in FORMS:
        remedy = nearest(to, FORMS, "pass one of these")
        raise ConfigError(f"form {to!r} is unknown", allowed=", ".join(FORMS), remedy=remedy)
    if dtype not in DTYPES:
        raise ConfigError(f"dtype {dtype!r} is unknown", allowed=", ".join(DTYPES))
    if out is None:
        raise ConfigError("no place to write to is given", remedy="pass --out")
    from interp.steering import load_plans

    saved = load_plans(plan)
    try:
        if to in ("plan", "hub"):
            _folder(saved, method, language, out, to, repo, private, dry_run)
            return
        if language is None:
            known = ", ".join(saved.languages(method or "surgical"))
            raise ConfigError(f"--to {to} holds one plan", allowed=known, remedy="pass --language")
        chosen = saved.plan(language, method or "surgical").scaled(strength)
        if to == "checkpoint":
            _checkpoint(saved, chosen, language, model, dtype, measure, out)
        else:
            _file(saved, chosen, language, model, to, measure, out)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        raise typer.Exit(130) from None


def _folder(
    saved: SavedPlans,
    method: str | None,
    language: str | None,
    out: Path,
    to: str,
    repo: str | None,
    private: bool,
    dry_run: bool,
) -> None:
    from interp.export import write_folder
    from interp.study.folder import writable

    repository = None
    if to == "hub":
        from interp.export import check_repository

        repository = check_repository(repo)
    methods = [method] if method else [m for m in saved.methods if language is None or language in saved.languages(m)]
    with writable(out):
        write_folder(saved, out, methods, language)
    if repository:
        from interp.export import model_card
        from interp.files import whole

        with whole(out / "README.md") as working:
            working.write_text(model_card(saved, methods, language), encoding="utf-8")
    print(out)
    if repository and dry_run:
        print(f"nothing was uploaded; {repository} would get what is in {out}")
    elif repository:
        from interp.export import upload

        print(upload(out, repository, private=private))


def _everywhere(
    loaded: LoadedModel | None, plan: Plan, language: str, template: Template
) -> tuple[str, dict[str, Any]]:
    """What it changes to steer every token, in words and as plain values; nothing where the plan does so itself."""
    from interp.export import UNMEASURED, chosen_positions, difference

    chosen = chosen_positions(plan)
    if not chosen:
        return "", {}
    if loaded is None:
        return UNMEASURED.format(", ".join(chosen)), {"positions": "all", "chosen": list(chosen)}
    measured = difference(loaded, plan, language, template)
    return measured.sentence(), measured.described()


def _template(saved: SavedPlans, loaded: LoadedModel) -> Template:
    """The template that the plans were made behind; none for a Jinja file, which isn't at hand."""
    from interp.model.read import AUTO, CHAT, NONE, find_template

    return find_template(loaded.model.tokenizer, AUTO if saved.template == CHAT else NONE)


def _loaded(saved: SavedPlans, plan: Plan, model: str | None, **settings: Any) -> LoadedModel:
    from interp.model.load import load_model
    from interp.steering import check_fits, naming_model, notice_other_model

    name = model or saved.model.name
    with naming_model(saved, name):
        loaded = load_model(name, **settings)
    notice_other_model(saved, loaded)
    check_fits(loaded.model, plan)
    return loaded


def _file(saved: SavedPlans, plan: Plan, language: str, model: str | None, to: str, measure: bool, out: Path) -> None:
    from interp.export import (
        FIRST_LAYER,
        GGUF_FORM,
        HARNESS_FORM,
        additions,
        chosen_positions,
        config_of,
        hook_names,
        write_gguf,
        write_harness,
    )
    from interp.files import json_text, whole
    from interp.model.read import Template
    from interp.study.folder import writable

    if out.suffix != SUFFIX[to]:
        right = out.with_suffix(SUFFIX[to]).name
        raise ConfigError(f"{out} has another suffix", allowed=SUFFIX[to], remedy=f"pass --out {right}")
    if out.is_dir():
        raise OutputError(f"{out} is a folder", allowed="a file", remedy="pass another --out")
    first = FIRST_LAYER if to == "gguf" else 0
    added = additions(plan, GGUF_FORM if to == "gguf" else HARNESS_FORM, first=first)
    config = config_of(saved, model)
    loaded = _loaded(saved, plan, model) if measure and chosen_positions(plan) else None
    said, notes = _everywhere(loaded, plan, language, _template(saved, loaded) if loaded else Template())
    with writable(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        if to == "gguf":
            write_gguf(out, added, str(config.get_text_config().model_type), json_text(notes) if notes else "")
        else:
            write_harness(out, added, hook_names(config))
            if notes:
                with whole(out.with_name(f"{out.name}.json")) as working:
                    working.write_text(json_text(notes), encoding="utf-8")
    print(out)
    if said:
        print(said)


def _checkpoint(
    saved: SavedPlans, plan: Plan, language: str, model: str | None, dtype: str, measure: bool, out: Path
) -> None:
    from interp.export import FORM, additions, bake, checkpoint_card
    from interp.files import json_text
    from interp.study.folder import writable

    additions(plan, FORM)
    loaded = _loaded(saved, plan, model, device="cpu", dtype="float32")
    said, values = _everywhere(loaded if measure else None, plan, language, _template(saved, loaded))
    notes = {"README.md": checkpoint_card(saved.model.name, plan, said)}
    notes |= {"translocal.json": json_text(values)} if values else {}
    with writable(out):
        baked = bake(loaded, model or saved.model.name, plan, out, dtype=dtype, notes=notes)
    print(baked.folder)
    for bias in baked.biases.values():
        print(f"  {bias}")
    print(f"largest difference of a logit from the model under hooks: {baked.difference:.2g}")
    if said:
        print(said)
