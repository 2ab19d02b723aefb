"""Findings: each from a machine with that one fault."""

from __future__ import annotations

from dataclasses import replace

import pytest

from interp.model.machine import Hub, Machine, advise
from interp.model.machine import _diagnosis as diagnosis
from interp.model.machine._caches import Cached
from interp.model.machine._diagnosis import GIB, out_of_range
from interp.model.machine._environment import PACKAGES, Device, Disk, Driver, Torch

GPU = Device("cuda:0", "Fake", 80 * GIB, 79 * GIB, "sm_90")
SOUND = Machine(
    python="3.11", system="Linux", versions=dict.fromkeys(PACKAGES, "1.0"),
    torch=Torch("CUDA 12.8", ("cpu", "cuda"), ("sm_80", "sm_90")), driver=Driver("NVIDIA", "570.1", "12.8"),
    gpus=(GPU,), devices=(GPU,), cores=8, cores_all=8, ram_total=64 * GIB, ram_free=60 * GIB,
    disks=(Disk("runs", "runs", 100 * GIB, 50 * GIB, True), Disk("Hub cache", "cache", 100 * GIB, 50 * GIB, True)),
)  # fmt: skip
ONLINE = Hub("https://hub.invalid", True, dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"), False), True, "", "c", ())  # fmt: skip


@pytest.fixture(autouse=True)
def _in_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "out_of_range", lambda: [])


def test_a_sound_machine_has_none() -> None:
    assert advise(SOUND, ONLINE) == []


def gpu(**more: object) -> tuple[Device, ...]:
    return (replace(GPU, **more),)  # type: ignore[arg-type]


FAULTS = {
    "missing package": ({"versions": {**SOUND.versions, "transformers": None}}, "error", "not installed: transformers"),
    "broken torch": ({"torch": Torch(error="OSError: libcudart")}, "error", "torch can't be imported: OSError"),
    "CPU build": ({"torch": Torch("CPU", ("cpu",)), "devices": ()}, "warning", "CPU build, but this machine has Fake"),
    "old driver": (
        {"driver": Driver("NVIDIA", "535.1", "12.2"), "torch": Torch("CUDA 13.0", ("cpu",)), "devices": ()},
        "warning", "the driver (535.1) is too old for torch: it supports CUDA 12.2",
    ),
    "unusable": ({"torch": Torch("CUDA 12.8", ("cpu",)), "devices": ()}, "warning", "can't use Fake"),
    "other maker": ({"driver": Driver("AMD", "6")}, "warning", "the GPU is from AMD"),
    "no driver": ({"driver": None, "gpus": (), "devices": ()}, "note", "runs use the CPU"),
    "new GPU": ({"devices": gpu(architecture="sm_120")}, "warning", "not among the architectures"),
    "busy GPU": ({"devices": gpu(free=10 * GIB)}, "warning", "10.0 of 80.0 GiB are free"),
    "little memory": ({"ram_free": GIB}, "warning", "1.0 GiB of memory are free"),
    "read-only": ({"disks": (Disk("runs", "runs", 9 * GIB, 9 * GIB, False),)}, "error", "runs can't be written"),
    "full disk": ({"disks": (Disk("runs", "runs", 9 * GIB, 2**20, True),)}, "warning", "runs: 0.0 GiB are free"),
    "small cache": ({"disks": (Disk("Hub cache", "c", 9 * GIB, GIB, True),)}, "warning", "Hub cache: 1.0 GiB"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_finding_with_something_to_do(name: str) -> None:
    change, level, text = FAULTS[name]
    [found] = advise(replace(SOUND, **change), ONLINE)  # type: ignore[arg-type]
    assert found.level == level
    assert text in found.text
    assert found.remedy or level == "note"


@pytest.mark.parametrize(
    ("driver", "build"),
    [("12.4", "12.8"), ("13.0", "12.8"), ("", "13.0")],
)
def test_a_driver_of_the_same_major_version_or_newer_serves(driver: str, build: str) -> None:
    changed = replace(SOUND, driver=Driver("NVIDIA", "1", driver), torch=replace(SOUND.torch, build=f"CUDA {build}"))
    assert advise(changed, ONLINE) == []


@pytest.mark.parametrize("built", [("sm_80",), ("sm_90a",), ("sm_70", "compute_80"), ()])
def test_older_code_of_the_same_major_version_runs(built: tuple[str, ...]) -> None:
    changed = replace(SOUND, torch=replace(SOUND.torch, architectures=built), devices=gpu(architecture="sm_89"))
    runs = built in (("sm_80",), ("sm_70", "compute_80"), ())
    assert (advise(changed, ONLINE) == []) == runs


def test_the_network() -> None:
    silent = replace(ONLINE, answers=False, problem="no route")
    [found] = advise(SOUND, silent)
    assert "does not answer (no route)" in found.text
    assert "HF_HUB_OFFLINE=1" in found.remedy
    half = replace(ONLINE, answers=None, switches={"HF_HUB_OFFLINE": False, "HF_DATASETS_OFFLINE": True})
    assert "but not for models" in advise(SOUND, half)[0].text
    offline = replace(ONLINE, token=False, answers=None, switches={"HF_HUB_OFFLINE": True})
    assert advise(SOUND, offline) == []
    assert advise(SOUND, replace(ONLINE, token=False))[0].level == "note"
    cut = replace(ONLINE, cached=(Cached("model", "org/m", 1, ("a",), complete=False),))
    assert "org/m is incomplete" in advise(SOUND, cut)[0].text


def test_the_worst_comes_first() -> None:
    bad = replace(SOUND, ram_free=GIB, driver=None, gpus=(), devices=(), torch=Torch("CUDA 12.8", ("cpu",)))
    bad = replace(bad, versions={**SOUND.versions, "datasets": None})
    assert [advice.level for advice in advise(bad, ONLINE)] == ["error", "warning", "note"]


def test_versions_outside_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "requires", lambda name: ["torch>=2.7", "peft>=0.1; extra == 'x'", "numpy>=2.0"])
    monkeypatch.setattr(diagnosis, "installed", {"torch": "2.5.1", "numpy": "2.4.0"}.get)
    assert out_of_range() == ["torch 2.5.1 (required: >=2.7)"]
