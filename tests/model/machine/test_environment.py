"""Looking around: fake drivers and torch builds, and machines where everything is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from interp.model.machine import _environment as environment
from interp.model.machine import disk, machine
from interp.model.machine._environment import Device, Driver, find_driver, find_torch, installed

HEADER = """+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 550.54.15              Driver Version: 550.54.15      CUDA Version: 12.4     |
|-----------------------------------------+------------------------+----------------------+"""
NEWER_HEADER = """| NVIDIA-SMI 590.44  KMD Version: 590.44  CUDA UMD Version: 13.1 |"""
TABLE = "NVIDIA Fake 80GB, 81920, 81000, 550.54.15\nNVIDIA Fake 80GB, 81920, [N/A], 550.54.15\n"


def smi(monkeypatch: pytest.MonkeyPatch, header: str | Exception, table: str = "") -> None:
    def run(command: list[str], **kwargs: Any) -> Any:
        if isinstance(header, Exception):
            raise header
        return SimpleNamespace(stdout=header if command == ["nvidia-smi"] else table)

    monkeypatch.setattr(subprocess, "run", run)


def no_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "NVIDIA", tmp_path / "nvidia")
    monkeypatch.setattr(environment, "ROCM", tmp_path / "kfd")


def test_the_driver_and_its_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    smi(monkeypatch, HEADER, TABLE)
    driver, gpus = find_driver()
    assert driver == Driver("NVIDIA", "550.54.15", "12.4")
    assert gpus == (
        Device("gpu 0", "NVIDIA Fake 80GB", 81920 * 2**20, 81000 * 2**20),
        Device("gpu 1", "NVIDIA Fake 80GB", 81920 * 2**20, None),
    )


def test_a_newer_header_and_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    smi(monkeypatch, NEWER_HEADER)
    assert find_driver() == (Driver("NVIDIA", "unknown", "13.1"), ())


@pytest.mark.parametrize(
    "failure",
    [
        FileNotFoundError("nvidia-smi"),
        subprocess.TimeoutExpired("nvidia-smi", 1),
        subprocess.CalledProcessError(9, "x"),
    ],
)
def test_no_nvidia_smi(failure: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    smi(monkeypatch, failure)
    no_files(monkeypatch, tmp_path)
    assert find_driver() == (None, ())
    (tmp_path / "nvidia").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19\n")
    assert find_driver() == (Driver("NVIDIA", "535.129.03"), ())
    (tmp_path / "nvidia").unlink()
    (tmp_path / "kfd").write_text("")
    assert find_driver() == (Driver("AMD", "unknown"), ())


def fake_torch(cuda: str | None = None, hip: str | None = None, gpus: int = 0, broken: bool = False) -> Any:
    def memory(number: int) -> tuple[int, int]:
        if broken:
            raise RuntimeError("CUDA error: out of memory")
        return 5, 10

    return SimpleNamespace(
        version=SimpleNamespace(cuda=cuda, hip=hip),
        cuda=SimpleNamespace(
            is_available=lambda: gpus > 0,
            device_count=lambda: gpus,
            get_arch_list=lambda: ["sm_80", "sm_90"],
            get_device_properties=lambda number: SimpleNamespace(name="Fake", total_memory=10, major=9, minor=0),
            mem_get_info=memory,
        ),
        backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: False)),
    )


@pytest.mark.parametrize(
    ("torch", "build", "usable"),
    [
        (fake_torch(), "CPU", ("cpu",)),
        (fake_torch(cuda="12.8"), "CUDA 12.8", ("cpu",)),
        (fake_torch(cuda="12.8", gpus=2), "CUDA 12.8", ("cpu", "cuda")),
        (fake_torch(hip="6.4", gpus=1), "ROCm 6.4", ("cpu", "cuda")),
    ],
)
def test_the_torch_build(torch: Any, build: str, usable: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", torch)
    found, devices = find_torch()
    assert (found.build, found.usable, found.error) == (build, usable, "")
    assert len(devices) == torch.cuda.device_count()
    for number, device in enumerate(devices):
        architecture = "sm_90" if build.startswith("CUDA") else ""
        assert device == Device(f"cuda:{number}", "Fake", 10, 5, architecture)


def test_a_gpu_whose_memory_can_not_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", fake_torch(cuda="12.8", gpus=1, broken=True))
    assert find_torch()[1][0].free is None


def test_torch_that_can_not_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found, devices = find_torch()
    assert "torch" in found.error
    assert (found.build, devices) == ("", ())


def test_a_disk_under_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    found = disk("runs", tmp_path / "a" / "b")
    assert found.path == str(tmp_path / "a" / "b")
    assert found.free is not None
    assert found.total is not None
    assert 0 < found.free < found.total
    assert found.writable
    (tmp_path / "file").write_text("")
    assert not disk("runs", tmp_path / "file" / "below").writable


def test_a_whole_machine_without_torch_or_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    smi(monkeypatch, FileNotFoundError("nvidia-smi"))
    no_files(monkeypatch, tmp_path)
    monkeypatch.setitem(sys.modules, "torch", None)
    found = machine({"runs": tmp_path})
    assert found.torch.error
    assert 0 < found.cores <= found.cores_all
    assert 0 < found.ram_free <= found.ram_total
    assert found.versions["transformers"] == installed("transformers")
    assert installed("no-such-package-here") is None
