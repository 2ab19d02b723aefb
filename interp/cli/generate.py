"""`interp generate`: what a model says, unsteered and steered."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli import options
from interp.errors import ConfigError
from interp.files import json_text

if TYPE_CHECKING:
    from interp.cli.steering import Bare
    from interp.model.loading import LoadedModel
    from interp.steering.generation import Generated
    from interp.steering.plans import Plan
    from interp.steering.saved import SavedPlans

EXAMPLES = (
    'Examples:  interp generate --plan runs/mine/plan.json --language es "¿Cuál es la capital de Japón?"  |  '
    'interp generate --vectors mine.gguf --layer 3 --strength 2 --raw "Once upon a time"  |  '
    'interp generate --model google/gemma-3-1b-it --language en "Where is Seoul?" --json'
)
SURGICAL = "surgical"


def generate(
    questions: Annotated[list[str], typer.Argument(help="One question or more.", show_default=False)],
    plan: options.PlanFile = None,
    language: Annotated[str | None, typer.Option(help="The questions' language, and the plan's.")] = None,
    method: Annotated[str | None, typer.Option(help=f"With --plan: a method of it. Default: {SURGICAL}.")] = None,
    strength: Annotated[
        float | None, typer.Option(help="Times the plan's strengths; with --vectors times the vector. Default: 1.")
    ] = None,
    vectors: options.Vectors = None,
    layer: options.Layer = None,
    operator: options.Operator = None,
    positions: options.Positions = None,
    model: Annotated[str | None, typer.Option(help="As in `interp run`. Default: the plan's, else organism.")] = None,
    adapter: options.Adapter = None,
    revision: options.Revision = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    template: Annotated[str | None, typer.Option(help="As in `interp run`. Default: the plan's, else auto.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="The model reads the text as it stands.")] = False,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of an answer.")] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print what a model answers, unsteered and steered side by side; greedily, up to the end of a line.

    A question becomes the prompt that `interp run` makes of it: the language's word for "Answer:" behind it, in the
    chat model's template. Without a plan and vectors only the plain model answers.
    """
    from interp.cli.steering import Bare, read_steering
    from interp.model.sources import find_model, resolve_device
    from interp.model.template import check_template

    if language is not None:
        from interp.data.languages import language as known_language

        known_language(language)
    elif not raw:
        raise ConfigError("no language is given", remedy="pass --language, or --raw for texts as they stand")
    if raw and template is not None:
        raise ConfigError("--template makes no sense with --raw", remedy="leave one of them out")
    check_template(template or "auto")
    if model is not None:
        find_model(model, dtype or "auto")
    found = read_steering(plan, vectors, layer, strength, operator, positions, {"--method": method})
    if found is not None and not isinstance(found, Bare) and language is None:
        raise ConfigError("a plan needs a language", allowed=", ".join(found.languages(method or SURGICAL)))
    steer = _plan(found, language, method or SURGICAL, strength)
    if device not in (None, "auto"):
        resolve_device(str(device))
    try:
        saved = None if isinstance(found, Bare) else found
        loaded = _load(saved, model, adapter=adapter, revision=revision, device=device or "auto", dtype=dtype or "auto")
        prompts, name = _prompts(loaded, questions, "" if raw else str(language), template, saved)
        rows = _answers(loaded, prompts, steer, max_new_tokens)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        raise typer.Exit(130) from None
    if as_json:
        print(json_text(_described(loaded, name, language, steer, questions, prompts, rows)), end="")
    else:
        _show(questions, rows)


def _plan(found: SavedPlans | Bare | None, language: str | None, method: str, strength: float | None) -> Plan | None:
    from interp.cli.steering import Bare

    if found is None:
        return None
    if isinstance(found, Bare):
        return found.vectors.plan(found.layer, found.strength, operator=found.operator, positions=found.positions)
    return found.plan(str(language), method).scaled(1.0 if strength is None else strength)


def _load(saved: SavedPlans | None, model: str | None, **settings: Any) -> LoadedModel:
    from interp.model.loading import load_model
    from interp.model.sources import ORGANISM
    from interp.steering.saved import naming_model, notice_other_model

    name = model or (saved.model.name if saved else ORGANISM)
    with naming_model(saved, name):
        loaded = load_model(name, **settings)
    if saved:
        notice_other_model(saved, loaded)
    return loaded


def _prompts(
    loaded: LoadedModel, questions: list[str], language: str, template: str | None, saved: SavedPlans | None
) -> tuple[list[str], str]:
    """What the model reads, and the template's name; without a language the texts as they stand."""
    from interp.data.prompts import question_text
    from interp.model.template import AUTO, NONE, find_template
    from interp.steering.saved import notice_other_template, template_choice

    if not language:
        return questions, NONE
    through = find_template(loaded.model.tokenizer, template or (template_choice(saved) if saved else AUTO))
    if saved:
        notice_other_template(saved, through)
    return [through.text(question_text(question, language)) for question in questions], through.name


def _answers(
    loaded: LoadedModel, prompts: list[str], steer: Plan | None, max_new_tokens: int
) -> list[dict[str, Generated]]:
    from interp.steering.generation import generate as continued
    from interp.steering.plans import Plan, check_fits

    plans = {"unsteered": Plan()} | ({"steered": steer} if steer else {})
    for plan in plans.values():
        check_fits(loaded.model, plan)
    said = continued(loaded.model, prompts, list(plans.values()), max_new_tokens=max_new_tokens)
    return [dict(zip(plans, row, strict=True)) for row in zip(*said, strict=True)]


def _described(
    loaded: LoadedModel,
    template: str,
    language: str | None,
    steer: Plan | None,
    questions: list[str],
    prompts: list[str],
    rows: list[dict[str, Generated]],
) -> dict[str, Any]:
    return {
        "model": loaded.described(),
        "template": template,
        "language": language,
        "steers": [
            {"layer": one.layer, "strength": one.strength, "operator": one.operator, "positions": one.positions}
            for one in (steer.steers if steer else ())
        ],
        "answers": [
            {"question": question, "prompt": prompt}
            | {kind: {"text": said.text, "ended": said.ended} for kind, said in row.items()}
            for question, prompt, row in zip(questions, prompts, rows, strict=True)
        ],
    }


def _show(questions: list[str], rows: list[dict[str, Generated]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("question", *rows[0])
    for question, row in zip(questions, rows, strict=True):
        said = [" ".join(one.text.split()) + ("" if one.ended else " …") for one in row.values()]
        table.add_row(Text(question), *map(Text, said))
    Console().print(table)
