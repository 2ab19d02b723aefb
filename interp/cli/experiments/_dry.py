"""`--dry-run`: what a run would take and write, said before anything heavy starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from interp.cli.printing import bytes_text, count_text, seconds_text
from interp.data import SPLITS

if TYPE_CHECKING:
    from interp.data import CulturalSet, ParallelText, UniversalSet
    from interp.model.load import Outline
    from interp.studies import RunCost
    from interp.study.ask import Inputs, Study
    from interp.study.config import RunConfig
    from interp.study.cost import Estimate, Offer

TABLES = ("probes.csv", "alignment.csv", "directions.csv", "onsets.csv", "lens.csv", "layers.csv")
RUN_TABLES = (
    "headroom.csv", "plane.csv", "contrasts.csv", "verdicts.csv", "controls.csv", "fronts.csv", "consistency.csv",
    "plan.json", "candidates.parquet", "layers_chosen.csv",
)  # fmt: skip
TRAINED_TABLES = ("erasure.csv", "mechanism.csv", "signals.csv", "trained_onsets.csv", "trained/")
MOST_REASONS = 5
NAME = 11


def print_plan(settings: RunConfig, *, whole: bool) -> None:
    """Print what a run would take; exit code 1 where it would not fit. whole: the main job, else its analysis half.

    Raises what the run itself would raise before it loads its model.
    """
    from interp.model.load import check_adapter, outline, place
    from interp.model.machine import disk, free_bytes
    from interp.studies import RunCost
    from interp.study.ask import check_items, resolve
    from interp.study.cost import estimate, offers, planned, settle
    from interp.study.folder import check_folder

    check_folder(settings.folder)
    if settings.adapter:
        check_adapter(settings.adapter)
    inputs = resolve(settings)
    print("\n".join(_data_lines(settings, inputs)), flush=True)
    spot = place(settings.device, settings.dtype, settings.n_devices, None, settings.quantization or None)
    model = outline(
        settings.model, spot.dtype, quantization=settings.quantization or None, revision=settings.revision or None
    )
    print("\n".join(_model_lines(settings, model, spot.device, spot.dtype)), flush=True)
    study = planned(settings, inputs, model, spot.device, spot.dtype)
    check_items(study, inputs)
    if whole:
        designs = list(offers(settings, inputs, model, (spot.device, spot.dtype)))
        settings = settle(settings, inputs, offered=designs)
        [(study, work)] = [(offer.study, offer.cost) for offer in designs if offer.name == settings.design]
        print("\n".join(_design_lines(designs, settings.design)), flush=True)
    else:
        work = estimate(study, model, spot.device, spot.dtype, whole=False)
    print("\n".join(_item_lines(study, whole)), flush=True)
    cost = RunCost(work, model, spot.device, sum(free_bytes(device) for device in spot.devices))
    disk_free = disk("runs", settings.folder).free
    print("\n".join([*_work_lines(work), *_space_lines(cost, disk_free)]))
    print("\n".join(_written_lines(settings, study, whole)))
    would_fail = problems(cost, disk_free)
    for problem in would_fail:
        print(f"would fail: {problem}")
    if would_fail:
        raise typer.Exit(1)


def _line(name: str, text: str) -> str:
    return f"{name:<{NAME}}{text}"


def _data_lines(settings: RunConfig, inputs: Inputs) -> list[str]:
    lines = []
    for axis, dataset in (("universal", inputs.universal), ("cultural", inputs.cultural)):
        splits = Counter(item.split for item in dataset.items)
        counts = ", ".join(f"{split} {splits[split]}" for split in SPLITS)
        where = f" in {settings.data_dir}" if settings.data_dir and dataset.revision == "local files" else ""
        lines.append(_line(axis, f"{dataset.name} ({_revision(dataset)}{where}): {len(dataset.items)} items; {counts}"))
        lines.append(_line("", f"languages {', '.join(dataset.languages)}"))
        lines += _left_out(dataset)
    text = inputs.parallel
    lines.append(_line("parallel", f"{text.name} ({_revision(text)}): {len(text.sentences)} sentences"))
    return lines


def _revision(dataset: UniversalSet | CulturalSet | ParallelText) -> str:
    return dataset.revision or "embedded"


def _left_out(dataset: UniversalSet | CulturalSet) -> list[str]:
    reasons: Counter[str] = Counter()
    for left in dataset.left_out:
        reasons[left.reason.partition(":")[0]] += left.count
    lines = [_line("", f"left out: {count} x {reason}") for reason, count in reasons.most_common(MOST_REASONS)]
    if len(reasons) > MOST_REASONS:
        rest = sum(reasons.values()) - sum(count for _, count in reasons.most_common(MOST_REASONS))
        lines.append(_line("", f"left out: {rest} x other reasons (left_out.csv has all)"))
    return lines


def _model_lines(settings: RunConfig, model: Outline, device: str, dtype: str) -> list[str]:
    shape = model.shape
    where = {
        "embedded": "embedded", "folder": f"in {model.folder}", "cached": "in the Hub's cache",
        "to download": f"to download: {bytes_text(model.download)}",
    }[model.place]  # fmt: skip
    size = f"{bytes_text(model.weights)} in {settings.quantization or dtype} on {device}"
    lines = [
        _line("model", f"{model.name}: {count_text(shape.parameters)} parameters, {size}; {where}"),
        _line("", f"{shape.n_layers} blocks of width {shape.d_model}, {count_text(shape.d_vocab)} words"),
    ]
    if model.revision:
        lines.append(_line("", f"revision {model.revision}"))
    if model.gated is not None:
        lines.append(_line("", "gated: your token has access" if model.gated else "not gated"))
    if settings.adapter:
        lines.append(_line("", f"adapter {settings.adapter} is merged into it (not checked here)"))
    return lines


def _design_lines(designs: Sequence[Offer], picked: str) -> list[str]:
    """Every design side by side: its time, and the smallest effects that its test can see."""
    from interp.study.cost import SHIFTED, smallest_seen

    heads = f"{'time':>8}  {'grid':>12}  {'controls':>8}  smallest effect seen: transfer, localization"
    lines = [_line("design", f"{'':13}{heads}")]
    for offer in designs:
        design, seen = offer.study.design, smallest_seen(offer.study)
        grid = f"{len(design.layers)} x {len(design.strengths)}"
        draws = f"{len(design.controls)} x {design.draws}"
        effects = ", ".join(f"{value:.3f}" for value in seen.values())
        mark = "*" if design.name == picked else " "
        time = seconds_text(offer.cost.middle)
        lines.append(_line("", f"{mark} {design.name:<10} {time:>8}  {grid:>12}  {draws:>8}  {effects}"))
    lines.append(
        _line("", f"detected with 80% power if {SHIFTED:.0%} of the choices change; the run measures this on dev")
    )
    return lines


def _item_lines(study: Study, whole: bool) -> list[str]:
    from interp.study.search import AXES, control_steps, method_steps, sought

    lines = []
    for code in study.languages:
        counts = [
            f"{axis} dev {len(study.tasks(axis, code, 'dev'))}, test {len(study.tasks(axis, code, 'test'))}"
            for axis in AXES
        ]
        lines.append(_line(f"{code} ({study.culture(code)})", f"scored prompts: {'; '.join(counts)}"))
    if whole:
        methods, design, n = sought(study), study.design, len(study.languages)
        draws = len(design.controls) * design.draws if methods.names else 0
        grid = f"{len(design.layers)} layers x {len(design.strengths)} strengths, {len(design.rounds)} rounds"
        lines.append(_line("search", f"{grid}; {method_steps(study, methods)} plans on dev for the methods"))
        tried = len(design.controls) * control_steps(study) if draws else 0
        lines.append(_line("", f"{draws} control draws: {tried} plans on dev, {2 * draws * n} on test"))
    return lines


def _work_lines(work: Estimate) -> list[str]:
    runs = count_text(sum(part.prompts * part.plans for part in work.parts))
    tokens = count_text(sum(part.tokens for part in work.parts))
    flops = sum(part.flops for part in work.parts)
    per = (
        "one token per four bytes, because the tokenizer is not on this machine"
        if work.guessed
        else "the model's tokenizer, on a sample"
    )
    lines = [
        _line("work", f"{runs} prompts x plans; {tokens} tokens x blocks; {flops:.2g} operations"),
        _line("", f"tokens counted with {per}"),
        _line("time", f"{' to '.join(map(seconds_text, work.total))}, measured on this machine as busy as it is now"),
    ]
    for stage, (low, high) in work.seconds.items():
        lines.append(_line("", f"{stage:<9} {seconds_text(low)} to {seconds_text(high)}"))
    matmul = f"{work.rates.matmul / 1e9:.0f} GFLOP/s in a matrix product"
    block = f"{work.rates.block * 1e6:.3g} µs per token and block, of random blocks of this shape"
    return [*lines, _line("measured", f"{matmul}; {block}")]


def _space_lines(cost: RunCost, disk: int | None) -> list[str]:
    work = cost.estimate
    parts = f"weights {bytes_text(cost.model.weights)}, activations up to {bytes_text(work.activations)}"
    memory = f"{bytes_text(work.device_bytes)} on {cost.device}, {bytes_text(cost.free)} free ({parts})"
    free = "" if disk is None else f", {bytes_text(disk)} free"
    return [
        _line("memory", memory),
        *([_line("", f"{bytes_text(work.host_bytes)} of main memory")] if work.host_bytes else []),
        _line("disk", f"{bytes_text(work.disk_bytes)}{free}"),
    ]


def _written_lines(settings: RunConfig, study: Study, whole: bool) -> list[str]:
    names = [*TABLES, *(["attribution.csv"] if study.design.attribution_items else [])]
    if whole:
        names = [*_checks(settings, study), *(["generated.csv"] if settings.generate else []), *names]
        names = [*RUN_TABLES, *names]
        names += ["scores/*.parquet", "figures/plane.*, figures/layers.*"]
        names += TRAINED_TABLES if settings.compared.trained else ()
    if study.universal.left_out or study.cultural.left_out or study.indistinct_items:
        names.append("left_out.csv")
    filled = settings.folder.exists() and any(settings.folder.iterdir())
    replaced = " (replaces the existing run)" if filled else ""
    return [
        _line("writes", f"{settings.folder}{replaced}"),
        _line("", ", ".join([*names, "vectors/*.safetensors", "manifest.json"])),
        "nothing was run or written",
    ]


def _checks(settings: RunConfig, study: Study) -> list[str]:
    from interp.study.score import NOT_SCORED, sentence_prompts

    names = [] if settings.normalisation in NOT_SCORED else ["robustness.csv"]
    return names + (["damage.csv"] if any(sentence_prompts(study, code) for code in study.languages) else [])


def problems(cost: RunCost, disk: int | None) -> list[str]:
    """What would stop the run: weights that don't fit the memory, tables that don't fit the disk (None: not asked)."""
    model, written, problems = cost.model, cost.estimate.disk_bytes, []
    if model.weights > cost.free:
        problems.append(f"{bytes_text(model.weights)} of weights, {bytes_text(cost.free)} free on {cost.device}")
    if disk is not None and written > disk:
        problems.append(f"{bytes_text(written)} to write, {bytes_text(disk)} free")
    if model.place == "to download":
        from huggingface_hub.constants import HF_HUB_CACHE

        from interp.model.machine import disk as disk_of

        room = disk_of("Hub cache", Path(HF_HUB_CACHE)).free
        if room is not None and model.download > room:
            problems.append(f"{bytes_text(model.download)} to download, {bytes_text(room)} free at {HF_HUB_CACHE}")
    return problems
