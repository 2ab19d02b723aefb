"""`interp export`: plans and vectors for other tools."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from interp.cli import options
from interp.cli.steering import SURGICAL, ReadingOptions
from interp.errors import ConfigError, OutputError
from interp.files import json_text, whole
from interp.settings import Checked, check_choice, setting

if TYPE_CHECKING:
    from interp.model import LoadedModel
    from interp.steering import Plan, SavedPlans

EXAMPLES = (
    "Examples:  interp export runs/mine --to plan --out plans  |  "
    "interp export runs/text --to gguf --method surgical --language ko --out ko.gguf  |  "
    "interp export runs/text --to checkpoint --language ko --out baked  |  "
    "interp export runs/mine --to hub --repo me/plans --dry-run --out card"
)
FORMS = ("plan", "gguf", "lm-eval", "vllm-lens", "checkpoint", "hub")
SUFFIX = {"gguf": ".gguf", "lm-eval": ".pt", "vllm-lens": ".json"}


@dataclass(frozen=True)
class ExportOptions(Checked):
    """What is written of a plan, and where, as it is given on the command line."""

    to: str = setting("plan", "Output format: plan (default), gguf, lm-eval, vllm-lens, checkpoint or hub.")
    method: str | None = setting(None, "Method to export. Default: surgical; with plan and hub: all.")
    language: str | None = setting(None, "Language to export. Default with plan and hub: all.")
    strength: float = setting(1.0, "Multiplies the plan's strengths (all but plan and hub). Default: 1.")
    model: str | None = setting(None, "As in `interp run`. Default: the plan's.")
    dtype: Literal["float32", "bfloat16", "float16"] = setting(
        "float32", "Number format of the checkpoint's weights: float32 (default), bfloat16 or float16."
    )
    repo: str | None = setting(None, "With --to hub: the repository, as user/name.")
    private: bool = setting(False, "With --to hub: make the repository private.")
    dry_run: bool = setting(False, "With --to hub: write the folder but upload nothing.")
    measure: bool = setting(
        True,
        "If the plan does not steer BOS, load the model and measure what steering every token changes (default).",
    )

    def __post_init__(self) -> None:
        check_choice("form", self.to, FORMS, "pass one of these")
        if self.dry_run and self.to != "hub":
            raise ConfigError("--dry-run makes no sense without --to hub", remedy="leave it out")
        super().__post_init__()

    def load(self, saved: SavedPlans, plan: Plan, **settings: str) -> LoadedModel:
        """The model that is named, else the plans' own; raises ModelError if the plan does not fit it."""
        from interp.steering import check_fits

        loaded = ReadingOptions(model=self.model, **settings).load(saved)
        check_fits(loaded.model, plan)
        return loaded


@options.grouped(settings=options.Group(ExportOptions))
def export(
    plan: Annotated[Path, typer.Argument(help="A plan.json, or the folder of a run.", show_default=False)],
    settings: ExportOptions,
    out: Annotated[Path | None, typer.Option(help="File or folder to write.", show_default=False)] = None,
) -> None:
    """Write a plan in a form that other tools read.

    plan: a separate folder for `interp generate`, `score` and `chat`. gguf: a control vector for llama.cpp and
    EasySteer. lm-eval: the file that lm-evaluation-harness takes with `--model steered`. vllm-lens: the steering vector
    of vLLM-Lens. checkpoint: the model with the plan in its biases, for plain Transformers. hub: the plan's folder with
    a model card, uploaded to the Hub. All but plan and hub hold a single plan, and only plans that add vectors to every
    token. If the plan leaves BOS unsteered (positions text), the command reports how much steering BOS too changes.
    """
    if out is None:
        raise ConfigError("no output path is given", remedy="pass --out")
    from interp.steering import load_plans

    saved = load_plans(plan)
    with options.interruptible():
        if settings.to in ("plan", "hub"):
            _write_folder(saved, out, settings)
            return
        method, language = settings.method or SURGICAL, settings.language
        if language is None:
            allowed = ", ".join(saved.languages(method))
            raise ConfigError(f"--to {settings.to} holds one plan", allowed=allowed, remedy="pass --language")
        chosen = saved.plan(language, method).scaled(settings.strength)
        write = _write_checkpoint if settings.to == "checkpoint" else _write_file
        write(saved, chosen, language, out, settings)


def _write_folder(saved: SavedPlans, out: Path, settings: ExportOptions) -> None:
    from interp.export import check_repository, model_card, upload, write_folder
    from interp.study.folder import writable

    language = settings.language
    repository = check_repository(settings.repo) if settings.to == "hub" else None
    methods = [method for method in saved.methods if language is None or language in saved.languages(method)]
    methods = [settings.method] if settings.method else methods
    with writable(out):
        write_folder(saved, out, methods, language)
    if repository:
        with whole(out / "README.md") as working:
            working.write_text(model_card(saved, methods, language), encoding="utf-8")
    print(out)
    if repository and settings.dry_run:
        print(f"nothing was uploaded; {repository} would get the contents of {out}")
    elif repository:
        print(upload(out, repository, private=settings.private))


def _everywhere(saved: SavedPlans, plan: Plan, language: str, loaded: LoadedModel | None) -> tuple[str, dict[str, Any]]:
    """What it changes to steer every token, in words and as plain values; nothing where the plan does so itself."""
    from interp.export import UNMEASURED, chosen_positions, difference
    from interp.model.read import AUTO, CHAT, NONE, find_template

    chosen = chosen_positions(plan)
    if not chosen:
        return "", {}
    if loaded is None:
        return UNMEASURED.format(", ".join(chosen)), {"positions": "all", "chosen": list(chosen)}
    # A Jinja file that the plans were made with isn't at hand.
    template = find_template(loaded.model.tokenizer, AUTO if saved.template == CHAT else NONE)
    measured = difference(loaded, plan, language, template)
    return measured.sentence(), measured.described()


def _write_file(saved: SavedPlans, plan: Plan, language: str, out: Path, settings: ExportOptions) -> None:
    from interp.export import (
        FIRST_LAYER,
        GGUF_FORM,
        HARNESS_FORM,
        VLLM_FORM,
        additions,
        chosen_positions,
        config_of,
        hook_names,
        write_gguf,
        write_harness,
        write_vllm_lens,
    )
    from interp.study.folder import writable

    to = settings.to
    if out.suffix != SUFFIX[to]:
        right = out.with_suffix(SUFFIX[to]).name
        raise ConfigError(f"{out} does not end in {SUFFIX[to]}", remedy=f"pass --out {right}")
    if out.is_dir():
        raise OutputError(f"{out} is a folder", allowed="a file", remedy="pass another --out")
    first = FIRST_LAYER if to == "gguf" else 0
    form = {"gguf": GGUF_FORM, "lm-eval": HARNESS_FORM, "vllm-lens": VLLM_FORM}[to]
    added = additions(plan, form, first=first)
    config = config_of(saved, settings.model)
    loaded = settings.load(saved, plan) if settings.measure and chosen_positions(plan) else None
    sentence, notes = _everywhere(saved, plan, language, loaded)
    with writable(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        if to == "gguf":
            write_gguf(out, added, str(config.get_text_config().model_type), json_text(notes) if notes else "")
        elif to == "vllm-lens":
            write_vllm_lens(out, added, notes)
        else:
            write_harness(out, added, hook_names(config))
            if notes:
                with whole(out.with_name(f"{out.name}.json")) as working:
                    working.write_text(json_text(notes), encoding="utf-8")
    print(out)
    if sentence:
        print(sentence)


def _write_checkpoint(saved: SavedPlans, plan: Plan, language: str, out: Path, settings: ExportOptions) -> None:
    from interp.export import FORM, additions, bake, checkpoint_card
    from interp.study.folder import writable

    additions(plan, FORM)
    loaded = settings.load(saved, plan, device="cpu", dtype="float32")
    sentence, values = _everywhere(saved, plan, language, loaded if settings.measure else None)
    notes = {"README.md": checkpoint_card(saved.model.name, plan, sentence)}
    notes |= {"translocal.json": json_text(values)} if values else {}
    with writable(out):
        baked = bake(loaded, settings.model or saved.model.name, plan, out, dtype=settings.dtype, notes=notes)
    print(baked.folder)
    for bias in baked.biases.values():
        print(f"  {bias}")
    print(f"largest difference of a logit from the model under hooks: {baked.difference:.2g}")
    if sentence:
        print(sentence)
