"""`interp doctor`: what a run would stand on here."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interp.cli.printing import bytes_text

if TYPE_CHECKING:
    from interp.model.machine import Advice, Hub, Machine

EXAMPLES = "Examples:  interp doctor  |  HF_HUB_OFFLINE=1 interp doctor  |  interp doctor --json"
MOST_CACHED = 20
"""How many cached repositories are listed; --json lists all."""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Check versions, the torch build against the driver, devices, memory, disks, the Hub and what is cached.

    Exit code 1 where something makes every run impossible. Downloads nothing; the Hub token is never printed.
    """
    from interp.data.files import cache_folder
    from interp.model.machine import advise, find_hub, machine

    hub = find_hub(cache_folder())
    folders = {"runs": Path("runs")} | ({"Hub cache": Path(hub.folder)} if hub.folder else {})
    here = machine(folders)
    advice = advise(here, hub)
    if as_json:
        whole = {"machine": asdict(here), "hub": asdict(hub), "advice": [asdict(one) for one in advice]}
        print(json.dumps(whole, indent=1, ensure_ascii=False))
    else:
        print("\n".join([*_machine_lines(here), *_hub_lines(hub), *_advice_lines(advice)]))
    if any(one.level == "error" for one in advice):
        raise typer.Exit(1)


def _line(name: str, text: str) -> str:
    return f"{name:<18}{text}"


def _machine_lines(here: Machine) -> list[str]:
    lines = [_line(name, number or "not installed") for name, number in here.versions.items()]
    lines.insert(1, _line("python", f"{here.python} on {here.system}"))
    torch, driver = here.torch, here.driver
    if torch.error:
        build = f"can't be imported: {torch.error}"
    else:
        build = f"{torch.build} build; can use {', '.join(torch.usable)}"
    lines += ["", _line("torch", build)]
    serves = f", serves CUDA up to {driver.cuda}" if driver and driver.cuda else ""
    lines.append(_line("GPU driver", f"{driver.kind} {driver.version}{serves}" if driver else "none"))
    for device in here.devices or here.gpus:
        name = f"{device.model} {device.architecture}".strip()
        lines.append(_line(device.name, f"{name}, {bytes_text(device.free)} free of {bytes_text(device.total)}"))
    cores = f"{here.cores}" if here.cores == here.cores_all else f"{here.cores} of {here.cores_all}"
    lines.append(_line("cores", cores))
    lines.append(_line("memory", f"{bytes_text(here.ram_free)} free of {bytes_text(here.ram_total)}"))
    for disk in here.disks:
        size = f"{bytes_text(disk.free)} free of {bytes_text(disk.total)}"
        lines.append(_line(f"disk, {disk.purpose}", f"{size} at {disk.path}"))
    return lines


def _hub_lines(hub: Hub) -> list[str]:
    on = [name for name, value in hub.switches.items() if value]
    answers = {True: "answers", False: f"does not answer ({hub.problem})", None: "not asked"}[hub.answers]
    lines = [
        "",
        _line("Hub", f"{hub.endpoint} {answers}".strip()),
        _line("token", "there" if hub.token else "none"),
        _line("offline switches", ", ".join(on) or "none"),
    ]
    if not hub.cached:
        return [*lines, _line("cached", "nothing")]
    for number, repo in enumerate(hub.cached[:MOST_CACHED]):
        revisions = ", ".join(revision[:12] for revision in repo.revisions) or "no revision"
        cut = "" if repo.complete else ", incomplete"
        text = f"{repo.kind} {repo.name}, {bytes_text(repo.bytes)}, {revisions}{cut}"
        lines.append(_line("" if number else "cached", text))
    if len(hub.cached) > MOST_CACHED:
        lines.append(_line("", f"and {len(hub.cached) - MOST_CACHED} more (--json has all)"))
    return lines


def _advice_lines(advice: list[Advice]) -> list[str]:
    if not advice:
        return ["", "no problems found"]
    return ["", *(f"{one.level}: {one.text}" + (f"; to do: {one.remedy}" if one.remedy else "") for one in advice)]
