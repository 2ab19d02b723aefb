"""A plan that was set by hand, as `plan.json` beside the run's vectors, and as Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from interp.data import ChatText
from interp.serve._asking import Ask, HandSteer
from interp.serve._desk import Desk
from interp.steering import SCHEMA, is_share

METHOD = "by_hand"


def plan_document(desk: Desk, ask: Ask, folder: Path | None) -> dict[str, Any] | None:
    """What a `plan.json` in the run's folder holds for the request's steers; None without a run."""
    desk.plan(ask.steers)
    if folder is None:
        return None
    loaded = desk.study.loaded
    steers = [
        {
            "vectors": f"vectors/{steer.vectors}.safetensors", "layer": steer.layer, "strength": multiple,
            "operator": steer.operator, "positions": steer.positions,
        }
        for steer, multiple in zip(ask.steers, desk.multiples(ask.steers), strict=True)
    ]  # fmt: skip
    strengths = [steer.strength for steer in ask.steers]
    notes = {"notes": {"strengths": strengths}} if any(map(is_share, strengths)) else {}
    return {
        "schema": SCHEMA,
        "model": {"name": loaded.name, "fingerprint": loaded.fingerprint, "processing": loaded.processing},
        "template": desk.study.template.name,
        "methods": {METHOD: {ask.language: {"steers": steers} | notes}},
    }


def plan_python(desk: Desk, ask: Ask, folder: Path | None) -> str:
    """Python that scores the request's own options, unsteered and under its steers."""
    task, config = desk.task(ask), desk.study.config
    endings = zip(task.prompt.continuations, task.marks, strict=True)
    own = tuple(ending for ending, mark in endings if mark.own and mark.index >= 0)
    text = f"ChatText({str(task.prompt.text)!r})" if isinstance(task.prompt.text, ChatText) else repr(task.prompt.text)
    named = {name: getattr(config, name) for name in ("adapter", "revision", "quantization") if getattr(config, name)}
    settings = "".join(f", {name}={value!r}" for name, value in {"dtype": config.dtype, **named}.items())
    lines = ["import interp", "from interp.data import ChatText, Prompt", ""]
    lines.append(f"model = interp.load_model({desk.study.loaded.name!r}{settings})")
    if folder is None:
        lines.append("# the vectors were fitted when the page was opened: `interp run` keeps them in a run's folder")
    if config.normalisation in ("letter", "sentence", "pmi"):
        lines.append(
            f"# the page goes by {config.normalisation!r}, which scores other prompts; this scores the question's own"
        )
    lines.append("plan = interp.Plan()")
    lines += [_added(steer, folder) for steer in ask.steers]
    lines.append(f"prompt = Prompt({task.prompt.item!r}, {task.prompt.language!r}, {text}, {own!r})")
    lines.append("scores = interp.score(model, [prompt], [interp.Plan(), plan])")
    lines.append("print(scores.frame().to_string())")
    return "\n".join(lines) + "\n"


def _added(steer: HandSteer, folder: Path | None) -> str:
    place = str((folder or Path("runs/mine")) / "vectors" / f"{steer.vectors}.safetensors")
    return (
        f"plan += interp.read_vectors({place!r}).plan({steer.layer}, {steer.strength!r}, "
        f"operator={steer.operator!r}, positions={steer.positions!r})"
    )
