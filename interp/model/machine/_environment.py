"""What a run would stand on here: versions, the torch build against the driver, devices, memory and disk."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from interp.model.machine._host import host_free

PACKAGES = (
    "translocal", "torch", "transformers", "transformer-lens", "datasets", "huggingface-hub", "peft", "bitsandbytes",
    "gguf",
)  # fmt: skip
NEEDED = ("torch", "transformers", "transformer-lens", "datasets", "huggingface-hub")
NVIDIA = Path("/proc/driver/nvidia/version")
ROCM = Path("/dev/kfd")
SECONDS = 20
"""How long nvidia-smi may take."""


@dataclass(frozen=True)
class Torch:
    """The torch build: `build` is `CPU`, `CUDA 12.8` or `ROCm 6.4`; `usable` are the kinds of device it can use here.

    architectures: GPU architectures that the build was compiled for (`sm_90`). error: why it can't be imported.
    """

    build: str = ""
    usable: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Driver:
    """The GPU's driver: `cuda` is the newest CUDA that it serves, "" where it doesn't say."""

    kind: str
    version: str
    cuda: str = ""


@dataclass(frozen=True)
class Device:
    """A device with its memory in bytes (None: unknown) and, for NVIDIA's, its architecture (`sm_90`)."""

    name: str
    model: str
    total: int | None
    free: int | None
    architecture: str = ""


@dataclass(frozen=True)
class Disk:
    """The disk under a folder (which need not exist yet): what it is for, and its bytes (None: unknown)."""

    purpose: str
    path: str
    total: int | None
    free: int | None
    writable: bool


@dataclass(frozen=True)
class Machine:
    """Facts about this machine that need no network. `gpus` are those the driver sees, `devices` those of torch."""

    python: str
    system: str
    versions: dict[str, str | None]
    torch: Torch
    driver: Driver | None
    gpus: tuple[Device, ...]
    devices: tuple[Device, ...]
    cores: int
    cores_all: int
    ram_total: int
    ram_free: int
    disks: tuple[Disk, ...]


def machine(folders: dict[str, Path]) -> Machine:
    """Inspect this machine. `folders` maps a purpose to a folder whose disk matters. Missing parts are not an error."""
    driver, gpus = find_driver()
    torch, devices = find_torch()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        versions={name: installed(name) for name in PACKAGES},
        torch=torch,
        driver=driver,
        gpus=gpus,
        devices=devices,
        cores=usable,
        cores_all=os.cpu_count() or usable,
        ram_total=int(psutil.virtual_memory().total),
        ram_free=host_free(),
        disks=tuple(disk(purpose, path) for purpose, path in folders.items()),
    )


def installed(package: str) -> str | None:
    """A package's version, None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def find_torch() -> tuple[Torch, tuple[Device, ...]]:
    """The torch build and the devices that it can use; the CPU is left out."""
    try:
        import torch  # here: doctor has to go on where it can't be imported
    except Exception as error:  # a broken installation fails in many ways: missing libraries, another Python's build
        return Torch(error=" ".join(f"{type(error).__name__}: {error}".split())[:200]), ()
    built: Any = torch.version
    build = f"CUDA {built.cuda}" if built.cuda else f"ROCm {built.hip}" if getattr(built, "hip", None) else "CPU"
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    devices = [_cuda_device(torch, number) for number in range(torch.cuda.device_count())] if cuda else []
    if mps:
        devices.append(Device("mps", "Apple GPU", None, None))
    usable = ("cpu", *(["cuda"] if cuda else []), *(["mps"] if mps else []))
    return Torch(build, usable, tuple(torch.cuda.get_arch_list()) if cuda else ()), tuple(devices)


def _cuda_device(torch: Any, number: int) -> Device:
    properties = torch.cuda.get_device_properties(number)
    try:
        free: int | None = int(torch.cuda.mem_get_info(number)[0])
    except RuntimeError:  # no memory left even for a context
        free = None
    architecture = f"sm_{properties.major}{properties.minor}" if torch.version.cuda else ""
    return Device(f"cuda:{number}", str(properties.name), int(properties.total_memory), free, architecture)


def find_driver() -> tuple[Driver | None, tuple[Device, ...]]:
    """The GPU driver and the GPUs that it sees, whatever torch can use."""
    header = _output(["nvidia-smi"])
    if header:
        cuda = re.search(r"CUDA[A-Z ]* Version\s*:\s*(\d+(?:\.\d+)+)", header)
        query = ["nvidia-smi", "--query-gpu=name,memory.total,memory.free,driver_version"]
        table = _output([*query, "--format=csv,noheader,nounits"])
        rows = [row for line in table.split("\n") if len(row := line.split(", ")) == 4]
        gpus = tuple(Device(f"gpu {i}", row[0], _mebibytes(row[1]), _mebibytes(row[2])) for i, row in enumerate(rows))
        shown = re.search(r"Driver Version\s*:\s*(\d+(?:\.\d+)+)", header)
        driver = rows[0][3].strip() if rows else shown[1] if shown else "unknown"
        return Driver("NVIDIA", driver, cuda[1] if cuda else ""), gpus
    if NVIDIA.is_file():
        text = NVIDIA.read_text(encoding="utf-8", errors="replace")
        number = re.search(r"\s(\d+\.\d+(?:\.\d+)?)\s", text)
        return Driver("NVIDIA", number[1] if number else "unknown"), ()
    if ROCM.exists():
        return Driver("AMD", "unknown"), ()
    return None, ()


def _output(command: Sequence[str]) -> str:
    """What a command prints; "" where it is missing, fails or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout


def _mebibytes(text: str) -> int | None:
    return int(float(text) * 2**20) if re.fullmatch(r"\s*\d+(?:\.\d+)?\s*", text) else None


def disk(purpose: str, path: Path) -> Disk:
    """The disk that a folder is on, or would be."""
    folder = path.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return Disk(purpose, str(path), None, None, False)
    return Disk(purpose, str(path), usage.total, usage.free, folder.is_dir() and os.access(folder, os.W_OK))
