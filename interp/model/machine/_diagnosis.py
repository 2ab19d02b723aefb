"""What stands in a run's way here, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from typing import Literal

from packaging.requirements import Requirement

from interp.model.machine._caches import Hub
from interp.model.machine._environment import NEEDED, Machine, installed

GIB = 2**30
LEAST = {"runs": 2**20 * 200, "Hub cache": 10 * GIB, "memory": 3 * GIB}
"""Bytes below which a run of the embedded model gets tight; the Hub's cache has to hold a model."""


@dataclass(frozen=True)
class Advice:
    """A problem with its remedy. An `error` makes every run impossible; a `note` is harmless."""

    level: Literal["error", "warning", "note"]
    text: str
    remedy: str = ""


def advise(machine: Machine, hub: Hub) -> list[Advice]:
    """All problems, the worst first."""
    order = ("error", "warning", "note")
    advice = [*_packages(machine), *_accelerator(machine), *_space(machine), *_network(hub)]
    return sorted(advice, key=lambda advice: order.index(advice.level))


def _packages(machine: Machine) -> Iterator[Advice]:
    missing = [name for name in NEEDED if machine.versions.get(name) is None]
    if missing:
        yield Advice("error", f"not installed: {', '.join(missing)}", "install translocal with its dependencies")
    if machine.torch.error and "torch" not in missing:
        yield Advice("error", f"torch can't be imported: {machine.torch.error}", "install torch again")
    odd = [line for line in out_of_range() if line.split(" ")[0] not in missing]
    if odd:
        yield Advice(
            "warning",
            f"versions that translocal was not tested with: {'; '.join(odd)}",
            "install the versions that translocal requires",
        )


def out_of_range(distribution: str = "translocal") -> list[str]:
    """Installed packages outside the range that `distribution` asks for, such as `torch 2.5 (asked: >=2.7)`."""
    try:
        wanted = [Requirement(line) for line in requires(distribution) or ()]
    except PackageNotFoundError:
        return []
    outside = []
    for package in wanted:
        if package.marker is None or package.marker.evaluate({"extra": ""}):
            version = installed(package.name)
            if version is not None and not package.specifier.contains(version, prereleases=True):
                outside.append(f"{package.name} {version} (required: {package.specifier})")
    return outside


def _accelerator(machine: Machine) -> Iterator[Advice]:
    torch, driver = machine.torch, machine.driver
    kind, _, built = torch.build.partition(" ")
    if torch.error or not torch.build:
        return
    if driver is None:
        if kind in ("CUDA", "ROCm"):
            yield Advice("note", f"torch is built for {torch.build}, but there is no GPU driver, so runs use the CPU")
        return
    if kind == "CPU":
        which = f"CUDA {driver.cuda} or older" if driver.cuda else "it"
        yield Advice(
            "warning",
            f"torch is a CPU build, but this machine has {_gpus(machine)}",
            f"install a torch build for {which if driver.kind == 'NVIDIA' else 'ROCm'} (see pytorch.org)",
        )
    elif (kind == "CUDA") != (driver.kind == "NVIDIA"):
        yield Advice(
            "warning",
            f"torch is built for {torch.build}, but the GPU is from {driver.kind}",
            "install a build for that GPU",
        )
    elif kind == "CUDA" and driver.cuda and _major(driver.cuda) < _major(built):
        yield Advice(
            "warning",
            f"the driver ({driver.version}) is too old for torch: it supports CUDA {driver.cuda}, but torch is built "
            f"for {built}",
            f"update the driver, or install a torch build for CUDA {driver.cuda} or older",
        )
    elif "cuda" not in torch.usable:
        yield Advice(
            "warning",
            f"torch ({torch.build}) can't use {_gpus(machine)}",
            "check CUDA_VISIBLE_DEVICES, the permissions of the devices, and `nvidia-smi`",
        )
    for device in machine.devices:
        if device.architecture and not _compiled_for(device.architecture, torch.architectures):
            yield Advice(
                "warning",
                f"{device.name} ({device.model}, {device.architecture}) is not among the architectures of this torch "
                f"build: {', '.join(torch.architectures)}",
                "install a torch build that includes it",
            )
        if device.total and device.free is not None and device.free < device.total / 2:
            yield Advice(
                "warning",
                f"{device.name}: {device.free / GIB:.1f} of {device.total / GIB:.1f} GiB are free",
                "check what else uses it (`nvidia-smi`), or pass another --device",
            )


def _gpus(machine: Machine) -> str:
    names = ", ".join(dict.fromkeys(gpu.model for gpu in machine.gpus))
    kind = machine.driver.kind if machine.driver else ""
    return names or f"a GPU of {kind}"


def _major(number: str) -> int:
    """CUDA builds run on every driver of the same major version (minor version compatibility)."""
    return int(number.split(".")[0])


def _compiled_for(architecture: str, built: tuple[str, ...]) -> bool:
    """Code of the same major version and no newer runs on a GPU, and code to be compiled (`compute_`) of any older."""
    own = _numbers(architecture)
    for target in built:
        version = _numbers(target)
        if version <= own and (target.startswith("compute") or version[0] == own[0]):
            return True
    return not built


def _numbers(architecture: str) -> tuple[int, int]:
    digits = re.sub(r"\D", "", architecture)
    return int(digits[:-1] or 0), int(digits[-1:] or 0)


def _space(machine: Machine) -> Iterator[Advice]:
    if machine.ram_free < LEAST["memory"]:
        text = f"{machine.ram_free / GIB:.1f} GiB of memory are free, but a run of the embedded model needs 2.5 GiB"
        yield Advice("warning", text, "close other programs, or request more memory from the scheduler")
    for disk in machine.disks:
        if not disk.writable and disk.purpose == "runs":
            yield Advice("error", f"{disk.path} can't be written", "work in another folder, or pass --out")
        elif not disk.writable:
            yield Advice("warning", f"{disk.purpose}: {disk.path} can't be written", "set HF_HOME to another folder")
        elif disk.free is not None and disk.free < LEAST.get(disk.purpose, 0):
            text = f"{disk.purpose}: {disk.free / GIB:.1f} GiB are free at {disk.path}"
            remedy = "free some space, or pass --out" if disk.purpose == "runs" else "set HF_HOME to a larger disk"
            yield Advice("warning", text, remedy)


def _network(hub: Hub) -> Iterator[Advice]:
    on = [name for name, value in hub.switches.items() if value]
    if on == ["HF_DATASETS_OFFLINE"]:
        yield Advice(
            "warning", "HF_DATASETS_OFFLINE blocks the network for datasets, but not for models", "set HF_HUB_OFFLINE=1"
        )
    if hub.answers is False:
        yield Advice(
            "warning",
            f"{hub.endpoint} does not answer ({hub.problem}): only cached, local or embedded files can be used",
            "use a machine with a network (`interp model fetch`, `interp data fetch`), then set HF_HUB_OFFLINE=1",
        )
    if not hub.token and not on:
        yield Advice("note", "no Hub token: gated models and datasets can't be downloaded", "run `hf auth login`")
    for entry in hub.cached:
        if not entry.complete:
            yield Advice("warning", f"the download of {entry.kind} {entry.name} is incomplete", "fetch it again")
